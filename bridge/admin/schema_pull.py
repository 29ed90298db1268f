"""Writes what the registry has into schema files, each whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from bridge.configuration.load import Configuration
from bridge.encoding.avro.attributes import InvalidSchema
from bridge.encoding.avro.differences import differences
from bridge.encoding.avro.library import SUFFIX, SchemaDirectory, SchemaLibrary
from bridge.encoding.avro.parsing import parse
from bridge.errors import BridgeError, ConfigError
from bridge.registry.answers import Registered
from bridge.registry.api import RegistryApi
from bridge.registry.history import History


class Puller:
    """Asks the registry. Raises RegistryUnavailable, and ConfigError where it refuses the login or is none."""

    def __init__(self, configuration: Configuration) -> None:
        """Raises ConfigError where there is no directory of one's own to write to."""
        settings = configuration.checked()
        if settings.schemas is None:
            raise ConfigError("there is no directory to write to", hint="Set `schemas` in the configuration")
        self._directory = settings.schemas
        self._routes = {route.subject for route in settings.routes if route.subject}
        self._api = RegistryApi(settings.registry)
        self._history = History(self._api)
        self._found: dict[str, Registered] = {}

    def pull(self, subjects: Collection[str], *, force: bool) -> Iterator[str]:
        """Write the latest versions of `subjects` (none: those of routes and files), and of those that they use.

        Yields a line for each file that is written. Files that say something else are left alone, and then nothing is
        written at all, unless `force`; one that says the same stays as it is formatted. Raises BridgeError.
        """
        wanted = subjects or sorted({*self._routes, *SchemaDirectory(self._directory).subjects()})
        for subject in wanted:
            if not self._collect(subject) and subjects:
                raise BridgeError(f"the registry at {self._api.place} has no Avro schema in the subject {subject}")
        texts = {subject: _text(registered.document) for subject, registered in self._found.items()}
        others = [subject for subject, found in self._found.items() if not self._is_as_there(subject, found)]
        if differing := [self._file(subject).name for subject in others if self._file(subject).exists() and not force]:
            raise BridgeError(
                f"these files say something else, so nothing was written: {', '.join(differing)}",
                hint="See `bridge schema diff`; --force overwrites them",
            )
        for subject in others:
            self._write(subject, texts[subject])
            yield f"{self._file(subject)}: written"

    def _collect(self, subject: str) -> bool:
        """The latest version of a subject, and of the subjects that it uses."""
        if subject in self._found:
            return True
        numbers = self._api.versions(subject)
        registered = self._api.version(subject, numbers[-1]) if numbers else None
        if registered is None or registered.document is None:
            return False
        self._found[subject] = registered
        for reference in registered.references:
            self._collect(reference.subject)
        return True

    def _file(self, subject: str) -> Path:
        if Path(subject).name != subject:
            raise ConfigError(f"the subject {subject!r} is not the name of a file")
        return self._directory / f"{subject}{SUFFIX}"

    def _is_as_there(self, subject: str, registered: Registered) -> bool:
        """Whether the file says the same, documentation included; registries may write it in another way."""
        files = SchemaDirectory(self._directory)
        try:
            if json.loads(files.text(subject)) == registered.document:
                return True
            ours, theirs = SchemaLibrary(files).schema(subject).whole, self._history.whole(registered)
            return not differences(parse(theirs), parse(ours))
        except (ConfigError, InvalidSchema, ValueError, RecursionError):
            return False

    def _write(self, subject: str, text: str) -> None:
        """Beside it first, so that a relay never reads half a file."""
        file = self._file(subject)
        beside = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            beside.write_text(text, "utf-8")
            beside.replace(file)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise BridgeError(f"{file} cannot be written: {error.strerror}") from error


def _text(document: Any) -> str:
    """Always the same for the same document: in its own order, two spaces a level, and a line's end at its end."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
