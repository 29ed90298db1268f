"""Takes a subject's data out of cold files: new ones are written, read back and made to count; then the old ones go.

Only in folders of this very cluster and database. A folder holds what a manifest names, and what killed or former
exports have left behind, which no manifest names: both are looked at. Who is killed leaves a folder in which one
manifest counts, and the next one goes on with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from bridge.errors import VerificationFailed
from bridge.failpoint import failpoint
from bridge.keeping.cold_file import ColdFile, check, format_of, pack, records, unpack
from bridge.keeping.cold_row import RowCoder
from bridge.keeping.cold_store import find, read, remove
from bridge.keeping.export import check_manifest, folder_of, source_of, write_file, write_manifest
from bridge.keeping.manifest import Manifest, read_manifest, total
from bridge.keeping.retired import START
from bridge.keeping.subject import Subject, erased
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


def look(folder: Folder, subject: Subject) -> Held:
    """What there is of the subject. Raises VerificationFailed for a file that counts and cannot be read."""
    _, named = _current(folder)
    held, rows, types = [], 0, set[str]()
    for path in find(folder.path, "part-*"):
        try:
            in_file, types_in_file = _rows_of(path, subject)
        except VerificationFailed:
            if path in named:
                raise
            in_file, types_in_file = 1, set()  # what a killed export has left, and nobody can read
        types |= types_in_file
        if in_file:
            held.append(path)
            rows += in_file
    return Held(tuple(held), rows, frozenset(types))


def erase_in(conn: psycopg.Connection, folder: Folder, subject: Subject, held: Held, erasure: str) -> None:
    """Let none of these files be left. Raises VerificationFailed, StorageUnavailable."""
    partition = folder.partition
    current, _ = _current(folder)
    if partition is not None and partition.state in ("detached", "exported", "verified"):  # its table is still there
        conn.execute(query("export_again"), {"id": partition.id, "location": partition.location, "format": None})
        current = []
    kept = set()
    for path in current:
        manifest = read_manifest(path)
        if any(file.path in held.files for file in manifest.files):
            kept.add(_rewrite(conn, folder, path, manifest, subject, erasure))
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


def _rows_of(path: str, subject: Subject) -> tuple[int, set[str]]:
    """How many rows of a file have anything of the subject left, and the types of all its events."""
    count, types = 0, set[str]()
    for record in records(path, read(path)):
        try:
            if subject.owns(record):
                types.update(filter(None, [record.get("event_type")]))
                count += subject.is_in(record)
        except Exception as error:  # another schema's record, of whatever types
            raise VerificationFailed(f"the cold file {path} cannot be read: {type(error).__name__}") from error
    return count, types


def _rewrite(
    conn: psycopg.Connection, folder: Folder, former: str, manifest: Manifest, subject: Subject, erasure: str
) -> str:
    """Write the files that hold the subject anew, and a manifest over all; returns where that is, once it counts."""
    coder, files = manifest.coder, list[ColdFile]()
    for file in manifest.files:
        data = read(file.path)
        check(coder, file, data)
        if not _rows_of(file.path, subject)[0]:
            files.append(file._replace(number=len(files) + 1))
            continue
        first, rows = len(files), ((START, row) for row in _left(coder, file, data, subject, erasure))
        while packed := pack(coder, rows, format_of(file.path)):
            files.append(write_file(folder.path, len(files) + 1, packed))
        read_back = chain.from_iterable(unpack(coder, new, read(new.path)) for new in files[first:])
        for wanted, found in zip(_left(coder, file, data, subject, erasure), read_back, strict=True):
            if wanted != found:
                raise VerificationFailed(f"what was written in place of {file.path} is not what it was")
    replaces = {
        "manifest": former.rpartition("/")[2],
        "sha256": hashlib.sha256(read(former)).hexdigest(),
        "erasure": erasure,
    }
    path = write_manifest(folder.path, manifest.source, manifest.table, manifest.columns, files, replaces)
    if check_manifest(path, files).rows != manifest.rows:
        raise VerificationFailed(f"the manifest {path} has other rows than {former}")
    failpoint("cold_files_written")
    known = Jsonb([file._asdict() for file in files])
    noted = {"manifest": path, "former": former, "checksum": total(files)[1], "files": len(files), "known": known}
    conn.execute(query("replace_cold_files"), noted)
    failpoint("cold_files_replaced")
    return path


def _left(coder: RowCoder, file: ColdFile, data: bytes, subject: Subject, erasure: str) -> Iterator[list[str | None]]:
    names = [column.name for column in coder.columns]
    for stored in unpack(coder, file, data):
        row = dict(zip(names, stored, strict=True))
        yield erased(row, erasure) if subject.is_in(row) else stored
