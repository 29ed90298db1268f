"""What the database says about the relays: shards, leases, pending events and totals. Works when no relay runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

from bridge.postgres.queries import query

MOST = 1_000_000  # events counted as pending, for each shard and source; "at least" above


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """One shard; `pending` is exact up to MOST, times in seconds."""

    shard: int
    owner: str | None
    lease_until: datetime | None
    lease_seconds: float | None
    generation: int
    batch_no: int
    stopped: str | None
    pending: int
    oldest_at: datetime | None
    oldest_age_seconds: float | None


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """Totals of one source by status."""

    source: str
    processed: int
    dead: int
    pending: int


@dataclass(frozen=True, slots=True)
class Status:
    """The whole picture at one moment."""

    shards: list[ShardStatus]
    sources: list[SourceStatus]

    def as_json(self) -> dict[str, Any]:
        """JSON-ready, with times as datetimes (orjson writes them as RFC 3339)."""
        return asdict(self)


def read_status(conn: psycopg.Connection) -> Status:
    """Read the status in one snapshot."""
    conn.execute("begin isolation level repeatable read read only")
    try:
        limit = {"most": MOST}
        with conn.cursor(row_factory=class_row(ShardStatus)) as shards:
            rows = shards.execute(query("shard_status"), limit).fetchall()
        with conn.cursor(row_factory=class_row(SourceStatus)) as sources:
            return Status(rows, sources.execute(query("source_status"), limit).fetchall())
    finally:
        conn.execute("commit")
