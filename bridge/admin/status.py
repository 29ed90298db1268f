"""What the database says about the relays: shards, leases, what is pending, and what waits for what."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg import errors
from psycopg.rows import class_row

from bridge.admin.keeping import Keeping, read_keeping
from bridge.postgres.queries import query
from bridge.postgres.tracking import tracking_report

MOST = 1_000_000  # events counted as pending, for each shard and source
DESERTED_SECONDS = 60.0  # that an event may be old where no relay is at work: one that is replaced is back before


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """One shard; `published`: ever. `pending`, and `behind_dead` of them, are exact below MOST; times in seconds."""

    shard: int
    owner: str | None
    lease_until: datetime | None
    lease_seconds: float | None
    generation: int
    batch_no: int
    published: int
    stopped: str | None
    pending: int
    behind_dead: int
    oldest_at: datetime | None
    oldest_age_seconds: float | None

    @property
    def lease(self) -> str:
        """How it stands with it, in a word or two."""
        if self.stopped:
            return "stopped"
        if self.lease_seconds is None:
            return "free"
        return "run out" if self.lease_seconds < 0 else f"{self.lease_seconds:.0f} s"


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """Totals of one source by status."""

    source: str
    processed: int
    dead: int
    pending: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Something that waits in a relay: for a `server`, because of a server's `refusal`, for a `topic` that cannot be
    written to, for a `schema`, because Kafka confirms no batch of a shard (`doubt`), because one meets a bug
    (`unforeseen`), or for nothing that is known (`still`).

    `shard` and `topic` are None where all of them wait.
    """

    shard: int | None
    topic: str | None
    kind: str
    reason: str
    since: datetime
    count: int


@dataclass(frozen=True, slots=True)
class StoppedTopic:
    """A topic that an event has stopped (`on_dead = "stop"`); `waiting` of its later events are exact below MOST.

    `state` is the event's in `bridge.parked`: `dead` until a person has decided, `retried` until that is published.
    """

    topic: str
    event_id: UUID
    shard: int
    state: str
    reason: str
    since: datetime
    waiting: int


@dataclass(frozen=True, slots=True)
class Status:
    """The whole picture at one moment; `relays` are alive. `undecided_dead` are the dead events that nobody has decided
    about, `blocking` those of them that later events wait for. `tracking`: what is wrong with the tracking of tables;
    `keeping`: how the keeper's jobs and the partitioned tables stand.
    """

    relays: int
    shards: tuple[ShardStatus, ...]
    sources: tuple[SourceStatus, ...]
    waits: tuple[Wait, ...]
    undecided_dead: int
    blocking: int
    stopped_topics: tuple[StoppedTopic, ...]
    tracking: tuple[str, ...]
    keeping: Keeping

    @property
    def needs_person(self) -> bool:
        """Whether something waits that will not pass by itself."""
        waits = any(wait.kind != "server" for wait in self.waits)
        stopped = any(shard.stopped is not None for shard in self.shards)
        return waits or stopped or self.blocking > 0 or self.keeping.needs_person or self._is_deserted

    @property
    def _is_deserted(self) -> bool:
        ages = (shard.oldest_age_seconds or 0.0 for shard in self.shards)
        return self.relays == 0 and any(age > DESERTED_SECONDS for age in ages)

    def as_json(self) -> dict[str, Any]:
        """JSON-ready, with times as datetimes (orjson writes them as RFC 3339)."""
        return {**asdict(self), "needs_person": self.needs_person}


def read_status(conn: psycopg.Connection, most: int = MOST) -> Status:
    """Read the status in one snapshot, and count no more than `most` of what is pending.

    Times in binary, which no session's style changes, behind a pooler too.
    """
    conn.execute("begin isolation level repeatable read read only")
    try:
        limit = {"most": most}
        with conn.cursor(row_factory=class_row(ShardStatus), binary=True) as cursor:
            shards = cursor.execute(query("shard_status"), limit).fetchall()
        with conn.cursor(row_factory=class_row(SourceStatus)) as cursor:
            sources = cursor.execute(query("source_status"), limit).fetchall()
        with conn.cursor(row_factory=class_row(Wait), binary=True) as cursor:
            waits = cursor.execute(query("relay_waits")).fetchall()
        with conn.cursor(row_factory=class_row(StoppedTopic), binary=True) as cursor:
            stopped_topics = cursor.execute(query("stopped_topics"), limit).fetchall()
        (relays,) = conn.execute(query("count_relays")).fetchone() or (0,)
        undecided, blocking = conn.execute(query("count_dead")).fetchone() or (0, 0)
        return Status(
            relays,
            tuple(shards),
            tuple(sources),
            tuple(waits),
            undecided,
            blocking,
            tuple(stopped_topics),
            _tracking(conn),
            read_keeping(conn),
        )
    finally:
        conn.execute("commit")


def _tracking(conn: psycopg.Connection) -> tuple[str, ...]:
    """Problems alone; who may not look at the tracking is told that, and sees the rest all the same."""
    try:
        with conn.transaction():
            return tuple(str(finding) for finding in tracking_report(conn) if finding.is_problem)
    except errors.InsufficientPrivilege as error:
        return (error.diag.message_primary or "it may not be looked at",)
