"""Answers one HTTP request: parses it once all of it is there, and calls the page that it is for."""

from __future__ import annotations

import io
import logging
import socket
import threading
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import BaseServer
from typing import Any, Protocol, cast
from urllib.parse import parse_qsl, urlsplit

from bridge.errors import BridgeError
from bridge.log_fields import about
from bridge.telemetry.pages import HEALTH, LIVE, METRICS, READY, Answer, Page, Request, plain
from bridge.telemetry.reading import BadRequest, hear_out, read_request, set_timeout
from bridge.text import place

logger = logging.getLogger(__name__)

READ_SECONDS = 5.0  # for a whole request
SEND_SECONDS = 10.0  # for each part of an answer that the other side takes
FIELDS = 100  # in a query
NEVER_WAIT = frozenset({LIVE, READY, HEALTH, METRICS})  # on a server; so they are answered while others do


class Served(Protocol):
    """What a server lets it know: by path, what answers GET and HEAD, and what answers POST."""

    pages: Mapping[str, Page]
    posts: Mapping[str, Page]
    slots: threading.Semaphore  # for pages that may wait for something


class Handler(BaseHTTPRequestHandler):
    """Parses one request, which was read before. Raises OSError where nobody is there any more, or is too slow."""

    protocol_version = "HTTP/1.1"

    def __init__(self, conn: socket.socket, served: Served) -> None:
        self._served = served
        super().__init__(conn, None, cast(BaseServer, served))  # it only keeps them

    def setup(self) -> None:
        self.connection = self.request
        self.wfile = io.BytesIO()
        self.command = ""
        self.close_connection = True

    def handle(self) -> None:
        try:
            head, self._body = read_request(self.connection, READ_SECONDS)
        except BadRequest as bad:
            self._send(plain(bad.status, bad.text))
            hear_out(self.connection)
            return
        self.rfile = io.BytesIO(head)
        self.raw_requestline = self.rfile.readline(len(head))
        if not self.raw_requestline.strip():
            self.send_error(HTTPStatus.BAD_REQUEST)
        elif self.parse_request():  # else it has called send_error()
            self._send(self._answer())

    def finish(self) -> None:
        """Nothing is kept back."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the parser says of a request that it does not understand; not with its words, which repeat it."""
        self._send(plain(int(code), HTTPStatus(code).phrase))

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged."""

    def _answer(self) -> Answer:
        try:
            parts = urlsplit(self.path)
            query = dict(parse_qsl(parts.query, keep_blank_values=True, max_num_fields=FIELDS))
        except ValueError:
            return plain(HTTPStatus.BAD_REQUEST, "the request's address is malformed")
        if self.request_version not in ("HTTP/1.0", "HTTP/1.1"):
            return plain(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "HTTP/1.1 is spoken here")
        methods = {"GET": self._served.pages, "HEAD": self._served.pages, "POST": self._served.posts}
        known = [method for method, pages in methods.items() if parts.path in pages]
        if not known:
            return plain(HTTPStatus.NOT_FOUND, f"there are: {' '.join(sorted(self._served.pages))}")
        if self.command not in known:
            return plain(HTTPStatus.METHOD_NOT_ALLOWED, f"it takes {' '.join(known)}", Allow=", ".join(known))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, parts.path, query, headers, self._body)
        page = methods[self.command][parts.path]
        if parts.path in NEVER_WAIT:
            return _call(page, request)
        if not self._served.slots.acquire(blocking=False):
            return plain(HTTPStatus.SERVICE_UNAVAILABLE, "too many are asking already")
        try:
            return _call(page, request)
        finally:
            self._served.slots.release()

    def _send(self, answer: Answer) -> None:
        headers = {
            "Content-Type": answer.content_type,
            "Content-Length": str(len(answer.body)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Connection": "close",
            **answer.headers,
        }
        phrase = HTTPStatus(answer.status).phrase
        lines = [f"HTTP/1.1 {int(answer.status)} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        set_timeout(self.connection, socket.SO_SNDTIMEO, SEND_SECONDS)
        self.connection.sendall(head if self.command == "HEAD" else head + answer.body)


def _call(page: Page, request: Request) -> Answer:
    try:
        return page(request)
    except BridgeError as error:
        return plain(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
    except Exception as error:  # a bug of one page, which harms nobody else
        logger.debug("%s", request.path, exc_info=error, extra=about("page-failed"))
        what = about("page-failed", exception=place(error))
        logger.error("unforeseen: %s answered %s. Please report it", place(error), request.path, extra=what)
        return plain(HTTPStatus.INTERNAL_SERVER_ERROR, f"unforeseen: {place(error)}")
