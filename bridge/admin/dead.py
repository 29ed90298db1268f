"""Dead events: which there are, and what a person decides about them. The work is done by functions in the database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from bridge.postgres.queries import query


@dataclass(frozen=True, slots=True)
class DeadEvent:
    """One event that can never be published as it is; with `holds_key` the later events of its key wait."""

    event_id: UUID
    source: str
    seq: int
    shard: int
    event_type: str
    event_key: str
    reason: str
    died_at: datetime
    holds_key: bool


def list_dead(conn: psycopg.Connection, most: int) -> list[DeadEvent]:
    """Up to `most` dead events that nobody has decided about, the oldest first."""
    with conn.cursor(row_factory=class_row(DeadEvent), binary=True) as cursor:
        return cursor.execute(query("dead_events"), {"most": most}).fetchall()


def retry(conn: psycopg.Connection, event_ids: Iterable[UUID]) -> list[UUID]:
    """Let the relay publish these after all; returns those that were not dead. Each has its own transaction."""
    return [id for id in event_ids if conn.execute(query("retry_dead"), {"event_id": id}).fetchone() != (True,)]


def skip(conn: psycopg.Connection, event_ids: Iterable[UUID], reason: str) -> list[UUID]:
    """Give these up, so that what waits behind them goes on; returns those that were not dead."""
    statement, why = query("skip_dead"), {"reason": reason}
    return [id for id in event_ids if conn.execute(statement, why | {"event_id": id}).fetchone() != (True,)]
