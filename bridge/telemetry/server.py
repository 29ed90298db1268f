"""A small HTTP server beside other work: nobody who asks, slowly, wrongly or often, can keep it from that.

One request a connection. When there are too many connections, the oldest ones give way, which are never the quick ones.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Mapping
from socketserver import BaseServer, TCPServer, ThreadingMixIn
from typing import Any

from bridge.log_fields import about
from bridge.telemetry.address import Address, listen
from bridge.telemetry.handler import Handler
from bridge.telemetry.pages import Page

logger = logging.getLogger(__name__)

CONNECTIONS = 32  # at once; when there are more, the oldest are closed
POLL_SECONDS = 60.0  # how often it wakes for nothing


class HttpServer:
    """Serves pages in threads of its own, from `start()` to `close()`.

    A page may be called by several threads at once. A BridgeError that it raises is told with status 503.
    """

    def __init__(self, address: Address, pages: Mapping[str, Page], posts: Mapping[str, Page] | None = None) -> None:
        """Listen there; by path, what answers GET and HEAD, and what answers POST. Raises ConfigError."""
        listener = listen(address)
        host, port = ("", 0) if address.path else listener.getsockname()[:2]
        self.address = Address(host, port, address.path)  # with the port that it got
        self._server = _Server(listener, pages, posts or {})
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL_SECONDS,), name="http", daemon=True
        )

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def close(self) -> None:
        """Listen no more; answers that are under way end with the process."""
        if self._thread.is_alive():
            with contextlib.suppress(OSError):
                self._server.socket.shutdown(socket.SHUT_RDWR)  # wakes it
            self._server.shutdown()
        self._server.server_close()
        if self.address.path and os.path.exists(self.address.path):
            os.unlink(self.address.path)


class _Server(ThreadingMixIn, TCPServer):
    daemon_threads = True  # whoever reads slowly does not keep the process from ending

    def __init__(self, listener: socket.socket, pages: Mapping[str, Page], posts: Mapping[str, Page]) -> None:
        BaseServer.__init__(self, listener.getsockname(), Handler)
        self.socket = listener
        self.pages, self.posts = pages, posts
        self._open: dict[socket.socket, None] = {}  # the oldest one first
        self._lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            for slow in list(self._open)[: max(len(self._open) + 1 - CONNECTIONS, 0)]:
                with contextlib.suppress(OSError):  # it has gone already
                    slow.shutdown(socket.SHUT_RDWR)  # its thread notices, and ends
            is_flood = len(self._open) >= 2 * CONNECTIONS  # whose pages take long
            if not is_flood:
                self._open[request] = None
        if is_flood:
            self.shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked has gone, or is too slow; what a page raises is answered, and never comes here."""
        logger.debug("an HTTP request was not answered", exc_info=True, extra=about("request-not-answered"))
