"""Which release of Kafka a broker is: asked of it directly, because librdkafka does not tell.

Kafka answers ApiVersions before any login. From 2.7 on the answer holds the features that the release supports, and
the highest metadata.version tells the release, though not its last number.
https://kafka.apache.org/protocol#The_Messages_ApiVersions
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from typing import Final

from bridge.kafka.handshake import tls_context
from bridge.kafka_transport import ENCRYPTED, protocol_of

SECONDS: Final = 5.0
MOST_BYTES: Final = 1_000_000
API_VERSIONS, VERSION = 18, 3
FEATURE: Final = "metadata.version"
# The first level of each release (MetadataVersion in Kafka's source); a release supports all up to its own.
LEVELS: Final = (
    (1, "3.0"), (2, "3.1"), (3, "3.2"), (4, "3.3"), (8, "3.4"), (9, "3.5"), (12, "3.6"), (15, "3.7"), (20, "3.8"),
    (21, "3.9"), (22, "4.0"), (26, "4.1"), (28, "4.2"), (30, "4.3"), (31, "4.4"), (34, "4.5"),
)  # fmt: skip
NEWEST: Final = LEVELS[-1][1]


def release_of(level: int) -> str | None:
    """`4.2`, by the highest metadata.version that a broker supports; None for one from before these."""
    return next((release for first, release in reversed(LEVELS) if level >= first), None)


def highest_level(host: str, port: int, properties: Mapping[str, str]) -> int | None:
    """The highest metadata.version of a broker; None where it does not tell. Raises OSError."""
    with socket.create_connection((host, port), SECONDS) as plain:
        plain.settimeout(SECONDS)
        if protocol_of(properties) not in ENCRYPTED:
            return _ask(plain)
        with tls_context(properties).wrap_socket(plain, server_hostname=host) as encrypted:
            return _ask(encrypted)


def supported(answer: bytes, feature: str) -> int | None:
    """The highest level of a feature, of an answer of version 3. Raises ValueError for what is no such answer."""
    try:
        return _supported(_Reader(answer), feature)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise ValueError("no answer to ApiVersions") from error


def _ask(connection: socket.socket) -> int | None:
    name = b"bridge"
    head = struct.pack(">hhih", API_VERSIONS, VERSION, 1, len(name)) + name + b"\0"
    body = bytes([len(name) + 1]) + name + b"\x021\0"  # name and version of the software, as compact strings
    connection.sendall(struct.pack(">i", len(head + body)) + head + body)
    (size,) = struct.unpack(">i", _receive(connection, 4))
    if not 4 < size <= MOST_BYTES:
        return None
    try:
        return supported(_receive(connection, size), FEATURE)
    except ValueError:
        return None


def _receive(connection: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        if not (part := connection.recv(count - len(found))):
            raise ConnectionError("the broker hung up")
        found += part
    return found


class _Reader:
    """Bytes, from the front. Raises IndexError behind the end."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def take(self, count: int) -> bytes:
        if self._at + count > len(self._content):
            raise IndexError(count)
        self._at += count
        return self._content[self._at - count : self._at]

    def short(self) -> int:
        return int(struct.unpack(">h", self.take(2))[0])

    def varint(self) -> int:
        value = shift = 0
        while (byte := self.take(1)[0]) & 0x80:
            value, shift = value | (byte & 0x7F) << shift, shift + 7
        return value | byte << shift

    def skip_tags(self) -> None:
        for _ in range(self.varint()):
            self.varint()
            self.take(self.varint())


def _supported(answer: _Reader, feature: str) -> int | None:
    answer.take(4)  # the request's number
    if answer.short() != 0:
        return None
    for _ in range(answer.varint() - 1):
        answer.take(6)
        answer.skip_tags()
    answer.take(4)  # a throttle's time
    for _ in range(answer.varint()):
        tag, size = answer.varint(), answer.varint()
        if tag != 0:
            answer.take(size)
            continue
        for _ in range(answer.varint() - 1):
            name = answer.take(answer.varint() - 1).decode()
            _, highest = answer.short(), answer.short()
            answer.skip_tags()
            if name == feature:
                return highest
    return None
