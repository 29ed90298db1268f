"""A small HTTP server beside other work: nobody who asks, slowly, wrongly or often, can keep it from that.

One request a connection. Its threads wait in accept(), all of them: a thread that has to be started, or a selector that
is asked first, would cost each answer another few turns of waiting for Python's lock, which busy threads hold for 5 ms
at a time. When all of them are taken, the oldest connections give way, which are never the quick ones.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
import threading
from collections.abc import Mapping

from bridge.log_fields import about
from bridge.telemetry.address import Address, listen
from bridge.telemetry.handler import Handler
from bridge.telemetry.pages import Page

logger = logging.getLogger(__name__)

THREADS = 12
WAITING = 6  # of them, in pages that may wait for something
FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
FULL_SECONDS = 0.2  # to wait where there are no more files: accept() says so at once, again and again


class HttpServer:
    """Serves pages in threads of its own, from `start()` to `close()`.

    A page may be called by several threads at once. A BridgeError that it raises is told with status 503.
    """

    def __init__(self, address: Address, pages: Mapping[str, Page], posts: Mapping[str, Page] | None = None) -> None:
        """Listen there; by path, what answers GET and HEAD, and what answers POST. Raises ConfigError."""
        self._listener = listen(address)
        host, port = ("", 0) if address.path else self._listener.getsockname()[:2]
        self.address = Address(host, port, address.path)  # with the port that it got
        self.pages, self.posts = pages, posts or {}
        self._open: dict[socket.socket, None] = {}  # the oldest one first
        self.slots = threading.Semaphore(WAITING)
        self._lock = threading.Lock()
        self._closing = threading.Event()

    def start(self) -> None:
        """Answer from now on."""
        for number in range(THREADS):  # daemons: whoever reads slowly does not keep the process from ending
            threading.Thread(target=self._serve, name=f"http-{number}", daemon=True).start()

    def close(self) -> None:
        """Listen no more; answers that are under way end with the process."""
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes those that wait there
        self._listener.close()
        if self.address.path:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.address.path)

    def _serve(self) -> None:
        while not self._closing.is_set():
            try:
                conn, _ = self._listener.accept()
            except OSError as error:  # it was closed; or whoever came has left, or there are no more files
                logger.debug("an HTTP connection was not accepted", exc_info=True, extra=about("request-not-answered"))
                if error.errno in FULL:
                    self._closing.wait(FULL_SECONDS)
                continue
            with conn:
                self._make_room(conn)
                try:
                    Handler(conn, self)
                except OSError:
                    logger.debug("an HTTP request was not answered", exc_info=True, extra=about("request-not-answered"))
                finally:
                    with self._lock:
                        del self._open[conn]

    def _make_room(self, conn: socket.socket) -> None:
        """One thread at least is to wait for the next connection; that of a connection that is cut off notices it."""
        with self._lock:
            self._open[conn] = None
            if len(self._open) == THREADS:
                with contextlib.suppress(OSError):  # it has gone already
                    next(iter(self._open)).shutdown(socket.SHUT_RDWR)
