"""What can be measured, and how much of it; imports none of the clients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PARTS = ("drain", "latency", "sustained", "costs", "writers")  # by default
LONG_PARTS = ("shards", "bytes", "snapshot", "growth", "leaves")
OTHER_PARTS = ("typed",)


@dataclass(frozen=True)
class Plan:
    """What to measure: `events` in each backlog, `rates` in events a second for `seconds` each.

    A snapshot is held open for `minutes`.
    """

    parts: Sequence[str]
    events: int
    payload_bytes: int
    rounds: int
    rates: Sequence[int]
    seconds: int
    minutes: float
    peer: bool
