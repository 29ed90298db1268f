"""Tables that a person names, as SQL writes names: orders, sales.orders, "Odd name"."""

from __future__ import annotations

import shlex
from difflib import get_close_matches
from typing import NamedTuple

import psycopg
from psycopg import errors
from psycopg.rows import class_row

from bridge.errors import ConfigError
from bridge.postgres.queries import query


class Table(NamedTuple):
    """One table: its oid, and its qualified name, quoted where SQL needs that."""

    oid: int
    name: str


def find_table(conn: psycopg.Connection, name: str) -> Table:
    """The table that SQL would find by this name with the search path of the database.

    Raises ConfigError where there is none, or where the name cannot be one.
    """
    table = look_for_table(conn, name)
    if table is None:
        raise ConfigError(f"there is no table {name}", hint=_meant(conn, name))
    return table


def look_for_table(conn: psycopg.Connection, name: str) -> Table | None:
    """The same, but None where there is none; raises ConfigError for what cannot be a name."""
    try:
        with conn.transaction(), conn.cursor(row_factory=class_row(Table)) as cursor:
            cursor.execute(query("usual_search_path"))
            return cursor.execute(query("find_table"), {"name": name}).fetchone()
    except (errors.InvalidName, errors.SyntaxError, errors.FeatureNotSupported, errors.InvalidParameterValue):
        raise _no_name(conn, name) from None


def look_for_dropped(conn: psycopg.Connection, name: str) -> Table | None:
    """The tracked table that was known by this name before it was dropped; raises ConfigError as above."""
    try:
        with conn.transaction(), conn.cursor(row_factory=class_row(Table)) as cursor:
            return cursor.execute(query("tracked_as"), {"name": name}).fetchone()
    except errors.InvalidParameterValue:
        raise _no_name(conn, name) from None


def _no_name(conn: psycopg.Connection, name: str) -> ConfigError:
    hint = _meant(conn, name) or 'Write it as in SQL: schema.table, with "..." around what is not lower case'
    return ConfigError(f"{name} is no name of a table", hint=hint)


def _meant(conn: psycopg.Connection, name: str) -> str | None:
    """A table whose name is like this one, as it is typed in a shell, as a question; None where none is."""
    spellings: dict[str, str] = {}
    for qualified, bare in conn.execute(query("table_names")).fetchall():
        for spelling in (bare, qualified, qualified.replace('"', "")):
            spellings.setdefault(spelling.lower(), qualified)
    found = get_close_matches(name.lower().replace('"', ""), spellings, n=1, cutoff=0.75)
    return f"Did you mean {shlex.quote(spellings[found[0]])}?" if found else None
