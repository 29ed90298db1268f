"""A registry that lies about some subjects, in front of the real one: wrong answers, late ones, none at all."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from answering import pass_on, send, serve

_ESCAPES = '{"error_code": 500, "message": "\x1b]0;owned\x07\x1b[31m\u202e' + "long " * 2000 + '"}'
HANG_SECONDS = 30.0


class LyingRegistry:
    """Passes requests on, but for those about subjects with `about` in their names: these get `lie`, if one is set.

    With `methods` (`PUT /config`), only requests that begin so.
    """

    def __init__(self, real: str, about: str, methods: tuple[str, ...] = ("",)) -> None:
        self.lie: str | None = None
        self.asked: list[str] = []
        self.requests = 0
        self.honest = threading.Event()  # ends what hangs
        self._real, self._about, self._methods = real, about, methods

        class Handler(BaseHTTPRequestHandler):
            registry = self

            def do_request(self) -> None:
                self.registry.answer(self)

            do_GET = do_POST = do_PUT = do_DELETE = do_request  # noqa: N815 - the names are the library's

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://{serve(self._server)}"

    def begin(self, lie: str) -> None:
        self.honest.clear()
        self.lie = lie

    def end(self) -> None:
        self.lie = None
        self.honest.set()

    def close(self) -> None:
        self.end()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.requests += 1
        self.asked.append(f"{request.command} {request.path}")
        length = int(request.headers.get("Content-Length") or 0)
        body = request.rfile.read(length)
        with suppress(OSError):  # the client has gone
            if self.lie is not None and self._about in request.path and self.asked[-1].startswith(self._methods):
                ANSWERS[self.lie](self, request)
            else:
                pass_on(request, self._real, body, 10)


def _drip(registry: LyingRegistry, request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Length", "1000000")
    request.end_headers()
    for _ in range(int(HANG_SECONDS * 5)):
        request.wfile.write(b" ")
        request.wfile.flush()
        if registry.honest.wait(0.2):
            return


def _drip_headers(registry: LyingRegistry, request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not registry.honest.wait(0.2):
        request.wfile.write(b"x")
        request.wfile.flush()


def _flood(registry: LyingRegistry, request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"id": 1, "x": "')
    while not registry.honest.is_set():
        request.wfile.write(b"x" * 65_536)
    request.close_connection = True


def _hang(registry: LyingRegistry, request: BaseHTTPRequestHandler) -> None:
    registry.honest.wait(HANG_SECONDS)
    request.close_connection = True


def _cut(_: LyingRegistry, request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"id": 1')
    request.close_connection = True


def _said(status: int, body: bytes | str, **headers: str) -> Callable[[LyingRegistry, BaseHTTPRequestHandler], None]:
    return lambda _, request: send(request, status, body, **headers)


LIES: dict[str, Callable[[LyingRegistry, BaseHTTPRequestHandler], None]] = {
    "an id that is text": _said(200, '{"id": "abc"}'),
    "an id that is null": _said(200, '{"id": null}'),
    "an id that is an object": _said(200, '{"id": {"a": [1]}, "schema": 5}'),
    "an id below zero": _said(200, '{"id": -1, "version": 1, "schema": "{}"}'),
    "an id of 2^40": _said(200, '{"id": 1099511627776, "version": 1, "schema": "{}"}'),
    "an id of zero": _said(200, '{"id": 0, "version": 1, "schema": "{}"}'),
    "an id of 2^32": _said(200, '{"id": 4294967296, "version": 1, "schema": "{}"}'),
    "an id with a fraction": _said(200, '{"id": 1.5, "version": 1, "schema": "{}"}'),
    "an id that is true": _said(200, '{"id": true, "version": 1, "schema": null}'),
    "an id of 5000 digits": _said(200, '{"id": ' + "9" * 5000 + "}"),
    "an id that is a list": _said(200, '{"id": [1], "schema": []}'),
    "no id": _said(200, "{}"),
    "null": _said(200, "null"),
    "a list": _said(200, "[]"),
    "text": _said(200, '"text"'),
    "nothing": _said(200, ""),
    "HTML": _said(200, "<html>\x1b[2J</html>", Content_Type="text/html"),
    "bytes that are no UTF-8": _said(200, b'{"id": "\xff\xfe"}'),
    "100,000 lists in each other": _said(200, "[" * 100_000 + "]" * 100_000),
    "a small answer that unpacks to 100 MB": _said(200, gzip.compress(b" " * 100_000_000), Content_Encoding="gzip"),
    "garbage that claims to be compressed": _said(200, "no gzip", Content_Encoding="gzip"),
    "500 with escapes": _said(500, _ESCAPES),
    "503 in HTML": _said(503, "<html>\x1b[2J</html>"),
    "404 in HTML": _said(404, "<html></html>"),
    "401": _said(401, '{"message": "\x1b[31mno"}'),
    "409 with escapes": _said(409, _ESCAPES),
    "422": _said(422, '{"error_code": 42201, "message": null}'),
    "a redirect to itself": lambda registry, request: send(request, 302, "", Location=f"{registry.url}{request.path}"),
    "a redirect elsewhere": _said(307, "", Location="http://127.0.0.1:1/elsewhere"),
    "500 of other bytes": _said(500, b"\xff\xfe\x1b[31m\x00" * 1000),
    "500 with a list": _said(500, '{"message": ["\x1b[31m"]}'),
    "999": _said(999, "{}"),
    "a status that is none": lambda _, request: request.wfile.write(b"HTTP/1.1 abc \x1b[31m\r\n\r\n"),
    "30 MB": _said(200, '{"id": 1, "x": "' + "x" * 30_000_000 + '"}'),
    "a byte now and then": _drip,
    "a header that never ends": _drip_headers,
    "a body that never ends": _flood,
    "silence": _hang,
    "half an answer": _cut,
}
TRUTHS = {
    "the truth": _said(200, '{"id": 7, "version": 1, "schema": "\\"string\\""}'),
    "not compatible": _said(200, '{"is_compatible": false}'),
}
REFUSALS = {"403": _said(403, '{"error_code": 40301, "message": "not yours"}')}
ANSWERS = TRUTHS | LIES | REFUSALS
