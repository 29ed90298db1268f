"""The headers of a message that was read."""

from __future__ import annotations

from operator import methodcaller
from typing import Any

from confluent_kafka import Message

# For a name that is not UTF-8 the client returns a list with a hole, and an exception beside it. Called from C, that
# is noticed and raised as SystemError; from Python, or a second time, it need not be, and the hole crashes the process.
_headers = methodcaller("headers")


def headers_of(message: Message) -> list[tuple[str, bytes | None]]:
    """A message's headers, to be asked for once; one that says so in place of all, where a name is not UTF-8."""
    try:
        headers: Any = _headers(message)
    except SystemError:
        return [("\N{REPLACEMENT CHARACTER}", None)]
    return headers or []
