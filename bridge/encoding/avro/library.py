"""The schema files of one place, `<subject>.avsc` each, which may use each other's types by their full names."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Protocol

from bridge.encoding.avro.names import type_name, used_names
from bridge.encoding.avro.schema import INVALID_SCHEMA, AvroSchema, Reference
from bridge.errors import ConfigError
from bridge.resources import resource

SUFFIX = ".avsc"
MAX_SCHEMA_BYTES = 1_000_000

Stamp = tuple[int, int, int]  # of a file: when it was changed, its size, its inode


class Texts(Protocol):
    """Where schemas' texts come from."""

    @property
    def place(self) -> str:
        """For messages: "in schemas"."""

    def subjects(self) -> Sequence[str]:
        """All subjects that have a file, in order. Raises ConfigError."""

    def text(self, subject: str) -> str:
        """A subject's text. Raises ConfigError, naming it."""


class SchemaDirectory:
    """The files of a directory; what is not there, and all with None, are the schemas that ship with bridge."""

    def __init__(self, directory: Path | None) -> None:
        self.directory = directory
        self.place = f"in {directory}" if directory else "among the schemas that ship with bridge"
        self.stamps: dict[str, Stamp | None] = {}  # of what was read, from before that

    def subjects(self) -> Sequence[str]:
        """Those of the directory itself."""
        try:
            files = (resource("schemas") if self.directory is None else self.directory).iterdir()
            return sorted(file.name.removesuffix(SUFFIX) for file in files if file.name.endswith(SUFFIX))
        except OSError as error:
            raise ConfigError(f"{self.directory} cannot be read: {error.strerror}") from error

    def file(self, subject: str) -> Traversable:
        """Where a subject's text is, or should be. Raises ConfigError for a name that is not one of a file, and for a
        link that leads out of the directory, or to what is no file: a pipe would keep us waiting.
        """
        if Path(subject).name != subject:
            raise ConfigError(f"the subject {subject!r} is not the name of a file", hint="Correct the route's subject")
        shipped = resource("schemas").joinpath(f"{subject}{SUFFIX}")
        own = None if self.directory is None else self.directory / shipped.name
        if own is None or (shipped.is_file() and not own.exists()):
            return shipped
        if own.exists() and not (own.is_file() and self._is_inside(own)):
            raise ConfigError(
                f"{own} is no file of this directory",
                hint="Put the file itself there; the directory as a whole may be a link",
            )
        return own

    def _is_inside(self, file: Path) -> bool:
        """Links within it are well: Kubernetes mounts a file as a link to its directory of now."""
        assert self.directory is not None  # noqa: S101 - the caller's file is in it
        return file.resolve().is_relative_to(self.directory.resolve())

    def stamp(self, subject: str) -> Stamp | None:
        """By which a change of a file is noticed; None for what ships with bridge, and for none."""
        if self.directory is None:
            return None
        try:
            found = (self.directory / f"{subject}{SUFFIX}").stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def text(self, subject: str) -> str:
        """The whole file."""
        self.stamps[subject] = self.stamp(subject)
        try:
            with self.file(subject).open("rb") as stream:
                return schema_text(subject, stream.read(MAX_SCHEMA_BYTES + 1))
        except OSError as error:
            raise ConfigError(
                f"there is no {subject}.avsc {self.place}",
                hint="Add the file, set BRIDGE_SCHEMAS to its directory, or correct the route's subject",
            ) from error


def schema_text(subject: str, content: bytes) -> str:
    """What a schema file says. Raises ConfigError, naming it, if that is too long, or no text."""
    if len(content) > MAX_SCHEMA_BYTES:
        raise ConfigError(f"the schema {subject}.avsc is larger than {MAX_SCHEMA_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"the schema {subject}.avsc is not UTF-8") from error


class SchemaLibrary:
    """Schemas with the types that they use from others' files, as the files were when they were first read."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._schemas: dict[str, AvroSchema] = {}
        self._definers: Mapping[str, list[str]] | None = None  # by the type's full name: subjects

    def schema(self, subject: str) -> AvroSchema:
        """The schema of a subject. Raises ConfigError, naming the file and the type that is wrong."""
        return self._schema(subject, ())

    def _schema(self, subject: str, users: tuple[str, ...]) -> AvroSchema:
        if subject in users:
            circle = " uses ".join(f"{one}.avsc" for one in (*users[users.index(subject) :], subject))
            raise ConfigError(
                f"schema files use each other's types in a circle: {circle}",
                hint="No registry takes that: define these types in one file",
            )
        if subject not in self._schemas:
            text = self._texts.text(subject)
            references = [self._reference(name, subject, (*users, subject)) for name in _names_used(subject, text)]
            self._schemas[subject] = AvroSchema(subject, text, tuple(references))
        return self._schemas[subject]

    def _reference(self, name: str, subject: str, users: tuple[str, ...]) -> Reference:
        self._definers = self._definers or self._read_definers()
        match self._definers.get(name, []):
            case [definer]:
                return Reference(name, self._schema(definer, users))
            case []:
                raise ConfigError(
                    f"the schema {subject}.avsc is not valid Avro: it uses the type {name}, which neither it defines "
                    f"nor another file {self._texts.place} at its top",
                    hint=f"Correct the name, or add a file that defines {name}",
                )
            case several:
                files = ", ".join(f"{one}.avsc" for one in several)
                raise ConfigError(
                    f"the schema {subject}.avsc uses the type {name}, which several files define: {files}",
                    hint="Leave one of them, or define the type in the schema itself",
                )

    def _read_definers(self) -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = {}
        for subject in self._texts.subjects():
            try:
                name = type_name(json.loads(self._texts.text(subject)))
            except (ConfigError, ValueError, RecursionError):  # told to whoever needs that file itself
                continue
            if name is not None:
                found.setdefault(name, []).append(subject)
        return found


def load_schema(subject: str, directory: Path | None) -> AvroSchema:
    """The schema of `<subject>.avsc` in `directory`, or else the one that ships with bridge. Raises ConfigError."""
    return SchemaLibrary(SchemaDirectory(directory)).schema(subject)


def _names_used(subject: str, text: str) -> Sequence[str]:
    try:
        document: Any = json.loads(text)
        return used_names(document)
    except INVALID_SCHEMA as error:
        raise ConfigError(f"the schema {subject}.avsc is not valid Avro: {error}") from error
