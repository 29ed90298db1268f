"""The schemas of the routes' subjects, read again when somebody has mended a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from bridge.encoding.avro.library import SchemaDirectory, SchemaLibrary, Stamp
from bridge.encoding.avro.schema import AvroSchema


class SchemaFiles:
    """One schema a subject; `directory` is None for those that ship with bridge, which nobody changes."""

    def __init__(self, directory: Path | None, subjects: Iterable[str]) -> None:
        """Raises ConfigError for a file that is missing or invalid."""
        self._directory = directory
        files = SchemaDirectory(directory)
        library = SchemaLibrary(files)
        self._known = {subject: _with_stamps(library.schema(subject), files) for subject in subjects}

    def has_changed(self, schema: AvroSchema) -> bool:
        """Whether somebody has written its file, or one whose types it uses, since it was read.

        What another has had read again since is not what this `schema` was made of.
        """
        stamps, known = self._known[schema.subject]
        files = SchemaDirectory(self._directory)
        return schema is not known or any(files.stamp(file) != stamp for file, stamp in stamps.items())

    def schema(self, subject: str) -> AvroSchema:
        """The schema as its file is now, and those whose types it uses; reads only what changed. Raises ConfigError."""
        _, known = self._known[subject]
        if self.has_changed(known):
            files = SchemaDirectory(self._directory)
            self._known[subject] = _with_stamps(SchemaLibrary(files).schema(subject), files)
        return self._known[subject][1]


def _with_stamps(schema: AvroSchema, files: SchemaDirectory) -> tuple[Mapping[str, Stamp | None], AvroSchema]:
    read = [schema.subject, *(used.subject for used in schema.used.values())]
    return {file: files.stamps[file] for file in read}, schema
