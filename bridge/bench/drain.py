"""Throughput: how fast a backlog leaves, seen from the topic."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from bridge.bench.measured import Measured
from bridge.errors import Unavailable

SAMPLE_SECONDS = 0.05
STALL_SECONDS = 120.0


@dataclass(frozen=True)
class Drained:
    """`rate` in events a second, from the last sample before the topic grew to the one that saw it complete.

    CPU seconds are per million events, for the process alone; `memory_bytes` is the largest resident set seen.
    """

    events: int
    rate: float
    cpu_seconds: float
    memory_bytes: int


def drain(process: Measured, published: Callable[[], int], events: int) -> Drained:
    """Watch `published()`, the topic's committed records, until `events` more have come.

    Transaction markers count as records there: one a transaction and partition, a thousandth of all.
    Raises Unavailable when nothing moves for two minutes.
    """
    before = published()
    first = last = (time.monotonic(), 0, process.cost().cpu_seconds)
    began, memory = first[0], 0
    while last[1] < events:
        time.sleep(SAMPLE_SECONDS)
        cost = process.cost()
        sample = (time.monotonic(), published() - before, cost.cpu_seconds)
        memory = max(memory, cost.memory_bytes)
        if sample[1] == 0:
            first = last = sample
        elif sample[1] > last[1]:
            last = sample
        still_since = last[0] if last[1] else began
        if sample[0] - still_since > STALL_SECONDS or not process.is_alive:
            raise Unavailable(f"{sample[1]:,} of {events:,} events were published, then nothing more")
    rate = last[1] / (last[0] - first[0])
    return Drained(events, rate, (last[2] - first[2]) / last[1] * 1e6, memory)
