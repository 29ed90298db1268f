"""How far the demo is, by what the database says."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

import psycopg

from bridge.admin.status import Status, read_status

WINDOW_SECONDS = 2.0  # over which a rate is taken


@dataclass(frozen=True, slots=True)
class ShardProgress:
    """One shard; `batches` is the number of Kafka transactions of this run."""

    shard: int
    pending: int
    batches: int


@dataclass(frozen=True, slots=True)
class Progress:
    """One moment of a run. Numbers of events are this run's, but for `pending`; rates are events a second.

    Times are in seconds; `idle` is how long the relay has finished no event.
    """

    elapsed: float
    written: int
    published: int
    pending: int
    dead: int
    written_rate: float
    published_rate: float
    oldest_age: float | None
    idle: float
    relay_bytes: int | None
    relay_peak_bytes: int | None
    shards: tuple[ShardProgress, ...]


class Meter:
    """Counts the events since it was made, and measures time from `restart`.

    What an earlier run has left pending is pending, but not written by this one.
    """

    def __init__(self, conn: psycopg.Connection) -> None:
        self._conn = conn
        status = read_status(conn)
        self._events, self._dead = _events(status), _dead(status)
        self._batches = {shard.shard: shard.batch_no for shard in status.shards}
        self._peak_bytes: int | None = None
        self.restart()

    def restart(self) -> None:
        self._begun = time.monotonic()
        self._finished, self._moved_at = 0, 0.0
        self._window: deque[tuple[float, int, int]] = deque()

    def read(self, relay_bytes: int | None) -> Progress:
        """The state of things now; `relay_bytes` is the relay's memory. Raises psycopg.Error."""
        status = read_status(self._conn)
        elapsed = time.monotonic() - self._begun
        written, dead = _events(status) - self._events, _dead(status) - self._dead
        pending = sum(source.pending for source in status.sources)
        published = max(written - pending - dead, 0)
        while len(self._window) > 1 and self._window[1][0] < elapsed - WINDOW_SECONDS:
            self._window.popleft()
        if (finished := _events(status) - pending) != self._finished:
            self._finished, self._moved_at = finished, elapsed
        self._window.append((elapsed, written, published))
        then, written_then, published_then = self._window[0]
        span = max(elapsed - then, 0.001)
        ages = [shard.oldest_age_seconds for shard in status.shards if shard.oldest_age_seconds is not None]
        self._peak_bytes = max(relay_bytes or 0, self._peak_bytes or 0) or None
        return Progress(
            elapsed,
            written,
            published,
            pending,
            dead,
            written_rate=(written - written_then) / span,
            published_rate=(published - published_then) / span,
            oldest_age=max(ages, default=None),
            idle=elapsed - self._moved_at,
            relay_bytes=relay_bytes,
            relay_peak_bytes=self._peak_bytes,
            shards=tuple(
                ShardProgress(shard.shard, shard.pending, shard.batch_no - self._batches.get(shard.shard, 0))
                for shard in status.shards
            ),
        )


def _events(status: Status) -> int:
    return sum(source.pending + source.processed + source.dead for source in status.sources)


def _dead(status: Status) -> int:
    return sum(source.dead for source in status.sources)
