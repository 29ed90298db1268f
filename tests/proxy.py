"""A TCP proxy that makes the network misbehave, and holds back single Kafka requests.

Requests are told apart by the head of every Kafka frame: size (4 bytes), API key (2), version (2), correlation id (4);
https://kafka.apache.org/protocol#protocol_messages. A held request keeps its connection to the server when the client's
is cut, so that it can still arrive, as from a network that delivers late.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from enum import IntEnum

_CHUNK = 65_536


class Api(IntEnum):
    """API keys of Kafka's protocol."""

    PRODUCE = 0
    END_TXN = 26


@dataclass
class Hold:
    """Holds the next request of one kind that contains `text` (a transactional id); armed until it has caught one."""

    api: Api
    text: bytes
    caught: threading.Event = field(default_factory=threading.Event)
    _frame: bytes = b""
    _link: Link | None = None

    def wants(self, frame: bytes) -> bool:
        return not self.caught.is_set() and frame[4:6] == struct.pack(">h", self.api) and self.text in frame

    def catch(self, frame: bytes, link: Link) -> None:
        self._frame, self._link = frame, link
        link.outlives_client = True
        self.caught.set()

    @property
    def proxy(self) -> Proxy:
        """Where it was caught."""
        assert self._link is not None
        return self._link.proxy

    def reset_client(self) -> None:
        """Cut the client off (RST); the server notices nothing."""
        assert self._link is not None
        self._link.reset_client()

    def release(self) -> None:
        """Let the request arrive; returns when the server has answered, or closed the connection."""
        assert self._link is not None
        self._link.answered.clear()
        self._link.server.sendall(self._frame)
        assert self._link.answered.wait(20), "the server does not answer the released request"


class Link:
    """One client's connection."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy, self.client, self.server = proxy, client, server
        self.answered = threading.Event()
        self.outlives_client = False  # a held request may still arrive

    def start(self) -> None:
        for pump in (self._from_client, self._from_server):
            threading.Thread(target=pump, daemon=True).start()

    def reset_client(self) -> None:
        """Close the client's side with RST."""
        with suppress(OSError):
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.client.shutdown(socket.SHUT_RD)
        self.client.close()

    def close(self) -> None:
        for end in (self.client, self.server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _from_client(self) -> None:
        with suppress(OSError):
            while chunk := self._next():
                self.proxy.hearing.wait()
                hold = next((hold for hold in self.proxy.holds if hold.wants(chunk)), None)
                if hold is not None:
                    hold.catch(chunk, self)
                else:
                    self.proxy.send(self.server, chunk)
        if not self.outlives_client:
            self.close()

    def _from_server(self) -> None:
        with suppress(OSError):
            while chunk := self.server.recv(_CHUNK):
                self.answered.set()
                self.proxy.hearing.wait()
                with suppress(OSError) if self.outlives_client else nullcontext():
                    self.proxy.send(self.client, chunk)
        self.answered.set()
        self.close()

    def _next(self) -> bytes:
        """A whole frame of Kafka's, or what there is."""
        if not self.proxy.speaks_kafka:
            return self.client.recv(_CHUNK)
        head = self._exactly(4)
        return head + self._exactly(struct.unpack(">i", head)[0]) if head else b""

    def _exactly(self, count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            if not (chunk := self.client.recv(count - len(parts))):
                return b""
            parts += chunk
        return bytes(parts)


class Proxy:
    """Listens on `port` of 127.0.0.1 and forwards to `target()`, a port there."""

    def __init__(self, target: Callable[[], int], *, speaks_kafka: bool) -> None:
        self._target = target
        self.speaks_kafka = speaks_kafka
        self.holds: list[Hold] = []
        self.hearing = threading.Event()  # cleared: connections stay, nothing gets through
        self.hearing.set()
        self.slice_bytes = 0  # > 0: what passes is cut into pieces of up to this size, each a little later
        self.bytes_a_second = 0  # > 0: no connection passes more, in either direction
        self._links: list[Link] = []
        self.accepted = 0  # connections so far
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def deafen(self) -> None:
        """Nothing gets through any more, and nobody is told."""
        self.hearing.clear()

    def heal(self) -> None:
        """All goes well from now on."""
        self.holds.clear()
        self.slice_bytes = self.bytes_a_second = 0
        self.hearing.set()

    def send(self, end: socket.socket, chunk: bytes) -> None:
        """Pass `chunk` on, in the way of the day."""
        size = self.slice_bytes or self.bytes_a_second // 10 or len(chunk)
        for start in range(0, len(chunk), size):
            end.sendall(chunk[start : start + size])
            if self.slice_bytes:
                time.sleep(0.0002)  # the latency itself
            if self.bytes_a_second:
                time.sleep(min(size, len(chunk) - start) / self.bytes_a_second)

    def reset(self) -> None:
        """Cut all connections."""
        while self._links:
            link = self._links.pop()
            link.reset_client()
            link.close()

    def close(self) -> None:
        self.heal()
        self._listener.close()
        self.reset()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.accepted += 1
                try:
                    server = socket.create_connection(("127.0.0.1", self._target()))
                except OSError:
                    with client, suppress(OSError):
                        client.settimeout(1)
                        client.recv(_CHUNK)  # unread, it would make of the end a reset, which is told in other words
                    continue
                link = Link(self, client, server)
                self._links.append(link)  # before its client can have got anywhere: who resets then means it, too
                link.start()
