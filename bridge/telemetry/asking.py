"""Asks HTTP servers of ours: `bridge health` one, the parent of several workers all of them at once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException

from bridge.telemetry.address import Address, connect_to
from bridge.telemetry.pages import Answer

MAX_BYTES = 16_000_000  # of an answer


def ask(address: Address, path: str, seconds: float) -> Answer:
    """One answer. Raises OSError: ConnectionError (FileNotFoundError for a socket) where nobody listens."""
    (answer,) = ask_all([address], path, seconds)
    if isinstance(answer, OSError):
        raise answer
    return answer


def ask_all(addresses: Sequence[Address], path: str, seconds: float) -> list[Answer | OSError]:
    """All answers, in the same order, or why there is none. All are asked before the first is listened to."""
    ends = time.monotonic() + seconds
    asked = [_send(address, path, seconds) for address in addresses]
    return [one if isinstance(one, OSError) else _receive(one, ends) for one in asked]


def _send(address: Address, path: str, seconds: float) -> HTTPConnection | OSError:
    conn = HTTPConnection("localhost")
    try:
        conn.sock = connect_to(address, seconds)
        conn.request("GET", path)
    except OSError as error:
        conn.close()
        return error
    return conn


def _receive(conn: HTTPConnection, ends: float) -> Answer | OSError:
    try:
        conn.sock.settimeout(max(ends - time.monotonic(), 0.001))
        answer = conn.getresponse()
        body = answer.read(MAX_BYTES)
        return Answer(answer.status, answer.headers.get("Content-Type", ""), body)
    except OSError as error:
        return error
    except (HTTPException, ValueError) as error:
        return OSError(f"what answers there is not bridge: {type(error).__name__}")
    finally:
        conn.close()
