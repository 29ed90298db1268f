"""The manifest of a table's cold files, written last: without it, they are not there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from bridge.errors import VerificationFailed
from bridge.keeping.cold_file import ColdFile
from bridge.keeping.cold_row import ColdColumn, RowCoder, knows
from bridge.keeping.cold_store import read

FORMAT = "bridge cold files 1"


@dataclass(frozen=True, slots=True)
class Manifest:
    """A table as it was written: what it was, where it came from, and its files, which lie beside the manifest."""

    source: Mapping[str, Any]  # the cluster's identity, the database's, versions
    table: Mapping[str, Any]  # its name, its parent's, its bounds
    columns: tuple[ColdColumn, ...]
    rows: int
    checksum: str
    files: tuple[ColdFile, ...]
    written_at: str
    replaces: Mapping[str, str] | None = None  # the manifest before an erasure, its SHA-256, the erasure's certificate

    @property
    def coder(self) -> RowCoder:
        """What reads its files."""
        return RowCoder(self.columns, str(self.table["leaf"]))

    def encoded(self) -> bytes:
        """As JSON, with a checksum of itself."""
        document = {"format": FORMAT, **asdict(self)}
        document["columns"] = [column._asdict() for column in self.columns]
        document["files"] = [
            {"name": _name(file.path), **{k: v for k, v in file._asdict().items() if k != "path"}}
            for file in self.files
        ]
        document["sha256"] = _sha256(document)
        return orjson.dumps(document, option=orjson.OPT_INDENT_2)


def total(files: Sequence[ColdFile]) -> tuple[int, str]:
    """Rows and checksum of all files together."""
    return sum(file.rows for file in files), str(sum(int(file.checksum) for file in files))


def read_manifest(url: str) -> Manifest:
    """Read a manifest anew.

    Raises VerificationFailed where it is damaged, or of a version that is not known; StorageUnavailable, ConfigError.
    """
    data = read(url)
    try:
        document = orjson.loads(data)
        claimed = document.pop("sha256")
        if document["format"] != FORMAT:
            raise VerificationFailed(f"{url} is no manifest that this version of bridge can read")
        if claimed != _sha256(document):
            raise VerificationFailed(f"the manifest {url} is not what was written: its SHA-256 is another")
        return _manifest(url.rpartition("/")[0], document)
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise VerificationFailed(f"{url} is no manifest of cold files, or it is damaged") from error


def _manifest(folder: str, document: Mapping[str, Any]) -> Manifest:
    files = tuple(
        ColdFile(path=f"{folder}/{_name(file['name'])}", **{k: v for k, v in file.items() if k != "name"})
        for file in document["files"]
    )
    columns = tuple(ColdColumn(**column) for column in document["columns"])
    if not all(knows(column.kind) for column in columns) or total(files) != (document["rows"], document["checksum"]):
        raise ValueError("it contradicts itself")
    known = {name: document[name] for name in ("source", "table", "rows", "checksum", "written_at")}
    return Manifest(columns=columns, files=files, replaces=document.get("replaces"), **known)


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _sha256(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()
