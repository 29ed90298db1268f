"""Latency from commit to a read_committed consumer, at a rate that does not depend on how fast the events leave.

The writer follows a schedule made beforehand (open loop). An event's time begins when its commit was confirmed, and
again when it was due: the second includes what the writer itself waited, so nothing is omitted where it falls behind.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from confluent_kafka import Consumer

from bridge.errors import Unavailable

WRITERS = 4
LATE_SECONDS = 30.0


@dataclass(frozen=True)
class Quantiles:
    """Milliseconds."""

    average: float
    p50: float
    p99: float
    p999: float

    @classmethod
    def of(cls, seconds: list[float]) -> Quantiles:
        cuts = statistics.quantiles(seconds, n=1000, method="inclusive")
        return cls(*(1000 * value for value in (statistics.fmean(seconds), cuts[499], cuts[989], cuts[998])))


@dataclass(frozen=True)
class Latency:
    """`from_commit`, and `from_schedule`, at `rate` events a second; `backlog` had not come when the writer ended."""

    rate: int
    events: int
    from_commit: Quantiles
    from_schedule: Quantiles
    backlog: int


@dataclass
class _Writer:
    """Every WRITERS-th event of the schedule, one transaction each; times are of the monotonic clock."""

    conn: psycopg.Connection
    write: Callable[[psycopg.Connection, int], None]
    numbers: range
    due: Callable[[int], float]
    committed: dict[int, float]

    def run(self) -> None:
        for n in self.numbers:
            pause = self.due(n) - time.monotonic()
            if pause > 0:
                time.sleep(pause)
            self.write(self.conn, n)
            self.committed[n] = time.monotonic()


def measure(
    connect: Callable[[], psycopg.Connection],
    write: Callable[[psycopg.Connection, int], None],
    consumer: Consumer,
    *,
    first: int,
    rate: int,
    seconds: float,
) -> Latency:
    """Write `rate` events a second, numbered from `first`, with `write(conn, n)`; `consumer` reads them by their keys.

    The consumer must be at the end of its topics, and the keys be `key <n>`. Raises Unavailable when an event does not
    come within half a minute.
    """
    count = int(rate * seconds)
    began = time.monotonic() + 0.5
    committed: dict[int, float] = {}

    def due(n: int) -> float:
        return began + (n - first) / rate

    writers = [
        _Writer(connect(), write, range(first + start, first + count, WRITERS), due, committed)
        for start in range(WRITERS)
    ]
    threads = [threading.Thread(target=writer.run) for writer in writers]
    for thread in threads:
        thread.start()
    arrived: dict[int, float] = {}
    at_end = 0
    deadline = began + seconds + LATE_SECONDS
    while len(arrived) < count:
        message = consumer.poll(0.01)  # consume() would wait for more of them
        now = time.monotonic()
        key = None if message is None or message.error() else message.key()
        if key is not None:
            arrived.setdefault(int(key.split()[-1]), now)
        if now < began + seconds:
            at_end = len(arrived)
        elif now > deadline:
            raise Unavailable(f"{count - len(arrived):,} of {count:,} events did not come in time")
    for writer, thread in zip(writers, threads, strict=True):
        thread.join()
        writer.conn.close()
    return Latency(
        rate,
        count,
        Quantiles.of([max(arrived[n] - committed[n], 0.0) for n in arrived]),
        Quantiles.of([arrived[n] - due(n) for n in arrived]),
        count - at_end,
    )
