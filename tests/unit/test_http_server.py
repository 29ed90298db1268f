"""The HTTP server beside a relay: what it answers, and that nobody keeps it from answering."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fix_relay import eventually

from bridge.errors import ConfigError, DatabaseUnavailable
from bridge.telemetry import handler
from bridge.telemetry.address import Address, connect_to, parse_address
from bridge.telemetry.pages import Answer, Request, plain
from bridge.telemetry.server import THREADS, HttpServer

LEAVE = threading.Event()
ASKED = threading.Semaphore(0)  # for the large page


def echo(request: Request) -> Answer:
    text = f"{request.method} {request.path} {dict(request.query)} {request.headers.get('x-one')} {request.body!r}"
    return plain(200, text, **{"X-Two": "2"})


def broken(_request: Request) -> Answer:
    raise ValueError("somebody's value")


def away(_request: Request) -> Answer:
    raise DatabaseUnavailable("Postgres is away")


def slow(_request: Request) -> Answer:
    LEAVE.wait(60)
    return plain(200, "at last")


def large(_request: Request) -> Answer:
    ASKED.release()
    return Answer(200, "text/plain", LARGE)


LARGE = b"x" * 12_000_000  # more than the kernel takes off our hands
PAGES = {"/livez": echo, "/large": large, "/echo": echo, "/broken": broken, "/away": away, "/slow": slow}


@pytest.fixture
def server() -> Iterator[HttpServer]:
    LEAVE.clear()
    server = HttpServer(parse_address("127.0.0.1:0"), PAGES, {"/echo": echo})
    server.start()
    yield server
    LEAVE.set()
    server.close()


def ask(server: HttpServer, method: str, path: str, body: bytes | None = None) -> tuple[int, dict[str, str], str]:
    conn = http.client.HTTPConnection(server.address.host, server.address.port, timeout=10)
    try:
        conn.request(method, path, body, {"X-One": "1"})
        answer = conn.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()
    finally:
        conn.close()


def raw(server: HttpServer, request: bytes) -> bytes:
    """All that comes back until the server closes the connection."""
    with connect_to(server.address, 10) as conn:
        conn.sendall(request)
        return b"".join(iter(lambda: conn.recv(65_536), b""))


def test_pages_are_served(server: HttpServer) -> None:
    status, headers, body = ask(server, "GET", "/echo?a=1&b=%0a&a=2")
    assert (status, body) == (200, "GET /echo {'a': '2', 'b': '\\n'} 1 b''\n")
    assert headers["x-two"] == "2"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers
    assert ask(server, "POST", "/echo", b"x" * 65_536)[0] == 200
    status, headers, body = ask(server, "HEAD", "/echo")
    assert (status, body) == (200, "")
    assert int(headers["content-length"]) > 0


def test_what_cannot_be_answered_is_told(server: HttpServer, caplog: pytest.LogCaptureFixture) -> None:
    assert ask(server, "GET", "/")[0] == 404
    status, headers, _ = ask(server, "DELETE", "/echo")
    assert (status, headers["allow"]) == (405, "GET, HEAD, POST")
    assert ask(server, "POST", "/away")[0] == 405
    assert ask(server, "GET", "/away")[::2] == (503, "Postgres is away\n")
    status, _, body = ask(server, "GET", "/broken")
    assert status == 500
    assert "somebody" not in body + caplog.text
    assert "ValueError in broken" in caplog.text


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /echo\r\n\r\n", 505),  # HTTP/0.9
        (b"GET /echo HTTP/9.9\r\n\r\n", 505),
        (b"\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),  # TLS
        (b"GET http://[ HTTP/1.1\r\n\r\n", 400),
        (b"GET /echo?" + b"a&" * 101 + b" HTTP/1.1\r\n\r\n", 400),
        (b"GET /" + b"a" * 20_000, 431),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
        (b"POST /echo HTTP/1.1\r\nContent-Length: 65537\r\n\r\n", 413),
        (b"POST /echo HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nContent-Length: 1\r\nContent-length: 2\r\n\r\nab", 400),
        (b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"GET /echo HTTP/1.0\r\n\r\n", 200),
    ],
)
def test_odd_requests_have_an_answer(server: HttpServer, request_: bytes, status: int) -> None:
    answer = raw(server, request_)
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer
    assert b"\x16" not in answer


def test_slow_and_many_clients_keep_nobody_from_an_answer(server: HttpServer) -> None:
    threads = threading.active_count()
    idle = [connect_to(server.address, 10) for _ in range(5 * THREADS)]
    for conn in idle[::2]:
        conn.sendall(b"GET /echo HTTP/1.1\r\n")
    assert ask(server, "GET", "/echo")[0] == 200
    assert threading.active_count() <= threads
    for conn in idle:
        conn.close()
    slow = [connect_to(server.address, 10) for _ in range(3 * THREADS)]
    for conn in slow:
        conn.sendall(b"GET /slow HTTP/1.1\r\n\r\n")
    eventually(lambda: ask(server, "GET", "/echo")[::2] == (503, "too many are asking already\n"))
    assert ask(server, "GET", "/livez")[0] == 200
    LEAVE.set()
    for conn in slow:
        conn.close()
    eventually(lambda: ask(server, "GET", "/echo")[0] == 200)


def test_who_does_not_take_the_answer_is_left(server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler, "SEND_SECONDS", 0.2)
    stuck = [connect_to(server.address, 10) for _ in range(3)]
    for conn in stuck:
        conn.sendall(b"GET /large HTTP/1.1\r\n\r\n")
    for _ in stuck:
        assert ASKED.acquire(timeout=60)
    eventually(lambda: not server._open)
    for conn in stuck:
        conn.close()


def test_a_request_has_a_time_limit(server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler, "READ_SECONDS", 0.3)
    with connect_to(server.address, 10) as conn:
        conn.sendall(b"GET /echo HTTP/1.1\r\n")
        assert conn.recv(100) == b""


FULL = """
import os, resource, socket, time
from bridge.telemetry.address import Address
from bridge.telemetry.server import HttpServer

server = HttpServer(Address("127.0.0.1", 0), {})
server.start()
waiting = socket.socket()
most = len(os.listdir("/proc/self/fd"))
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
waiting.connect(server.address[:2])
try:
    while True:
        os.dup(0)
except OSError:
    pass
began = time.process_time()
time.sleep(1)
print(time.process_time() - began, flush=True)
os._exit(0)
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux has it")
def test_where_there_are_no_more_files_it_rests() -> None:
    """Its threads would take a core from the relay, and Python's lock."""
    done = subprocess.run([sys.executable, "-c", FULL], capture_output=True, text=True, timeout=60, check=True)
    assert float(done.stdout) < 0.1


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9108", Address("127.0.0.1", 9108)),
        (":9108", Address("", 9108)),
        ("[::1]:0", Address("::1", 0)),
        ("localhost:80", Address("localhost", 80)),
        ("unix:/run/a b.sock", Address("", 0, "/run/a b.sock")),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


@pytest.mark.parametrize("text", ["", "9108", "::1:9108", "host:65536", "host:", "http://host:80", "a:b:1", "[::1]"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ConfigError, match="no address"):
        parse_address(text)


@pytest.mark.parametrize("host", ["", "::1", "localhost"])
def test_where_it_listens(host: str) -> None:
    if host == "::1" and not socket.has_ipv6:
        pytest.skip("without IPv6")
    first = HttpServer(Address(host, 0), PAGES)
    first.start()
    with pytest.raises(ConfigError, match=r"Address already in use\. Stop what"):
        HttpServer(Address(host, first.address.port), PAGES)
    with connect_to(Address(host, first.address.port), 10) as conn:
        conn.sendall(b"HEAD /echo HTTP/1.1\r\n\r\n")
        assert conn.recv(15) == b"HTTP/1.1 200 OK"
    first.close()
    again = HttpServer(Address(host, first.address.port), PAGES)  # at once
    again.close()


def test_hosts_that_are_not_ours() -> None:
    for host in ("no.such.host.invalid", "192.0.2.1", "a" * 70):
        with pytest.raises(ConfigError, match="cannot serve HTTP at"):
            HttpServer(Address(host, 1), PAGES)


def test_a_socket_in_a_directory(tmp_path: Path) -> None:
    address = Address("", 0, str(tmp_path / "a.sock"))
    server = HttpServer(address, PAGES)
    server.start()
    with connect_to(address, 10) as conn:
        conn.sendall(b"GET /echo HTTP/1.1\r\n\r\n")
        assert conn.recv(15) == b"HTTP/1.1 200 OK"
    server.close()
    assert not Path(address.path).exists()
