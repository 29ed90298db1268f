"""Carries a snapshot out: some rows in a transaction, which also says how far it is, until all are read.

A transaction keeps its rows locked (`sql/engine/functions/record_present.sql`), so it is short, waits for nobody for
longer than a fifth of a second, and takes fewer rows where others want the same.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import psycopg
from psycopg import errors, sql

from bridge.admin.present_rows import opened, read_keys, record_present
from bridge.admin.snapshot import Snapshot
from bridge.admin.tables import Table
from bridge.admin.tracking import lock_holders
from bridge.errors import ConfigError, DatabaseRefuses
from bridge.postgres.queries import query

CHUNK_ROWS = 500  # at most, in a transaction: some tens of milliseconds
LOOK_SECONDS = 1.0  # how old what is known of the backlog may be
PAUSE_SECONDS = 0.2  # while the backlog is too long, or a row is locked
BUSY = (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much at a time. `rows_per_second` None: no limit. `max_pending`: it waits while about so many events
    are still to be published. `wait_seconds`: for how long rows may be locked by others; None: for ever.
    """

    rows_per_second: int | None = 5000
    max_pending: int = 20_000
    wait_seconds: float | None = None


class Progress(NamedTuple):
    """How far a snapshot is, in rows, and what it waits for, if anything; `is_finished`: there is no more."""

    rows_read: int
    rows_written: int
    waits_for: str | None = None
    is_finished: bool = False


class _Chunk(NamedTuple):
    rows_read: int
    rows_written: int
    written: int  # of this chunk
    is_last: bool


def carry_out(conn: psycopg.Connection, snapshot: Snapshot, table: Table, limits: Limits) -> Iterator[Progress]:
    """Publish what is left of a snapshot; tells after each transaction, and while it waits, how far it is.

    Raises ConfigError where it was given up, or its table is not tracked as it was; DatabaseRefuses where rows stay
    locked for too long; psycopg.Error. Whatever ends it, the same snapshot can go on from where it was.
    """
    now = Progress(snapshot.rows_read, snapshot.rows_written)
    rows, busy_since = CHUNK_ROWS, None
    backlog = _Backlog(conn, limits.max_pending)
    while True:
        for pending in backlog.waits():
            yield now._replace(waits_for=f"{pending:,} events or more are still to be published. Is a relay running?")
        begun = time.monotonic()
        try:
            chunk = _publish(conn, snapshot, table, rows)
        except BUSY as error:
            busy_since = busy_since or begun
            if limits.wait_seconds is not None and time.monotonic() - busy_since >= limits.wait_seconds:
                raise DatabaseRefuses(
                    f"rows of {table.name} are locked: {lock_holders(conn, table, any_lock=False)}",
                    hint="The same command goes on from here",
                ) from error
            yield now._replace(waits_for=f"rows are locked: {lock_holders(conn, table, any_lock=False)}")
            rows = max(rows // 4, 1)
            time.sleep(PAUSE_SECONDS)
            continue
        busy_since, rows = None, min(rows * 2, CHUNK_ROWS)
        now = Progress(chunk.rows_read, chunk.rows_written, is_finished=chunk.is_last)
        yield now
        if chunk.is_last:
            return
        if limits.rows_per_second is not None:
            time.sleep(max(0.0, begun + chunk.written / limits.rows_per_second - time.monotonic()))


def _publish(conn: psycopg.Connection, snapshot: Snapshot, table: Table, rows: int) -> _Chunk:
    """One transaction. A row that leaves its key between the reading and the lock has events of that."""
    with conn.transaction():
        with opened(conn, table) as source:
            found = conn.execute(query("snapshot_range"), {"id": snapshot.id}).fetchone()
            if found is None:
                raise ConfigError(
                    f"the snapshot of {table.name} was finished or given up by somebody else, or the table is not"
                    " tracked as it was",
                    hint="See bridge snapshot --list",
                )
            keys = read_keys(conn, source, snapshot.condition, sql.SQL(f"{found[0]} limit {rows}"))
        written = record_present(conn, source, [key.key for key in keys if key.is_wanted])
        done = {
            "id": snapshot.id,
            "last_key": keys[-1].key if keys else None,
            "is_last": len(keys) < rows,
            "read": len(keys),
            "written": written,
        }
        rows_read, rows_written = conn.execute(query("advance_snapshot"), done).fetchone() or (0, 0)
    return _Chunk(rows_read, rows_written, written, len(keys) < rows)


class _Backlog:
    """How many events are still to be published, as of a moment ago."""

    def __init__(self, conn: psycopg.Connection, most: int) -> None:
        self._conn, self._most = conn, most
        self._look_at = 0.0

    def waits(self) -> Iterator[int]:
        """A number each time it is found too large; over once it is not."""
        while time.monotonic() >= self._look_at:
            (pending,) = self._conn.execute(query("backlog"), {"most": self._most}).fetchone() or (0,)
            if pending < self._most:
                self._look_at = time.monotonic() + LOOK_SECONDS
            else:
                yield pending
                time.sleep(PAUSE_SECONDS)
