"""Moves table partitions that were taken out into cold files: detached, exported, verified, dropped.

Each change of state is one short transaction, made only from the state before, and each file is written down once it
is durable. So whoever is killed, or was thought dead, is carried on by the next; of two at once one works in vain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from bridge.errors import VerificationFailed
from bridge.failpoint import failpoint
from bridge.keeping import retired as table
from bridge.keeping.cold_file import ColdFile, pack
from bridge.keeping.cold_row import RowCoder
from bridge.keeping.cold_store import remove
from bridge.keeping.export import check_file, check_manifest, folder_of, source_of, write_file, write_manifest
from bridge.keeping.manifest import total
from bridge.keeping.retired import Retired
from bridge.keeping.step import House, Outcome, Step, attempt
from bridge.postgres.queries import query

AGAIN = "Write them anew: bridge archive export"


def cold_files(house: House) -> Iterator[Step]:
    """Move each on, as far as it goes; what one meets stops no other."""
    for retired in table.on_their_way(house.conn):
        yield from move_on(house, retired)


def move_on(house: House, retired: Retired, *, drop: bool = True) -> Iterator[Step]:
    """Move one on until it is dropped (or verified), does not get on, or the keeper is to end."""
    moves: dict[str, Callable[[House, Retired], Iterator[Step]]] = {"detached": _export, "exported": _verify}
    if drop:
        moves["verified"] = _drop_later if retired.state == "verified" else _drop
    now: Retired | None = retired
    while now is not None and now.state in moves and house.pause(0):
        before = now.state
        for step in moves[before](house, now):
            if step.outcome is Outcome.ERROR:
                table.note_trouble(house.conn, now.id, step.detail)
            yield step
        now = table.current(house.conn, now.id)
        if now is not None and now.state == before:
            return


def _export(house: House, retired: Retired) -> Iterator[Step]:
    """A step for each file, then one for the manifest."""
    step = attempt(house, "write_cold_file", retired.leaf, lambda: _write_next(house, retired))
    while step.outcome is Outcome.OK and step.detail:
        yield step
        if not house.pause(0):
            return
        step = attempt(house, "write_cold_file", retired.leaf, lambda: _write_next(house, retired))
    if step.outcome is Outcome.OK:
        step = attempt(house, "write_manifest", retired.leaf, lambda: _finish(house, retired))
    yield step


def _write_next(house: House, retired: Retired) -> str:
    """Write the next file; says nothing where no row is left."""
    conn = house.conn
    place = table.next_place(conn, retired.id)  # before all else: what changes from now on, this file is in vain
    number = len(table.files_of(conn, retired.id)) + 1
    coder = _coder(house, retired)
    with conn.transaction(force_rollback=True):
        table.open_retired(conn, retired.id, place.after)
        packed = pack(coder, table.fetched(conn), retired.format)
    if packed is None:
        return ""
    file = write_file(_folder(retired, source_of(conn)), number, packed)
    failpoint("cold_file_written")
    if not table.note_file(conn, retired.id, file, packed, place):
        remove(file.path)  # it may hold what was erased meanwhile, by who has looked there before it was written
        return "in vain: another keeper was faster, or rows were erased meanwhile"
    failpoint("cold_file_noted")
    return f"file {number}: {file.rows} rows, {file.bytes} bytes"


def _finish(house: House, retired: Retired) -> str:
    conn, source = house.conn, source_of(house.conn)
    files = table.files_of(conn, retired.id)
    rows, checksum = total(files)
    if retired.rows not in (None, rows):
        raise VerificationFailed(f"{retired.rows} rows were counted when it was taken out, and {rows} were written")
    columns = table.columns_of(conn, retired.relation)
    bounds = {name: getattr(retired, name) for name in ("parent", "leaf", "range_from", "range_to")}
    manifest = write_manifest(_folder(retired, source), source, bounds, columns, files)
    failpoint("manifest_written")
    exported = {"id": retired.id, "manifest": manifest, "rows": rows, "checksum": checksum}
    conn.execute(query("mark_exported"), {**exported, "files": [file.path for file in files]})
    failpoint("exported")
    return f"{len(files)} files, {rows} rows: {manifest}"


def _verify(house: House, retired: Retired) -> Iterator[Step]:
    """Read everything anew: a step for each file, then one for the manifest and the table."""
    coder = _coder(house, retired)
    for file in table.files_of(house.conn, retired.id):
        step = attempt(house, "verify_cold_file", retired.leaf, partial(_read_back, coder, file))
        yield step
        if step.outcome is not Outcome.OK or not house.pause(0):
            return
    yield attempt(house, "verify_cold_files", retired.leaf, lambda: _compare(house, retired))


def _read_back(coder: RowCoder, file: ColdFile) -> str:
    check_file(coder, file)
    return f"file {file.number}: {file.rows} rows"


def _compare(house: House, retired: Retired) -> str:
    conn = house.conn
    manifest = check_manifest(retired.location, table.files_of(conn, retired.id))
    if list(manifest.columns) != table.columns_of(conn, retired.relation):
        raise VerificationFailed(f"{retired.leaf} has other columns than its cold files", hint=AGAIN)
    held = table.sums(conn, retired.id)
    if held != (manifest.rows, manifest.checksum):
        raise VerificationFailed(
            f"{retired.leaf} holds {held[0]} rows, and its cold files {manifest.rows}, or other ones", hint=AGAIN
        )
    conn.execute(query("mark_verified"), {"id": retired.id, "manifest": retired.location})
    failpoint("verified")
    return f"{manifest.rows} rows are in its cold files as in the table"


def _drop(house: House, retired: Retired) -> Iterator[Step]:
    yield attempt(house, "drop_table", retired.leaf, lambda: _dropped(house, retired))


def _drop_later(house: House, retired: Retired) -> Iterator[Step]:
    """What another run has verified is read once more: its files may be gone since, or damaged."""
    for step in _verify(house, retired):
        yield step
        if (step.action, step.outcome) == ("verify_cold_files", Outcome.OK):
            yield from _drop(house, retired)


def _dropped(house: House, retired: Retired) -> str:
    with house.conn.transaction():
        house.conn.execute(query("drop_verified"), {"id": retired.id})
        failpoint("dropping")
    failpoint("dropped")
    return f"its {retired.rows} rows are in {retired.location}"


def _coder(house: House, retired: Retired) -> RowCoder:
    return RowCoder(table.columns_of(house.conn, retired.relation), retired.leaf)


def _folder(retired: Retired, source: Mapping[str, Any]) -> str:
    return folder_of(retired.location, source, retired.parent, retired.leaf, retired.id)
