"""The rows that a tracked table has at this moment: read by their key, and recorded.

Whose SQL runs as whom: names and expressions are the database's own, quoted there; the condition is the operator's, and
everything runs with the rights of the operator's role. Where that would let the table's owner run functions of his
with more rights than he has, nothing is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import psycopg
from psycopg import errors, sql
from psycopg.rows import class_row

from bridge.admin.tables import Table
from bridge.errors import ConfigError, DatabaseRefuses
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
    is_there: bool
    alias: str
    source: str
    has_key: bool
    keys: str
    runs_code_of: str | None
    rows_guessed: int | None


def find_source(conn: psycopg.Connection, table: Table) -> Source:
    """How a tracked table is to be read, as it is now, in a transaction of which this is the first statement.

    Raises ConfigError where it cannot be, DatabaseRefuses where its owner's functions would run with other rights.
    """
    conn.execute(query("snapshot_session"))
    with conn.cursor(row_factory=class_row(Source), binary=True) as cursor:
        found = cursor.execute(query("snapshot_table"), {"table": table.oid}).fetchone()
    if found is None:
        raise ConfigError(f"{table.name} is not tracked any more", hint="See bridge tracked")
    if not found.is_there:
        raise ConfigError(f"{table.name} is gone", hint=f"bridge untrack {table.name}")
    if not found.has_key:
        raise ConfigError(f"{table.name} has no unique index of its key any more", hint="See bridge doctor")
    if found.runs_code_of is not None:
        raise DatabaseRefuses(
            f"functions of {found.runs_code_of} in the indexes or key types of {table.name} would run with your rights",
            hint="Only that role can do it, if it also owns the schema bridge",
        )
    return found


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
