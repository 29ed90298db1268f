"""The rows that a tracked table has at this moment: read by their key, and recorded.

Whose SQL runs as whom: names and expressions are the database's own, quoted there; the condition is the operator's, and
everything runs with the rights of the operator's role. Where that would let the table's owner run functions of his
with more rights than he has, nothing is read, and what is read is the table, whoever has its name meanwhile.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import psycopg
from psycopg import errors, sql
from psycopg.rows import class_row

from bridge.admin.tables import Table
from bridge.errors import ConfigError
from bridge.postgres.queries import query


class Key(NamedTuple):
    """The key of one row, a text for each column; `is_wanted`: the condition holds for the row."""

    key: list[str]
    is_wanted: bool


@dataclass(frozen=True, slots=True)
class Source:
    """A tracked table, and the parts of SQL by which its rows are read: `snapshot_table.sql`."""

    id: int
    name: str
    key: list[int]
    alias: str
    relation: str
    source: str
    has_key: bool
    keys: str
    rows_guessed: int | None


@contextmanager
def opened(conn: psycopg.Connection, table: Table) -> Iterator[Source]:
    """How a tracked table is to be read, as it is now, in a transaction of which this is the beginning; then it can be.

    Raises ConfigError where it cannot; psycopg.Error, also where its owner's functions would run with other rights.
    """
    conn.execute(query("snapshot_session"))
    (view,) = conn.execute(query("open_tracked"), {"table": table.oid}).fetchone() or (None,)
    with conn.cursor(row_factory=class_row(Source), binary=True) as cursor:
        found = cursor.execute(query("snapshot_table"), {"table": table.oid, "view": view}).fetchone()
    if found is None:
        raise ConfigError(f"{table.name} is not tracked any more", hint="See bridge tracked")
    if view is None:
        raise ConfigError(f"{table.name} is gone", hint=f"bridge untrack {shlex.quote(table.name)}")
    if not found.has_key:
        raise ConfigError(f"{table.name} has no unique index of its key any more", hint="See bridge doctor")
    yield found
    conn.execute(sql.SQL("drop view {}").format(sql.SQL(view)))


def read_keys(conn: psycopg.Connection, source: Source, condition: str | None, range_: sql.Composable) -> list[Key]:
    """The keys of the rows of a range, in their order; `range_` follows FROM, as `bridge.key_range` gives it.

    Raises ConfigError where the condition is no SQL for this table.
    """
    statement = sql.SQL(query("snapshot_keys")).format(
        keys=sql.SQL(source.keys),
        condition=sql.SQL(condition or "true"),
        source=sql.SQL(source.source),
        range=range_,
        alias=sql.SQL(source.alias),
    )
    with _asked(conn, condition), conn.cursor(row_factory=class_row(Key), binary=True) as cursor:
        return cursor.execute(statement, prepare=False).fetchall()


def count_rows(conn: psycopg.Connection, source: Source, condition: str | None) -> int:
    """How many rows are wanted; reads the whole table. Raises as `read_keys` does."""
    statement = sql.SQL(query("snapshot_count")).format(
        source=sql.SQL(source.source), alias=sql.SQL(source.alias), condition=sql.SQL(condition or "true")
    )
    with _asked(conn, condition), conn.cursor(binary=True) as cursor:
        (count,) = cursor.execute(statement, prepare=False).fetchone() or (0,)
    return int(count)


def record_present(conn: psycopg.Connection, source: Source, keys: list[list[str]]) -> int:
    """A READ event for each of these rows that is still there; returns how many. Raises psycopg.Error."""
    if not keys:
        return 0
    row = conn.execute(query("record_present"), {"tracked_id": source.id, "keys": keys}).fetchone()
    return int(row[0]) if row else 0


@contextmanager
def _asked(conn: psycopg.Connection, condition: str | None) -> Iterator[None]:
    """Names mean what they mean to the operator; a mistake of his is told, but no value that a message may hold."""
    conn.execute(query("usual_search_path"))
    try:
        yield
    except (errors.InsufficientPrivilege, psycopg.OperationalError):
        raise
    except (psycopg.ProgrammingError, psycopg.DataError) as error:
        if condition is None:
            raise
        is_about_text = isinstance(error, psycopg.ProgrammingError)
        why = error.diag.message_primary if is_about_text else f"{type(error).__name__} for a row of the table"
        raise ConfigError(
            f"the condition cannot be used: {why}", hint="--where is SQL about the table's columns"
        ) from None
    conn.execute(query("pinned_search_path"))
