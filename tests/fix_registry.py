"""A registry that is hostile: it answers whatever a test says, byte by byte, and tells how it was treated."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

GIVE_UP = 120.0  # seconds, after which a client that still listens is at fault

Speak = Callable[["Hostile", socket.socket], None]


class Hostile:
    """One answer to all requests. `sent` counts the bytes that clients took, `left` is set once one has hung up."""

    def __init__(self, speak: Speak) -> None:
        self.sent = 0
        self.left = threading.Event()
        self.ending = threading.Event()
        self._speak = speak
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def send(self, connection: socket.socket, content: bytes) -> None:
        """Raises OSError once the client has hung up."""
        connection.sendall(content)
        self.sent += len(content)

    def hung_up(self, connection: socket.socket, seconds: float) -> bool:
        """Wait; whether the client hung up meanwhile."""
        connection.settimeout(seconds)
        try:
            return connection.recv(1) == b""
        except TimeoutError:
            return self.ending.is_set()
        finally:
            connection.settimeout(GIVE_UP)

    def close(self) -> None:
        self.ending.set()
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
                self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(GIVE_UP)
            head = b""
            while b"\r\n\r\n" not in head:
                if not (part := connection.recv(65536)):
                    return
                head += part
            self._speak(self, connection)
        self.left.set()


def answer(body: bytes, *headers: str, status: str = "200 OK") -> Speak:
    """An answer that is HTTP, after which the connection is closed."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return lambda hostile, connection: hostile.send(connection, "\r\n".join(lines).encode() + body)


@pytest.fixture
def hostile() -> Iterator[Callable[[Speak], Hostile]]:
    """Starts hostile registries."""
    started: list[Hostile] = []

    def start(speak: Speak) -> Hostile:
        started.append(Hostile(speak))
        return started[-1]

    yield start
    for one in started:
        one.close()
