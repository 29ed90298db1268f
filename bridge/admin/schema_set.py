"""The schemas that a configuration means: those of its routes, and all others of its directory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from bridge.admin.schema_lines import line_of
from bridge.admin.schema_report import Finding
from bridge.configuration.load import Configuration
from bridge.configuration.mistake import Mistake, Origin
from bridge.configuration.routes import route_key
from bridge.configuration.schemas import misfits
from bridge.encoding.avro.library import SUFFIX, SchemaDirectory, SchemaLibrary
from bridge.encoding.avro.parsing import MAX_SCHEMA_DEPTH
from bridge.encoding.avro.problem import Problem
from bridge.encoding.avro.schema import AvroSchema, depth
from bridge.errors import ConfigError


class SchemaSet:
    """Read once. Each subject has a schema, or what is wrong with its file."""

    def __init__(self, configuration: Configuration) -> None:
        """Raises ConfigError for a directory that cannot be read."""
        self.settings = configuration.settings
        self._texts = SchemaDirectory(self.settings.schemas)
        self.routes: Mapping[str, Origin] = {
            route.subject: configuration.origins[route_key(number, "subject")]
            for number, route in reversed(configuration.routes)
            if route.subject
        }
        own = self._texts.subjects() if self.settings.schemas is not None else ()
        self.subjects = sorted({*self.routes, *own})
        self.schemas: dict[str, AvroSchema] = {}
        self.wrong: dict[str, Finding] = {}
        library = SchemaLibrary(self._texts)
        for subject in self.subjects:
            try:
                schema = library.schema(subject)
                if depth(schema.whole) > MAX_SCHEMA_DEPTH:
                    raise ConfigError(f"the schema {subject}.avsc is nested more than {MAX_SCHEMA_DEPTH} levels deep")
                self.schemas[subject] = schema
            except ConfigError as error:
                self.wrong[subject] = self._wrong(subject, error)

    def in_order(self) -> Iterator[AvroSchema]:
        """All that can be read; those that others use before them."""
        done: set[str] = set()
        for schema in self.schemas.values():
            for one in _with_used(schema):
                if one.subject not in done:
                    done.add(one.subject)
                    yield one

    def file(self, subject: str) -> str:
        """Where its file is, or should be, for people."""
        return _shown((self.settings.schemas or Path("schemas")) / f"{subject}{SUFFIX}")

    def finding(self, problem: Problem, schema: AvroSchema) -> Finding:
        """A problem of compatibility, at the place in the file that can be changed."""
        try:
            subject, line = line_of(problem.path, schema, self._texts)
        except (ConfigError, RecursionError):  # somebody has just changed the file
            subject, line = schema.subject, 1
        return Finding(str(problem.rule), problem.message, problem.mend, problem.path, self.file(subject), line)

    def _wrong(self, subject: str, error: ConfigError) -> Finding:
        """What is wrong with a file, there; what is wrong because there is none, at the route that needs it."""
        if self._texts.stamp(subject) is None and subject in self.routes:
            origin = self.routes[subject]
            return Finding("schema-missing", error.message, error.hint, "$", _shown(Path(origin.where)), origin.line)
        return Finding("schema-invalid", error.message, error.hint, "$", self.file(subject), 1)


def mistakes(configuration: Configuration, schemas: SchemaSet) -> tuple[Finding, ...]:
    """What is wrong with a configuration, its routes among it; the schemas are told by themselves."""
    found = list(configuration.mistakes)
    for number, route in configuration.routes:
        if route.subject in schemas.schemas:
            found += misfits(configuration, number, route, schemas.schemas[route.subject])
    return tuple(_mistake(mistake) for mistake in found)


def _mistake(mistake: Mistake) -> Finding:
    origin = mistake.origin
    is_file = origin.line is not None or Path(origin.where).is_file()
    file = _shown(Path(origin.where)) if is_file else None
    message = mistake.message if is_file else f"{origin}: {mistake.message}"
    return Finding("configuration", message, mistake.hint, mistake.setting or "$", file, origin.line)


def _with_used(schema: AvroSchema) -> Iterator[AvroSchema]:
    for _, used in schema.references:
        yield from _with_used(used)
    yield schema


def _shown(file: Path) -> str:
    """From here, where that is shorter: pipelines want paths from the top of the working tree."""
    try:
        return str(file.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(file)
