"""One event as the database has it: its row, what is parked of it, and what was decided about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from bridge.postgres.queries import query

REACH = 500_000  # events of a shard, of each table, among which those of a key are looked for: some 0.2 s


@dataclass(frozen=True, slots=True)
class EventRow:
    """A row of `bridge.outbox` or `bridge.history`; `erasure` is the certificate of the erasure that has emptied it.

    `is_read`: a settled position has passed it; `is_in_flight`: a batch has it that is claimed and not settled yet.
    Its reading is known to a tick: after `read_after` and by `read_by`, in one of the batches behind `batch_before` up
    to `batch_no`; None where no tick says it.
    """

    source: str
    id: UUID
    transaction: str
    seq: int
    shard: int
    event_type: str
    entity_type: str | None
    key: str = field(repr=False)
    written_at: datetime
    available_at: datetime | None
    erasure: str | None
    key_hash: int
    is_read: bool
    is_in_flight: bool
    read_by: datetime | None
    batch_no: int | None
    read_after: datetime | None
    batch_before: int | None

    @property
    def batches(self) -> tuple[int, int] | None:
        """The first and the last batch that may have read it."""
        if self.batch_no is None or (self.batch_before is None and self.batch_no > 1):
            return None
        return min((self.batch_before or 0) + 1, self.batch_no), self.batch_no


@dataclass(frozen=True, slots=True)
class ParkedRow:
    """A row of `bridge.parked`."""

    event_id: UUID
    source: str
    seq: int
    shard: int
    topic: str
    key_hash: int
    state: str
    reason: str | None
    waits_for: str | None
    deaths: int
    replay_id: int | None
    since: datetime
    at: datetime
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class Behind:
    """What a parked event waits behind; `stops`: it stops its whole topic."""

    event_id: UUID
    state: str
    reason: str | None
    waits_for: str | None
    stops: bool
    since: datetime


def read_row(conn: psycopg.Connection, event_id: UUID) -> EventRow | None:
    """None where there is no such row, or none that is committed."""
    with conn.cursor(row_factory=class_row(EventRow), binary=True) as cursor:
        return cursor.execute(query("trace_event"), {"id": event_id}).fetchone()


def read_parked(conn: psycopg.Connection, event_id: UUID) -> ParkedRow | None:
    """What is parked of it, whether its row is there or not."""
    with conn.cursor(row_factory=class_row(ParkedRow), binary=True) as cursor:
        return cursor.execute(query("trace_parked"), {"id": event_id}).fetchone()


def read_behind(conn: psycopg.Connection, parked: ParkedRow) -> Behind | None:
    """The earlier event that it waits behind; None where it waits for something else."""
    place = {"topic": parked.topic, "seq": parked.seq, "shard": parked.shard, "key_hash": parked.key_hash}
    with conn.cursor(row_factory=class_row(Behind), binary=True) as cursor:
        return cursor.execute(query("trace_behind"), place).fetchone()


def has_waited(conn: psycopg.Connection, row: EventRow, topic: str) -> bool:
    """Whether it was read, and published only after somebody had decided about an earlier one, dead, of its key."""
    asked = {"topic": topic, "seq": row.seq, "key": row.key, "read_by": row.read_by}
    return conn.execute(query("trace_waited"), asked).fetchone() == (True,)


def ids_of_key(conn: psycopg.Connection, key: str, most: int) -> Sequence[UUID]:
    """The last events of a key, the latest first, as far as REACH goes."""
    entity_ids = [key[at + 1 :] for at, char in enumerate(key) if char == ":"][:100]
    wanted = {"key": key, "entity_ids": entity_ids, "reach": REACH, "most": most}
    return [id_ for (id_,) in conn.execute(query("trace_key"), wanted).fetchall()]
