"""Which tables are tracked, and how; what a person decides about that. Functions in the database do the work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import LiteralString, TypeVar

import psycopg
from psycopg import errors
from psycopg.rows import class_row

from bridge.admin.tables import Table, find_table, look_for_dropped, look_for_table
from bridge.errors import ConfigError, DatabaseRefuses
from bridge.postgres.explained import told_hint
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
USUAL_ROWS = 10_000  # as bridge.enable_tracking has it: TRUNCATE of more gives no event for each
BUSY_SECONDS = 30.0  # for so long it is tried where a person says nothing else
PAUSE_SECONDS = 0.5  # between tries, each of which waits for some seconds: meanwhile others get at the table

Done = TypeVar("Done")


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a table is to be tracked; None: as it was, and at first as `bridge.enable_tracking` has it."""

    name: str | None = None
    event_type: str | None = None
    key: list[str] | None = None
    exclude: list[str] | None = None
    mask: list[str] | None = None
    activity: bool | None = None
    replicated: bool | None = None
    truncate_rows: int | None = None
    event_key: str | None = None

    def reset(self) -> Wanted:
        """The same, with the settings of a table that was never tracked in place of what is not given."""
        return Wanted(
            self.name,
            self.event_type or "ENTITY_CHANGE",
            self.key,
            self.exclude or [],
            self.mask or [],
            self.activity or False,
            self.replicated or False,
            USUAL_ROWS if self.truncate_rows is None else self.truncate_rows,
            self.event_key or "",
        )


@dataclass(frozen=True, slots=True)
class Tracked:
    """A tracked table.

    `event_key` is None for the usual key; `left_out` are columns that a trigger does not see, because they are computed
    when read.
    """

    oid: int
    relation: str
    name: str
    event_type: str
    event_key: str | None
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


def track(conn: psycopg.Connection, name: str, wanted: Wanted, wait_seconds: float) -> tuple[Tracked, Tracked | None]:
    """Track a table, or change its settings; returns what is recorded now, and how it was tracked before.

    Raises ConfigError for what cannot be, DatabaseRefuses where the table stays too busy for `wait_seconds`.
    """
    table = find_table(conn, name)
    former = _known(conn, table)
    _change(conn, query("enable_tracking"), {**asdict(wanted), "table": table.oid}, table, wait_seconds, any_lock=False)
    now = _known(conn, table)
    if now is None:
        raise ConfigError(f"{table.name} was dropped meanwhile")
    return now, former


def untrack(conn: psycopg.Connection, name: str, wait_seconds: float) -> tuple[str, Tracked | None]:
    """Stop tracking a table, which may have been dropped; returns its name, and how it was tracked.

    Raises ConfigError where it is not tracked, DatabaseRefuses as `track` does.
    """
    table = find_tracked(conn, name)
    former = _known(conn, table)
    _change(conn, query("disable_tracking"), {"table": table.oid}, table, wait_seconds, any_lock=True)
    return table.name, former


def require_key(conn: psycopg.Connection, table: Table) -> None:
    """That a table which is not tracked yet could be, by its primary key. Raises ConfigError as `track` does."""
    with _wrong_input():
        conn.execute(query("require_key"), {"table": table.oid})


def has_rows(conn: psycopg.Connection, table: Tracked) -> bool:
    """Whether a tracked table takes any room, as one does that has rows, or had some."""
    return conn.execute(query("has_pages"), {"table": table.oid}).fetchone() == (True,)


def find_tracked(conn: psycopg.Connection, name: str) -> Table:
    """The tracked table of this name, which may be gone: another may have its name now.

    Raises ConfigError where it is not tracked, or there is none.
    """
    found = [look_for_table(conn, name), look_for_dropped(conn, name)]
    for table in found:
        if table is not None and _known(conn, table) is not None:
            return table
    called = [tracked.relation for tracked in list_tracked(conn) if tracked.name == name]
    if called and found == [None, None]:
        raise ConfigError(f"there is no table {name}", hint=f"{called[0]} is tracked by that name: name the table")
    table = find_table(conn, name)
    raise ConfigError(f"{table.name} is not tracked", hint="See bridge tracked")


def lock_holders(conn: psycopg.Connection, table: Table, *, any_lock: bool) -> str:
    """Who holds locks on the table at this moment, in words."""
    rows = conn.execute(query("lock_holders"), {"table": table.oid, "any_lock": any_lock}).fetchall()
    if not rows:
        return "many short transactions hold locks on it, one after another"
    told = [_told(*row) for row in rows]
    return f"locks on it are held by {', '.join(told)}"


def _known(conn: psycopg.Connection, table: Table) -> Tracked | None:
    return next((known for known in list_tracked(conn) if known.oid == table.oid), None)


def _change(
    conn: psycopg.Connection,
    statement: LiteralString,
    values: Mapping[str, object],
    table: Table,
    wait_seconds: float,
    *,
    any_lock: bool,
) -> None:
    def change() -> None:
        with _wrong_input(), conn.transaction():
            conn.execute(statement, values)

    patiently(conn, table, wait_seconds, change, any_lock=any_lock)


def patiently(
    conn: psycopg.Connection,
    table: Table,
    wait_seconds: float | None,
    do: Callable[[], Done],
    *,
    any_lock: bool = False,
) -> Done:
    """Do it, again and again while the table is busy; each try is a transaction of its own, and waits for some seconds.

    Raises DatabaseRefuses, with who keeps the table, where it stays busy for `wait_seconds`.
    """
    ends = time.monotonic() + (BUSY_SECONDS if wait_seconds is None else wait_seconds)
    while True:
        try:
            return do()
        except errors.LockNotAvailable as error:
            holders = lock_holders(conn, table, any_lock=any_lock)
            if time.monotonic() >= ends:
                raise DatabaseRefuses(f"{table.name} is too busy: {holders}", hint="Nothing was changed") from error
        time.sleep(PAUSE_SECONDS)


@contextmanager
def _wrong_input() -> Iterator[None]:
    try:
        yield
    except WRONG as error:
        raise ConfigError(error.diag.message_primary or str(error), hint=told_hint(error)) from None
    except errors.InsufficientPrivilege as error:
        usual = "This is for who owns the table and has the rights of the role capture (bridge grants)"
        raise DatabaseRefuses(error.diag.message_primary or str(error), hint=told_hint(error) or usual) from error


def _told(pid: int | None, application: str | None, seconds: float | None) -> str:
    if pid is None:
        return "a prepared transaction (see pg_prepared_xacts)"
    name = f" ({application})" if application else ""
    return f"process {pid}{name}" + (f" for {seconds:.0f} s" if seconds is not None else "")
