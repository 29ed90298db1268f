"""Writes cold files anew without a subject; what was written counts at once, or not at all.

Erasures take turns by the keeper's lease. One that has slept past it finds that others have replaced the files, and
removes what it has written itself: that holds other subjects, whose erasure may have looked there already.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain

import psycopg
from psycopg.types.json import Jsonb

from bridge.errors import BridgeError, VerificationFailed
from bridge.failpoint import failpoint
from bridge.keeping.cold_file import ColdFile, check, format_of, pack, records, unpack
from bridge.keeping.cold_row import RowCoder
from bridge.keeping.cold_store import read, remove
from bridge.keeping.export import check_manifest, write_file, write_manifest
from bridge.keeping.manifest import Manifest, total
from bridge.keeping.retired import START
from bridge.keeping.subject import Subject, erased
from bridge.postgres.queries import query


@dataclass(frozen=True, slots=True)
class Rewriting:
    """Of the files of one folder, for one erasure. `is_known`: the database says which manifest counts.

    `go_on` is called before each file, and raises BridgeError where somebody else is at it now.
    """

    conn: psycopg.Connection
    folder: str
    is_known: bool
    subject: Subject
    erasure: str
    go_on: Callable[[], None]
    _new: list[str] = field(default_factory=list)

    def rewrite(self, former: str, manifest: Manifest) -> str:
        """Write the files that hold the subject anew, and a manifest over all; returns where that is, once it counts.

        Raises BridgeError where it cannot; VerificationFailed, StorageUnavailable; psycopg.Error.
        """
        self._new.clear()
        try:
            path, files = self._write(former, manifest)
            failpoint("cold_files_written")
            self.go_on()
            if not self._counts(former, path, files):
                raise BridgeError(
                    f"the cold files in {self.folder} were replaced by somebody else meanwhile",
                    hint="Run it again: it goes on where it was",
                )
        except BridgeError:
            for written in self._new:
                remove(written)
            raise
        failpoint("cold_files_replaced")
        return path

    def _write(self, former: str, manifest: Manifest) -> tuple[str, list[ColdFile]]:
        files: list[ColdFile] = []
        for file in manifest.files:
            self.go_on()
            data = read(file.path)
            check(manifest.coder, file, data)
            if rows_of(file.path, self.subject)[0]:
                files += self._without(manifest.coder, file, data, len(files))
            else:
                files.append(file._replace(number=len(files) + 1))
        replaces = {
            "manifest": former.rpartition("/")[2],
            "sha256": hashlib.sha256(read(former)).hexdigest(),
            "erasure": self.erasure,
        }
        path = write_manifest(self.folder, manifest.source, manifest.table, manifest.columns, files, replaces)
        self._new.append(path)
        if check_manifest(path, files).rows != manifest.rows:
            raise VerificationFailed(f"the manifest {path} has other rows than {former}")
        return path, files

    def _without(self, coder: RowCoder, file: ColdFile, data: bytes, number: int) -> list[ColdFile]:
        """What is written in place of a file, perhaps several, numbered on from `number`; read back."""
        files, rows = list[ColdFile](), ((START, row) for row in self._left(coder, file, data))
        while packed := pack(coder, rows, format_of(file.path)):
            files.append(write_file(self.folder, number + len(files) + 1, packed))
            self._new.append(files[-1].path)
        read_back = chain.from_iterable(unpack(coder, written, read(written.path)) for written in files)
        for wanted, found in zip(self._left(coder, file, data), read_back, strict=True):
            if wanted != found:
                raise VerificationFailed(f"what was written in place of {file.path} is not what it was")
        return files

    def _left(self, coder: RowCoder, file: ColdFile, data: bytes) -> Iterator[list[str | None]]:
        names = [column.name for column in coder.columns]
        for stored in unpack(coder, file, data):
            row = dict(zip(names, stored, strict=True))
            yield erased(row, self.erasure) if self.subject.is_in(row) else stored

    def _counts(self, former: str, path: str, files: list[ColdFile]) -> bool:
        """Whether this manifest counts from now on, in place of the former one."""
        known = Jsonb([file._asdict() for file in files])
        noted = {"manifest": path, "former": former, "checksum": total(files)[1], "files": len(files), "known": known}
        return self.conn.execute(query("replace_cold_files"), noted).rowcount > 0 or not self.is_known


def rows_of(path: str, subject: Subject) -> tuple[int, set[str]]:
    """How many rows of a file have anything of the subject left, and the types of all its events.

    Raises VerificationFailed, StorageUnavailable.
    """
    count, types = 0, set[str]()
    for record in records(path, read(path)):
        try:
            if subject.owns(record):
                types.update(filter(None, [record.get("event_type")]))
                count += subject.is_in(record)
        except Exception as error:  # another schema's record, of whatever types
            raise VerificationFailed(f"the cold file {path} cannot be read: {type(error).__name__}") from error
    return count, types
