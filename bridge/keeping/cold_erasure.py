"""Takes a subject's data out of cold files: new ones are written, read back and made to count; then the old ones go.

Only in folders of this very cluster and database. A folder holds what a manifest names, and what killed or former
exports have left behind, which no manifest names: both are looked at. Who is killed leaves a folder in which one
manifest counts, and the next one goes on with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

from bridge.errors import BridgeError, VerificationFailed
from bridge.keeping.cold_rewrite import Rewriting, rows_of
from bridge.keeping.cold_store import find, remove
from bridge.keeping.export import folder_of, source_of
from bridge.keeping.manifest import read_manifest
from bridge.keeping.subject import Subject
from bridge.postgres.queries import query


@dataclass(frozen=True, slots=True)
class Partition:
    """What `cold_partitions.sql` says of a table partition; `manifest` None: it has none that counts."""

    id: int
    parent: str
    leaf: str
    state: str
    location: str
    manifest: str | None


@dataclass(frozen=True, slots=True)
class Folder:
    """One table's cold files; `partition` None: somebody has exported the table as it was at one moment."""

    path: str
    partition: Partition | None


@dataclass(frozen=True, slots=True)
class Held:
    """What a folder has of a subject: the files, how many rows, the types of its events."""

    files: tuple[str, ...]
    rows: int
    types: frozenset[str]


def folders(conn: psycopg.Connection, subject: Subject) -> tuple[list[Folder], list[str]]:
    """All in which the subject's rows may be; and manifests of another cluster's or database's, which are let be.

    Raises StorageUnavailable, ConfigError.
    """
    source, wanted = source_of(conn), {"parents": list(subject.parents)}
    with conn.cursor(row_factory=class_row(Partition)) as cursor:
        partitions = cursor.execute(query("cold_partitions"), wanted).fetchall()
    known = {folder_of(p.location, source, p.parent, p.leaf, p.id): p for p in partitions}
    found: set[str] = set()
    for (location,) in conn.execute(query("cold_locations"), wanted).fetchall():
        for parent in subject.parents:
            place = folder_of(location, source, parent, "", "").rpartition("/")[0]
            found.update(path.rpartition("/")[0] for path in find(place, "*/*"))
    others = [
        partition.manifest
        for path, partition in known.items()
        if partition.manifest is not None and partition.manifest.rpartition("/")[0] != path
    ]
    return [Folder(path, known.get(path)) for path in sorted(found)], others


def look(folder: Folder, subject: Subject, go_on: Callable[[], None]) -> Held:
    """What there is of the subject; `go_on` is called before each file. Raises VerificationFailed for a file that
    counts and cannot be read.
    """
    _, named = _current(folder)
    held, rows, types = [], 0, set[str]()
    for path in find(folder.path, "part-*"):
        go_on()
        try:
            in_file, types_in_file = rows_of(path, subject)
        except VerificationFailed:
            if path in named:
                raise
            in_file, types_in_file = 1, set()  # what a killed export has left, and nobody can read
        types |= types_in_file
        if in_file:
            held.append(path)
            rows += in_file
    return Held(tuple(held), rows, frozenset(types))


def erase_in(
    conn: psycopg.Connection, folder: Folder, subject: Subject, held: Held, erasure: str, go_on: Callable[[], None]
) -> None:
    """Let none of these files be left. `go_on` is called before each file, and raises BridgeError where somebody else
    is at it now. Raises BridgeError, too, where others have replaced the files; VerificationFailed, StorageUnavailable.
    """
    partition = folder.partition
    current, _ = _current(folder)
    if partition is not None and partition.state in ("detached", "exported", "verified"):  # its table is still there
        again = {"id": partition.id, "location": partition.location, "format": None}
        if conn.execute(query("export_again"), again).fetchone() is None:
            hint = "Let that be noted: bridge maintain --once --job cleanup. Then run it again: it goes on where it was"
            raise BridgeError(f"the table {partition.leaf} is gone", hint=hint)
        current = []
    kept = set()
    rewriting = Rewriting(conn, folder.path, partition is not None, subject, erasure, go_on)
    for path in current:
        manifest = read_manifest(path)
        if any(file.path in held.files for file in manifest.files):
            kept.add(rewriting.rewrite(path, manifest))
        else:
            kept.add(path)
    for path in find(folder.path, "manifest-*"):
        if path not in kept and _names_any(path, held.files):
            remove(path)
    for path in held.files:
        remove(path)


def _current(folder: Folder) -> tuple[list[str], set[str]]:
    """The manifests that count, and the files that they name."""
    if folder.partition is not None:
        paths = [folder.partition.manifest] if folder.partition.manifest is not None else []
        manifests = {path: read_manifest(path) for path in paths}
    else:
        manifests = {path: read_manifest(path) for path in find(folder.path, "manifest-*.json")}
        for manifest in list(manifests.values()):
            if manifest.replaces is not None:
                manifests.pop(f"{folder.path}/{manifest.replaces['manifest']}", None)
    return list(manifests), {file.path for manifest in manifests.values() for file in manifest.files}


def _names_any(path: str, files: tuple[str, ...]) -> bool:
    try:
        return any(file.path in files for file in read_manifest(path).files)
    except VerificationFailed:
        return False  # it holds no row
