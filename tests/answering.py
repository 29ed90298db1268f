"""What servers of the tests have in common that answer over HTTP."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def serve(server: ThreadingHTTPServer) -> str:
    """Let it answer from now on, in a thread; where, as host and port."""
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return f"127.0.0.1:{server.server_port}"


def send(request: BaseHTTPRequestHandler, status: int, body: bytes | str, **headers: str) -> None:
    content = body.encode() if isinstance(body, str) else body
    request.send_response(status)
    for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content)), **headers}.items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()
    request.wfile.write(content)


def pass_on(request: BaseHTTPRequestHandler, real: str, body: bytes, seconds: float) -> None:
    """Answer as the real server does, which has so long to do it."""
    kinds = {"Content-Type": request.headers.get("Content-Type") or "application/json"}
    asked = urllib.request.Request(f"{real}{request.path}", body or None, kinds, method=request.command)
    try:
        with urllib.request.urlopen(asked, timeout=seconds) as answer:
            send(request, answer.status, answer.read())
    except urllib.error.HTTPError as error:
        send(request, error.code, error.read())
