"""Reads one HTTP request whole, within a time and a size, whatever comes."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import time
from http import HTTPStatus

from bridge.errors import BridgeError

HEAD_BYTES = 16_384
BODY_BYTES = 65_536
CHUNK = 65_536
HEAR_OUT_SECONDS = 1.0
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([^\r]*?)[ \t]*(?=\r\n)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding[ \t]*:", re.IGNORECASE)


class BadRequest(BridgeError):
    """It is answered with `status`, and not looked at."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


def read_request(conn: socket.socket, seconds: float) -> tuple[bytes, bytes]:
    """Head and body. Raises BadRequest, and OSError when nobody is there any more or all of it takes too long."""
    ends = time.monotonic() + seconds
    data = bytearray()
    while (end := data.find(b"\r\n\r\n")) < 0:
        if len(data) > HEAD_BYTES:
            break
        data += _some(conn, ends)
    if not 0 <= end <= HEAD_BYTES:
        raise BadRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the headers are too large")
    head, body = bytes(data[: end + 4]), data[end + 4 :]
    length = _length(head)
    while len(body) < length:
        body += _some(conn, ends)
    return head, bytes(body[:length])


def hear_out(conn: socket.socket) -> None:
    """Let who is still sending read the answer: what is closed with something unread in it, throws that away, too."""
    ends = time.monotonic() + HEAR_OUT_SECONDS
    with contextlib.suppress(OSError):
        conn.shutdown(socket.SHUT_WR)
        while True:
            _some(conn, ends)


def _length(head: bytes) -> int:
    """Of the body. Only a plain length is taken: two of them, or chunks, are how requests are smuggled."""
    lengths = LENGTH.findall(head)
    if CHUNKED.search(head):
        raise BadRequest(HTTPStatus.LENGTH_REQUIRED, "a body must come with its length")
    if len(lengths) > 1 or not all(length.isdigit() for length in lengths):
        raise BadRequest(HTTPStatus.BAD_REQUEST, "the body's length makes no sense")
    if lengths and (len(lengths[0]) > 9 or int(lengths[0]) > BODY_BYTES):
        raise BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is too large")
    return int(lengths[0]) if lengths else 0


def _some(conn: socket.socket, ends: float) -> bytes:
    left = ends - time.monotonic()
    if left <= 0:
        raise TimeoutError("the request took too long")
    set_timeout(conn, socket.SO_RCVTIMEO, left)
    if not (some := conn.recv(CHUNK)):
        raise ConnectionError("the connection was closed")
    return some


def set_timeout(conn: socket.socket, which: int, seconds: float) -> None:
    """Let the kernel keep the time of a socket that blocks: Python would ask poll() before each call."""
    whole = max(int(seconds * 1_000_000), 1)
    conn.setsockopt(socket.SOL_SOCKET, which, struct.pack("@ll", whole // 1_000_000, whole % 1_000_000))
