"""Writes a table to cold files because a person asks for it. Nothing is dropped by that."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

from bridge.admin.reading import lock_for_reading
from bridge.admin.tables import Table, find_table
from bridge.errors import BridgeError, ConfigError, VerificationFailed
from bridge.keeping import retired
from bridge.keeping.cold_file import ColdFile, pack
from bridge.keeping.cold_files import move_on
from bridge.keeping.cold_row import RowCoder
from bridge.keeping.cold_store import remove
from bridge.keeping.export import (
    check_file,
    check_manifest,
    folder_of,
    location_of,
    new_folder_id,
    source_of,
    write_file,
    write_manifest,
)
from bridge.keeping.manifest import total
from bridge.keeping.step import House, Outcome
from bridge.postgres.queries import query
from bridge.progress import Progress, silent
from bridge.settings import Settings


@dataclass(frozen=True, slots=True)
class _Known:
    """What the database says about the table, as `table_to_export.sql` has it."""

    is_table: bool
    parent: str | None
    range_from: str | None
    range_to: str | None
    location: str | None
    format: str
    retired_id: int | None


def export(
    conn: psycopg.Connection,
    settings: Settings,
    name: str,
    location: str | None,
    format: str | None = None,
    progress: Progress = silent,
) -> str:
    """Write a table to cold files, read them back, and return the manifest's place.

    One that is on its way there is written anew, unless another location is given: its former files count no more. Any
    other is written as one snapshot shows it, whoever writes to it.

    Raises ConfigError, VerificationFailed, StorageUnavailable; BridgeError where the keeper's steps fail.
    """
    table = find_table(conn, name)
    with conn.cursor(row_factory=class_row(_Known)) as cursor:
        known = cursor.execute(query("table_to_export"), {"oid": table.oid}).fetchone()
    if known is None or not known.is_table:
        raise ConfigError(f"{table.name} is no plain table", hint="Name one of its table partitions")
    if known.retired_id is not None and location is None:
        return _again(conn, settings, known.retired_id, format, progress)
    if not (location or known.location):
        raise ConfigError(f"no location is known for {table.name}", hint="Give one with --to")
    return _snapshot(conn, settings, table, known, str(location or known.location), format or known.format, progress)


def _again(conn: psycopg.Connection, settings: Settings, id: int, format: str | None, progress: Progress) -> str:
    now = retired.current(conn, id)
    location = None if now is None else now.location if now.state == "detached" else location_of(now.location)
    conn.execute(query("export_again"), {"id": id, "location": location, "format": format})
    house = House(conn, settings, lambda _seconds: True)
    now = retired.current(conn, id)
    for number, step in enumerate(() if now is None else move_on(house, now, drop=False), 1):
        progress("files and steps", number, None)
        if step.outcome is not Outcome.OK:
            raise BridgeError(f"{step.action}: {step.target}: {step.detail}")
    verified = retired.current(conn, id)
    if verified is None or verified.state != "verified":
        raise BridgeError(f"partition {id} was changed by somebody else meanwhile", hint="See: bridge archive list")
    return verified.location


def _snapshot(
    conn: psycopg.Connection,
    settings: Settings,
    table: Table,
    known: _Known,
    location: str,
    format: str,
    progress: Progress,
) -> str:
    source = source_of(conn)
    folder = folder_of(location, source, known.parent or "tables", table.name, new_folder_id())
    with conn.transaction():
        conn.execute("set transaction isolation level repeatable read, read write")
        lock_for_reading(conn, settings, table.oid, table.name)
        erased = _erased(conn, table)
        conn.execute(query("cold_session"))
        columns = retired.columns_of(conn, table.oid)
        coder = RowCoder(columns, table.name)
        files: list[ColdFile] = []
        with conn.transaction(force_rollback=True):
            retired.open_table(conn, table.oid)
            rows = retired.fetched(conn)
            while packed := pack(coder, rows, format):
                files.append(write_file(folder, len(files) + 1, packed))
                progress("rows", sum(file.rows for file in files), None)
        held = conn.execute(query("sum_rows"), {"relation": table.oid}).fetchone()
    if held != total(files):
        raise VerificationFailed(f"{table.name} holds other rows than were written to {folder}")
    bounds = {"parent": known.parent, "leaf": table.name, "range_from": known.range_from, "range_to": known.range_to}
    path = write_manifest(folder, source, bounds, columns, files)
    if _erased(conn, table) != erased:  # by who may have looked for files before these were written
        for written in (path, *(file.path for file in files)):
            remove(written)
        raise BridgeError(f"rows of {table.name} were erased meanwhile", hint="Run it again")
    manifest = check_manifest(path, files)
    for number, file in enumerate(manifest.files, 1):
        check_file(coder, file)
        progress("files read back", number, len(files))
    return path


def _erased(conn: psycopg.Connection, table: Table) -> int:
    (count,) = conn.execute(query("erased_rows"), {"name": table.name}).fetchone() or (0,)
    return int(count)
