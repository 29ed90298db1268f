"""What is asked over HTTP, what is answered, and what makes one of the other: a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.text import printable

LIVE, READY, HEALTH, METRICS = "/livez", "/readyz", "/healthz", "/metrics"
PLAIN = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked; names of `headers` are in lower case, and of a field given twice in `query` the last counts."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said; `headers` beyond those about type and length, or instead of the server's own."""

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


Page = Callable[[Request], Answer]


def plain(status: int, text: str, **headers: str) -> Answer:
    """An answer of one line."""
    return Answer(status, PLAIN, f"{printable(text)}\n".encode(), headers)


def told(troubles: Sequence[str], well: str) -> Answer:
    """Status 200 and `well`, or 503 and a line for each trouble."""
    if not troubles:
        return plain(200, well)
    return Answer(503, PLAIN, "".join(f"{printable(trouble)}\n" for trouble in troubles).encode())
