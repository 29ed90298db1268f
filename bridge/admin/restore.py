"""Makes a table of cold files again, and compares it with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import psycopg
from psycopg import errors, sql

from bridge.errors import ConfigError, VerificationFailed
from bridge.keeping.cold_file import unpack
from bridge.keeping.cold_store import read
from bridge.keeping.manifest import Manifest, read_manifest
from bridge.postgres.queries import query
from bridge.progress import Progress, silent

TOLD_ROWS = 1_000


class Restored(NamedTuple):
    """The table that was made."""

    table: str
    rows: int


def restore(conn: psycopg.Connection, path: str, name: str | None, progress: Progress = silent) -> Restored:
    """Load a manifest's files into a new table, all or nothing. By default it gets the name that it had.

    It is a table of its own, with the columns and their types, without indexes and defaults; what was generated is a
    plain value. Raises ConfigError where that table is there or a type is not, VerificationFailed, StorageUnavailable.
    """
    manifest = read_manifest(path)
    with conn.transaction():
        conn.execute(query("cold_session"))
        table, shown = _new_name(conn, name or str(manifest.table["leaf"]), str(manifest.table["leaf"]))
        _create(conn, manifest, table, shown)
        names = sql.SQL(", ").join(sql.Identifier(column.name) for column in manifest.columns)
        columns = sql.SQL("({})").format(names) if manifest.columns else sql.SQL("")
        with conn.cursor() as cursor, cursor.copy(sql.SQL("copy {} {} from stdin").format(table, columns)) as copy:
            for number, row in enumerate(_rows(manifest), 1):
                copy.write_row(row)
                if number % TOLD_ROWS == 0:
                    progress("rows", number, manifest.rows)
        held = conn.execute(query("sum_named"), {"name": shown}).fetchone()
        if held != (manifest.rows, manifest.checksum):
            raise VerificationFailed(f"what was restored from {path} is not what was written; nothing was kept")
    return Restored(shown, manifest.rows)


def _rows(manifest: Manifest) -> Iterator[list[str | None]]:
    coder = manifest.coder
    for file in manifest.files:
        for stored in unpack(coder, file, read(file.path)):
            yield coder.sql(stored)


def _new_name(conn: psycopg.Connection, name: str, former: str) -> tuple[sql.Identifier, str]:
    """Also as SQL writes it, quoted where it must be."""
    try:
        row = conn.execute(query("new_table_name"), {"name": name, "former": former}).fetchone()
    except errors.InvalidParameterValue:
        raise ConfigError(f"{name} is no name of a table", hint="Write it as in SQL: schema.table") from None
    assert row is not None  # noqa: S101 - a statement without a table
    return sql.Identifier(*row[0]), row[1]


def _create(conn: psycopg.Connection, manifest: Manifest, table: sql.Identifier, shown: str) -> None:
    """What a manifest calls a type is looked up before it becomes part of a statement: anybody may have written it."""
    types = [column.type for column in manifest.columns]
    try:
        unknown = conn.execute(query("unknown_types"), {"types": types}).fetchall()
    except errors.SyntaxError:
        raise VerificationFailed("the manifest names a type that cannot be one") from None
    if unknown:
        raise ConfigError(f"this database has no type {unknown[0][0]}", hint="Create it, and restore again")
    columns = [
        sql.SQL("{} {} {}\n").format(
            sql.Identifier(column.name),
            sql.SQL(column.type),
            sql.SQL("not null" if column.is_not_null else ""),
        )
        for column in manifest.columns
    ]
    try:
        conn.execute(sql.SQL("create table {} ({})").format(table, sql.SQL(", ").join(columns)))
    except errors.DuplicateTable:
        hint = "Name another one with --as"
        raise ConfigError(f"there is a table {shown} already", hint=hint) from None
