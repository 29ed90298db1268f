"""The archive of table partitions: what is in it, and whether it is as it was written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row

from bridge.errors import BridgeError, ConfigError, VerificationFailed
from bridge.keeping.cold_store import absolute, find
from bridge.keeping.export import MANIFEST, check_file
from bridge.keeping.manifest import read_manifest
from bridge.postgres.queries import query
from bridge.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class Archived:
    """A table partition that was taken out for cold files, and how far it is."""

    id: int
    parent: str
    leaf: str
    range_from: datetime | None  # None: infinite
    range_to: datetime | None
    state: str
    rows: int | None
    files: int
    bytes: int
    location: str
    format: str
    detached_at: datetime
    changed_at: datetime
    trouble: str | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found of one manifest and its files; `trouble` None: they are as they were written."""

    manifest: str
    leaf: str | None
    rows: int
    files: int
    trouble: str | None


def list_archived(conn: psycopg.Connection) -> list[Archived]:
    """All of them, the oldest first."""
    with conn.cursor(row_factory=class_row(Archived)) as cursor:
        return cursor.execute(query("archived_partitions")).fetchall()


def manifests(conn: psycopg.Connection, wanted: str | None) -> list[str]:
    """The manifests of all, of the partition of this number, or in and below this location.

    Raises ConfigError where there is none, StorageUnavailable.
    """
    if wanted is None or wanted.isdecimal():
        rows = conn.execute(query("manifests"), {"id": wanted}).fetchall()
        found = [str(location) for (location,) in rows]
        none = f"partition {wanted} has no cold files, or none yet"
    elif wanted.endswith(".json"):
        return [absolute(wanted)]
    else:
        found = find(wanted, MANIFEST) or find(wanted, f"**/{MANIFEST}")
        none = f"there is no manifest in {wanted}"
    if wanted is not None and not found:
        raise ConfigError(none, hint="See: bridge archive list")
    return found


def verify(paths: list[str], progress: Progress = silent) -> Iterator[Verdict]:
    """Read manifests and all their files anew. Raises StorageUnavailable where the storage as a whole is away."""
    for path in paths:
        leaf, rows, files = None, 0, 0
        try:
            manifest = read_manifest(path)
            leaf, coder = str(manifest.table["leaf"]), manifest.coder
            for file in manifest.files:
                check_file(coder, file)
                rows, files = rows + file.rows, files + 1
                progress(f"files of {leaf}", files, len(manifest.files))
            trouble = None
        except VerificationFailed as error:
            trouble = str(error)
        yield Verdict(path, leaf, rows, files, trouble)


def only(paths: list[str]) -> str:
    """The one manifest that is meant; raises BridgeError where there are several."""
    if len(paths) != 1:
        raise BridgeError(f"there are {len(paths)} manifests", hint=f"Name one of them: {', '.join(paths[:5])}")
    return paths[0]
