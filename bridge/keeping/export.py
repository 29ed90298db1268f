"""Writes a table to cold files and reads them back: `<location>/<cluster>-<database>/<parent>/<leaf>-<id>/`.

Each file has a name that nobody else uses, so none is ever written over: neither by another keeper, nor by what was
thought dead, nor by a copy of the database with the same identity. What the manifest names counts; what a killed
export left behind lies there unnamed.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg.rows import dict_row

from bridge import __version__
from bridge.errors import VerificationFailed
from bridge.keeping.cold_file import ColdFile, Packed, check
from bridge.keeping.cold_row import ColdColumn, RowCoder, utc_now
from bridge.keeping.cold_store import absolute, read, write_new
from bridge.keeping.manifest import Manifest, read_manifest, total
from bridge.postgres.queries import query

MANIFEST = "manifest-*.json"


def source_of(conn: psycopg.Connection) -> Mapping[str, Any]:
    """The identity of cluster and database, and the versions of what writes."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(query("cold_source")).fetchone()
    return {**(row or {}), "bridge": __version__}


def folder_of(location: str, source: Mapping[str, Any], parent: str, leaf: str, id: int | str) -> str:
    """Where the files of a table go. Raises ConfigError for a location that cannot be used."""
    cluster = f"{source['system_identifier']}-{source['database_oid']}"
    return "/".join([absolute(location), cluster, _plain(parent), f"{_plain(leaf)}-{id}"])


def new_folder_id() -> str:
    """For a table that has no number in `bridge.retired_partition`."""
    return secrets.token_hex(4)


def location_of(manifest: str) -> str:
    """The location that a manifest was written for."""
    return manifest.rsplit("/", 4)[0]


def write_file(folder: str, number: int, packed: Packed) -> ColdFile:
    """Write one file. Raises StorageUnavailable."""
    path = f"{folder}/part-{number:05}-{secrets.token_hex(4)}.{packed.format}"
    write_new(path, packed.data)
    return ColdFile(number, path, packed.rows, len(packed.data), packed.sha256, packed.checksum)


def write_manifest(
    folder: str,
    source: Mapping[str, Any],
    table: Mapping[str, Any],
    columns: Sequence[ColdColumn],
    files: Sequence[ColdFile],
    replaces: Mapping[str, str] | None = None,
) -> str:
    """Write the manifest of these files, and return where. Raises StorageUnavailable."""
    rows, checksum = total(files)
    manifest = Manifest(source, table, tuple(columns), rows, checksum, tuple(files), utc_now(), replaces)
    path = f"{folder}/{MANIFEST.replace('*', secrets.token_hex(4))}"
    write_new(path, manifest.encoded())
    return path


def check_manifest(path: str, files: Sequence[ColdFile]) -> Manifest:
    """Read a manifest anew, and compare it with what is known. Raises as `read_manifest` does."""
    manifest = read_manifest(path)
    if list(manifest.files) != list(files):
        raise VerificationFailed(f"the manifest {path} names other files than were written")
    return manifest


def check_file(coder: RowCoder, file: ColdFile) -> None:
    """Read a file anew. Raises VerificationFailed where it is not what was written, StorageUnavailable."""
    check(coder, file, read(file.path))


def _plain(name: str) -> str:
    """A table's name as a folder's; it need not be unique."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:120]
