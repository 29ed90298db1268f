"""TLS in front of a real registry: it wants a login or a client's certificate, and passes on what has it."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import trustme
from answering import pass_on, send, serve

Headers = dict[str, str]


class TlsFront:
    """At `https://127.0.0.1:<port>`. `authorization` is what the header must say, `redirect` where all is sent to."""

    def __init__(self, real: str, authority: trustme.CA, name: str = "127.0.0.1") -> None:
        self.authorization: str | None = None
        self.redirect: str | None = None
        self.heard: list[Headers] = []  # of each request
        self._real = real
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(self._context)
        self._authority = authority

        class Handler(BaseHTTPRequestHandler):
            front = self

            def setup(self) -> None:
                self.request = self.front.encrypted(self.request)
                super().setup()

            def finish(self) -> None:
                with suppress(OSError):
                    super().finish()
                self.request.close()  # the server knows the socket inside alone

            def do_request(self) -> None:
                self.front.answer(self)

            do_GET = do_POST = do_PUT = do_DELETE = do_request  # noqa: N815 - the names are the library's

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """A handshake that failed is the client's to tell."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"https://{serve(self._server)}"

    def want_certificate(self) -> None:
        """From now on, of the same authority."""
        self._authority.configure_trust(self._context)
        self._context.verify_mode = ssl.CERT_REQUIRED

    def encrypted(self, connection: socket.socket) -> ssl.SSLSocket:
        wrapped = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        try:
            wrapped.do_handshake()
        except OSError:
            wrapped.settimeout(5)
            with wrapped, suppress(OSError):
                while socket.socket.recv(wrapped, 65536):  # or a reset would overtake the reason
                    pass
            raise
        return wrapped

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.heard.append(dict(request.headers.items()))
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        with suppress(OSError):  # the client has gone
            if self.redirect is not None:
                send(request, 307, b"", Location=f"{self.redirect}{request.path}")
            elif self.authorization is not None and request.headers.get("Authorization") != self.authorization:
                send(request, 401, b'{"error_code": 401, "message": "who are you?"}')
            else:
                pass_on(request, self._real, body, 30)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def write_authority(authority: trustme.CA, file: Path) -> str:
    """Its certificate, in a file."""
    authority.cert_pem.write_to_path(str(file))
    return str(file)
