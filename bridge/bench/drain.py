"""Throughput: how fast a backlog leaves, seen from the topic."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import astuple, dataclass
from typing import NamedTuple

from bridge.bench.measured import Measured
from bridge.bench.scene import PROCEDURE, Scene
from bridge.errors import Unavailable

SAMPLE_SECONDS = 0.05
STALL_SECONDS = 120.0
MIDDLE = (0.2, 0.8)


@dataclass(frozen=True)
class Drained:
    """`rate` in events a second, of the middle of the backlog: neither start-up nor what is buffered on the way counts.

    CPU seconds are per million events, for the process alone; `memory_bytes` is the largest resident set seen.
    """

    events: int
    rate: float
    cpu_seconds: float
    memory_bytes: int


def drain_backlog(
    scene: Scene,
    events: int,
    payload_bytes: int,
    running: Callable[[], AbstractContextManager[Measured]] | None = None,
    topic: str = "",
    procedure: str = PROCEDURE,
) -> Drained:
    """Write a backlog, then start what is to carry it, by default a relay, and watch. Raises as `drain()`."""
    scene.fill(events, payload_bytes, procedure)
    published = scene.counter(topic or scene.topic)
    with (running or scene.relay)() as process:
        return drain(process, published, events)


def drain(process: Measured, published: Callable[[], int], events: int) -> Drained:
    """Watch `published()`, which began at 0 before the process was started, until it reaches `events`.

    Transaction markers count as records there: one a transaction and partition, a thousandth of all.
    Raises Unavailable when nothing moves for two minutes.
    """
    samples = [_Sample.take(process, published)]
    moved_at = samples[0].at
    while samples[-1].published < events:
        time.sleep(SAMPLE_SECONDS)
        samples.append(_Sample.take(process, published))
        if samples[-1].published > samples[-2].published:
            moved_at = samples[-1].at
        elif samples[-1].at - moved_at > STALL_SECONDS or not process.is_alive:
            raise Unavailable(f"{samples[-1].published:,} of {events:,} events were published, then nothing more")
    start = [one for one in samples if one.published < MIDDLE[0] * events][-1]
    end = next(one for one in samples if one.published >= MIDDLE[1] * events)
    moved = end.published - start.published
    return Drained(
        events,
        moved / (end.at - start.at),
        (end.cpu_seconds - start.cpu_seconds) / moved * 1e6,
        max(one.memory_bytes for one in samples),
    )


class _Sample(NamedTuple):
    at: float
    published: int
    cpu_seconds: float
    memory_bytes: int

    @classmethod
    def take(cls, process: Measured, published: Callable[[], int]) -> _Sample:
        return cls(time.monotonic(), published(), *astuple(process.cost()))
