"""One look at a bridge, for those who keep looking: `bridge top` and the page of `bridge web`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import class_row

from bridge.admin.dead import Group, Wanted, summarise
from bridge.admin.status import Status, read_status
from bridge.postgres.queries import query

MOST = 50_000  # events counted as pending, for each shard and source: often, so not as many as `bridge status` counts
MOST_GROUPS = 100  # kinds of dead events


class TopicCounts(NamedTuple):
    """Events of one topic that are parked: those that wait, the dead ones, and those to be published once more."""

    topic: str
    waiting: int
    dead: int
    replayed: int


class Latency(NamedTuple):
    """How long it took from a row to Kafka, in milliseconds: half of the events no longer than `p50`."""

    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class Running:
    """A relay that is alive; `work` is what it has done from `started_at` to `reported_at` (bridge/telemetry/told.py).

    Of `reported_at` only the distance between two of them means something: it is ahead by a lease.
    """

    relay_id: str
    host: str
    pid: int
    started_at: datetime
    reported_at: datetime
    work: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Overview:
    """All of it at the database's time `at`; `dead` has the kinds of dead events, the most frequent first."""

    at: datetime
    status: Status
    relays: tuple[Running, ...]
    topics: tuple[TopicCounts, ...]
    dead: tuple[Group, ...]

    @property
    def verdict(self) -> str:
        """`person`: something will not pass by itself; `waits`: a server is away; `idle`: no relay; or `well`."""
        if self.status.needs_person:
            return "person"
        if self.status.waits:
            return "waits"
        return "well" if self.relays else "idle"

    @property
    def published(self) -> int:
        """Events ever."""
        return sum(source.processed for source in self.status.sources)

    @property
    def pending(self) -> int:
        """Events, exact below MOST for each shard."""
        return sum(shard.pending for shard in self.status.shards)

    @property
    def is_more(self) -> bool:
        """Whether more are pending than were counted."""
        return any(shard.pending >= MOST for shard in self.status.shards)

    @property
    def oldest_seconds(self) -> float | None:
        """The age of the oldest event that is still to be published, None where there is none."""
        ages = [shard.oldest_age_seconds for shard in self.status.shards if shard.oldest_age_seconds is not None]
        return max(max(ages), 0.0) if ages else None

    @property
    def held(self) -> dict[str, str]:
        """The topics that wait as a whole, and why."""
        held = {wait.topic: wait.reason for wait in self.status.waits if wait.topic and wait.kind != "still"}
        return held | {topic.topic: topic.reason for topic in self.status.stopped_topics}

    @property
    def latency(self) -> Latency | None:
        """Of the last minute, the slowest relay's; None where none has published anything."""
        told = [relay.work["latency_ms"] for relay in self.relays if relay.work.get("latency_ms")]
        found = [Latency(ms["p50"], ms["p99"]) for ms in told]  # a newer relay may say more
        return max(found, key=lambda latency: latency.p99, default=None)


def read_overview(conn: psycopg.Connection) -> Overview:
    """Look at everything with statements whose cost is bounded, and change nothing. Raises psycopg.Error."""
    status = read_status(conn, MOST)
    with conn.cursor(row_factory=class_row(Running), binary=True) as cursor:
        relays = cursor.execute(query("relays")).fetchall()
    topics = conn.execute(query("parked_topics"), {"most": MOST}).fetchall()
    groups = summarise(conn, Wanted()) if status.undecided_dead else []
    row = conn.execute("select clock_timestamp()", binary=True).fetchone()
    assert row is not None  # noqa: S101 - it always has one
    return Overview(
        row[0], status, tuple(relays), tuple(TopicCounts(*row) for row in topics), tuple(groups[:MOST_GROUPS])
    )
