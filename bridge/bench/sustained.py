"""Sustained throughput: the highest rate at which the backlog does not grow, whatever the relay does.

The writer follows a schedule that was made beforehand (open loop), so a system that falls behind is not waited for.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from confluent_kafka import Consumer

TICK_SECONDS = 0.05
WARM_UP_SECONDS = 4.0
SLACK_SECONDS = 0.25  # so much more backlog between the halves is noise
FIRST_RATE = 2_000
LEAST_RATE = 50
PRECISION = 1.1  # between the best rate and the lowest that was too high
CATCH_UP_SECONDS = 120.0


@dataclass(frozen=True)
class Sustained:
    """What came of `rate` events a second: backlogs are medians of the first and the second half, in events."""

    rate: int
    backlog_before: float
    backlog_after: float
    writer_kept_up: bool

    @property
    def is_sustainable(self) -> bool:
        return self.writer_kept_up and self.backlog_after <= self.backlog_before + self.rate * SLACK_SECONDS


def search(measure_at: Callable[[int], Sustained]) -> list[Sustained]:
    """All rates tried, best last: doubled until one is too high, then halved in between."""
    tried: list[Sustained] = []
    best = limit = 0
    rate = FIRST_RATE
    while rate >= LEAST_RATE and (not limit or limit > best * PRECISION):
        one = measure_at(rate)
        tried.append(one)
        if one.is_sustainable:
            best = rate
        else:
            limit = rate
        rate = rate * 2 if not limit else rate // 2 if not best else int((best * limit) ** 0.5)
    return sorted(tried, key=lambda one: (one.is_sustainable, one.rate))


def measure(write: Callable[[int], None], arrived: Callable[[], int], rate: int, seconds: float) -> Sustained:
    """Write `rate` events a second for `seconds`, then wait until all of them have arrived."""
    before = arrived()
    stop = threading.Event()
    writer = _Writer(write, rate, stop)
    thread = threading.Thread(target=writer.run)
    began = time.monotonic()
    thread.start()
    samples: list[tuple[float, float]] = []
    while (now := time.monotonic() - began) < WARM_UP_SECONDS + seconds:
        time.sleep(TICK_SECONDS)
        if now > WARM_UP_SECONDS:
            samples.append((now, max(writer.written - (arrived() - before), 0)))
    stop.set()
    thread.join()
    deadline = time.monotonic() + CATCH_UP_SECONDS
    while arrived() - before < writer.written and time.monotonic() < deadline:
        time.sleep(TICK_SECONDS)
    middle = WARM_UP_SECONDS + seconds / 2
    first, second = (
        statistics.median(backlog for at, backlog in samples if (at > middle) is late) for late in (False, True)
    )
    return Sustained(rate, first, second, writer.lag < SLACK_SECONDS)


@contextmanager
def counting(consumer: Consumer) -> Iterator[Callable[[], int]]:
    """Tells how many records `consumer` has got so far, in a thread of its own."""
    count, stop = 0, threading.Event()

    def run() -> None:
        nonlocal count
        while not stop.is_set():
            count += sum(1 for message in consumer.consume(5000, 0.05) if message.error() is None)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield lambda: count
    finally:
        stop.set()
        thread.join()


class _Writer:
    """Writes what has become due since the last time, every TICK_SECONDS; `lag` is how late it was at the end."""

    def __init__(self, write: Callable[[int], None], rate: int, stop: threading.Event) -> None:
        self.written = 0
        self.lag = 0.0
        self._write, self._rate, self._stop = write, rate, stop

    def run(self) -> None:
        began = time.monotonic()
        while not self._stop.wait(TICK_SECONDS):
            due = int((time.monotonic() - began) * self._rate) - self.written
            if due:
                self._write(due)
                self.written += due
            self.lag = (time.monotonic() - began) - self.written / self._rate
