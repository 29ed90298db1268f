"""Which tables are tracked, and how; what a person decides about that. Functions in the database do the work."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import LiteralString

import psycopg
from psycopg import errors
from psycopg.rows import class_row

from bridge.admin.tables import Table, find_table, look_for_dropped, look_for_table
from bridge.errors import ConfigError, DatabaseRefuses
from bridge.postgres.queries import query

# What a person has asked for, and cannot have
WRONG = (
    errors.InvalidTableDefinition,
    errors.UndefinedColumn,
    errors.WrongObjectType,
    errors.InvalidParameterValue,
    errors.UniqueViolation,
    errors.CheckViolation,
)
PAUSE_SECONDS = 0.5  # between tries, each of which waits for some seconds: meanwhile others get at the table


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a table is to be tracked; `name` None: the table's own; `key` None: the primary key."""

    name: str | None = None
    event_type: str = "ENTITY_CHANGE"
    key: list[str] | None = None
    exclude: tuple[str, ...] = ()
    mask: tuple[str, ...] = ()
    activity: bool = False
    replicated: bool = False
    truncate_rows: int = 10_000


@dataclass(frozen=True, slots=True)
class Tracked:
    """A tracked table; `left_out` are columns that a trigger does not see, because they are computed when read."""

    oid: int
    relation: str
    name: str
    event_type: str
    key: list[str]
    masked: list[str]
    excluded: list[str]
    left_out: list[str]
    activity: bool
    replicated: bool
    truncate_rows: int
    since: datetime
    triggers: list[str]


def list_tracked(conn: psycopg.Connection) -> list[Tracked]:
    """All of them, by name."""
    with conn.cursor(row_factory=class_row(Tracked), binary=True) as cursor:
        return cursor.execute(query("tracked_tables")).fetchall()


def track(conn: psycopg.Connection, name: str, wanted: Wanted, wait_seconds: float) -> tuple[Tracked, bool]:
    """Track a table, or replace its settings; returns what is recorded now, and whether it was tracked before.

    Raises ConfigError for what cannot be, DatabaseRefuses where the table stays too busy for `wait_seconds`.
    """
    table = find_table(conn, name)
    was_tracked = any(known.oid == table.oid for known in list_tracked(conn))
    values = {**asdict(wanted), "table": table.oid, "exclude": list(wanted.exclude), "mask": list(wanted.mask)}
    _change(conn, query("enable_tracking"), values, table, wait_seconds, any_lock=False)
    return next(known for known in list_tracked(conn) if known.oid == table.oid), was_tracked


def untrack(conn: psycopg.Connection, name: str, wait_seconds: float) -> str:
    """Stop tracking a table, which may have been dropped; returns its name.

    Raises ConfigError where it is not tracked, DatabaseRefuses as `track` does.
    """
    table = look_for_table(conn, name) or look_for_dropped(conn, name) or find_table(conn, name)
    if all(known.oid != table.oid for known in list_tracked(conn)):
        raise ConfigError(f"{table.name} is not tracked", hint="See bridge tracked")
    _change(conn, query("disable_tracking"), {"table": table.oid}, table, wait_seconds, any_lock=True)
    return table.name


def _change(
    conn: psycopg.Connection,
    statement: LiteralString,
    values: Mapping[str, object],
    table: Table,
    wait_seconds: float,
    *,
    any_lock: bool,
) -> None:
    """Run it, again and again while the table is busy; each try has its own transaction, and waits for some seconds."""
    ends = time.monotonic() + wait_seconds
    while True:
        try:
            with _wrong_input(), conn.transaction():
                conn.execute(statement, values)
            return
        except errors.LockNotAvailable as error:
            holders = _holders(conn, table, any_lock=any_lock)
            if time.monotonic() >= ends:
                raise DatabaseRefuses(f"{table.name} is too busy: {holders}", hint="Nothing was changed") from error
        time.sleep(PAUSE_SECONDS)


@contextmanager
def _wrong_input() -> Iterator[None]:
    try:
        yield
    except WRONG as error:
        hint = (error.diag.message_hint or "").removesuffix(".") or None
        raise ConfigError(error.diag.message_primary or str(error), hint=hint) from None


def _holders(conn: psycopg.Connection, table: Table, *, any_lock: bool) -> str:
    """Who holds locks on the table at this moment, in words."""
    rows = conn.execute(query("lock_holders"), {"table": table.oid, "any_lock": any_lock}).fetchall()
    if not rows:
        return "many short transactions hold locks on it, one after another"
    told = [_told(*row) for row in rows]
    return f"locks on it are held by {', '.join(told)}"


def _told(pid: int | None, application: str | None, seconds: float | None) -> str:
    if pid is None:
        return "a prepared transaction (see pg_prepared_xacts)"
    name = f" ({application})" if application else ""
    return f"process {pid}{name}" + (f" for {seconds:.0f} s" if seconds is not None else "")
