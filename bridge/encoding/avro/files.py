"""The schema files of the routes' subjects, read again when somebody has mended one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bridge.encoding.avro.schema import AvroSchema, load_schema

Stamp = tuple[int, int, int]  # of a file: when it was changed, its size, its inode


class SchemaFiles:
    """One schema a subject; `directory` is None for those that ship with bridge, which nobody changes."""

    def __init__(self, directory: Path | None, subjects: Iterable[str]) -> None:
        """Raises ConfigError for a file that is missing or invalid."""
        self._directory = directory
        self._known = {subject: (self._stamp(subject), load_schema(subject, directory)) for subject in subjects}

    def schema(self, subject: str) -> AvroSchema:
        """The schema as its file is now; reads only what has changed. Raises ConfigError."""
        stamp, schema = self._known[subject]
        now = self._stamp(subject)
        if now != stamp:
            schema = load_schema(subject, self._directory)
            self._known[subject] = (now, schema)
        return schema

    def _stamp(self, subject: str) -> Stamp | None:
        if self._directory is None:
            return None
        try:
            found = (self._directory / f"{subject}.avsc").stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
