"""What schemas are compared with: the files of a directory or of a git revision, or the versions in the registry."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from bridge.admin.schema_revision import RevisionTexts
from bridge.encoding.avro.library import SchemaDirectory, SchemaLibrary, Texts
from bridge.errors import ConfigError, SchemaRefused
from bridge.registry.api import RegistryApi
from bridge.registry.history import History
from bridge.settings import RegistrySettings, Settings


class Version(NamedTuple):
    """A former schema of a subject, which can be read by itself, or None; and what messages call it."""

    title: str
    document: Any


class Former(Protocol):
    """Where schemas were before."""

    place: str

    def subjects(self) -> Sequence[str]:
        """All subjects that are known there."""

    def versions(self, subject: str, *, latest_only: bool) -> Sequence[Version]:
        """Oldest first."""

    def level(self, subject: str) -> str | None:
        """The subject's own compatibility level, where it has one."""


class FormerFiles:
    """One version a subject."""

    def __init__(self, texts: Texts, place: str) -> None:
        self.place = place
        self._texts = texts
        self._library = SchemaLibrary(texts)

    def subjects(self) -> Sequence[str]:
        """Those that had a file."""
        return self._texts.subjects()

    def versions(self, subject: str, *, latest_only: bool) -> Sequence[Version]:
        """None where there was no file, or one that no relay could have used."""
        try:
            return [Version(f"{subject}.avsc {self._texts.place}", self._library.schema(subject).whole)]
        except ConfigError:
            return []

    def level(self, subject: str) -> None:
        """Files have none."""


class FormerRegistry:
    """All versions. Each method raises RegistryUnavailable, or ConfigError where the registry refuses the login."""

    def __init__(self, settings: RegistrySettings) -> None:
        """Raises ConfigError where no registry is given."""
        self.api = RegistryApi(settings)
        self.place = f"the registry at {self.api.place}"
        self._history = History(self.api)

    def subjects(self) -> Sequence[str]:
        """Also those of others."""
        return self.api.subjects()

    def versions(self, subject: str, *, latest_only: bool) -> Sequence[Version]:
        """Without a document where one is no Avro that can be read."""
        past = self._history.versions(subject, latest_only=latest_only)
        return [Version(f"{subject} version {one.number}", one.document) for one in past]

    def level(self, subject: str) -> str | None:
        """NONE may mean, with Apicurio, that it was never given one, so it counts as none."""
        try:
            level = self.api.level(subject)
        except SchemaRefused:
            return None
        return None if level == "NONE" else level


def former(against: str | None, settings: Settings) -> Former:
    """What `--against` names; the registry without it. Raises NoRevision, and ConfigError."""
    if against is None:
        return FormerRegistry(settings.registry)
    if against and Path(against).is_dir():
        return FormerFiles(SchemaDirectory(Path(against)), against)
    if settings.schemas is None:
        raise ConfigError(
            "the schemas that ship with bridge are in no revision of yours",
            hint="Set `schemas` in the configuration, or BRIDGE_SCHEMAS",
        )
    return FormerFiles(RevisionTexts(settings.schemas, against), against)
