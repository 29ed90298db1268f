"""Snapshots: the rows that a tracked table has already, published as READ events. Which there are; how one begins.

A snapshot is a row of `bridge.snapshot`, which says up to which key it is done: `snapshot_run.py` goes on from there.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from bridge.admin.present_rows import Source, count_rows, opened, read_keys
from bridge.admin.tables import Table
from bridge.admin.tracking import find_tracked, patiently
from bridge.errors import ConfigError
from bridge.postgres.queries import query

MOST = 1000  # snapshots of which a list tells


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One row of `bridge.snapshot`; `condition` None: all rows are wanted. `rows_guessed` None: nobody knows.

    `rows_read` were looked at, for `rows_written` of them there is an event. `is_as_tracked`: its table still has the
    name and key that it had, so that it may go on.
    """

    id: int
    tracked_id: int
    relation: str
    name: str
    condition: str | None
    rows_read: int
    rows_written: int
    rows_guessed: int | None
    state: str
    started_at: datetime
    changed_at: datetime
    started_by: str
    is_as_tracked: bool


def list_snapshots(conn: psycopg.Connection, name: str | None = None) -> list[Snapshot]:
    """Those of one tracked table, or of all, the latest first. Raises ConfigError where it is not tracked."""
    table = None if name is None else find_tracked(conn, name)
    return _snapshots(conn, table)


def begin_snapshot(
    conn: psycopg.Connection, name: str, condition: str | None, *, restart: bool, wait_seconds: float | None = None
) -> tuple[Snapshot, Table]:
    """The unfinished snapshot of a table, or a new one where there is none, or with `restart`.

    Raises ConfigError where the table is not tracked or has no key, where the condition is no SQL for it, or where what
    is unfinished was begun otherwise; DatabaseRefuses where a right is missing, or others keep the table for
    `wait_seconds`; psycopg.Error.
    """
    table = find_tracked(conn, name)

    def begin() -> Snapshot | None:
        with conn.transaction(), opened(conn, table) as source:
            read_keys(conn, source, condition, sql.SQL("limit 0"))
            former = _unfinished(conn, table)
            if former is not None and restart:
                conn.execute(query("give_up_snapshot"), {"id": former.id})
            if former is None or restart:
                _start(conn, table, source, condition)
            return _unfinished(conn, table)

    snapshot = patiently(conn, table, wait_seconds, begin)
    if snapshot is None:
        raise ConfigError(f"the snapshot of {table.name} was given up by somebody else just now")
    if snapshot.condition != condition or not snapshot.is_as_tracked:
        was = "when its name or key was another" if not snapshot.is_as_tracked else _with(snapshot.condition)
        raise ConfigError(
            f"a snapshot of {table.name} is unfinished that was begun {was}",
            hint=f"Go on with it{_again(snapshot)} or begin anew with --restart",
        )
    return snapshot, table


def count_wanted(
    conn: psycopg.Connection, name: str, condition: str | None, wait_seconds: float | None = None
) -> tuple[Source, int]:
    """How many rows a snapshot would publish; reads the whole table. Raises as `begin_snapshot` does."""
    table = find_tracked(conn, name)

    def count() -> tuple[Source, int]:
        with conn.transaction(), opened(conn, table) as source:
            return source, count_rows(conn, source, condition)

    return patiently(conn, table, wait_seconds, count)


def _start(conn: psycopg.Connection, table: Table, source: Source, condition: str | None) -> None:
    """Where it ends is decided now: what has a later key was inserted since, and recorded."""
    (backwards,) = conn.execute(query("snapshot_last"), {"tracked_id": source.id}).fetchone() or ("",)
    last = read_keys(conn, source, None, sql.SQL(backwards))
    until_key = last[0].key if last else None
    values = {"tracked_id": source.id, "relation": table.name, "condition": condition, "until_key": until_key}
    conn.execute(query("start_snapshot"), {**asdict(source), **values})


def _unfinished(conn: psycopg.Connection, table: Table) -> Snapshot | None:
    return next((found for found in _snapshots(conn, table) if found.state == "unfinished"), None)


def _snapshots(conn: psycopg.Connection, table: Table | None) -> list[Snapshot]:
    with conn.cursor(row_factory=class_row(Snapshot), binary=True) as cursor:
        oid = None if table is None else table.oid
        return cursor.execute(query("snapshots"), {"table": oid, "most": MOST}).fetchall()


def _with(condition: str | None) -> str:
    return "for all rows" if condition is None else "with another --where"


def _again(snapshot: Snapshot) -> str:
    if not snapshot.is_as_tracked:
        return " under its former name and key,"
    return " without --where," if snapshot.condition is None else " with its own (bridge snapshot --list shows it),"
