"""The versions that a registry has of a subject, each with the types that it uses from other subjects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from bridge.encoding.avro.names import type_name, whole
from bridge.encoding.avro.schema import INVALID_SCHEMA
from bridge.registry.answers import MAX_REFERENCES, ReferenceTo, Registered
from bridge.registry.api import RegistryApi


class Past(NamedTuple):
    """One version. `document` can be read by itself; None if it is no Avro that can be read."""

    number: int
    schema_id: int | None
    document: Any
    uses_others: bool  # by references


class History:
    """What was registered does not change, so it is asked for once."""

    def __init__(self, api: RegistryApi) -> None:
        self._api = api
        self._versions: dict[tuple[str, int], Registered | None] = {}

    def versions(self, subject: str, *, latest_only: bool = False) -> Sequence[Past]:
        """Oldest first. Raises RegistryUnavailable, and ConfigError where the registry refuses the login."""
        numbers = self._api.versions(subject)
        found = {number: self._version(subject, number) for number in (numbers[-1:] if latest_only else numbers)}
        return [self._past(number, one) for number, one in found.items()]

    def whole(self, registered: Registered) -> Any:
        """Its document, with the definitions that it uses from other subjects; None if these cannot be put together."""
        document = registered.document
        if document is None or not registered.references:
            return document
        definitions: dict[str, Any] = {}
        waiting, met = list(registered.references), set[ReferenceTo]()
        while waiting:
            reference = waiting.pop()
            if reference in met:
                continue
            met.add(reference)
            other = self._version(reference.subject, reference.version)
            used = None if other is None or len(met) > MAX_REFERENCES else other.document
            if other is None or used is None or definitions.setdefault(type_name(used) or reference.name, used) != used:
                return None
            waiting += other.references
        try:
            return whole(document, definitions)
        except INVALID_SCHEMA:
            return None

    def _past(self, number: int, registered: Registered | None) -> Past:
        if registered is None:
            return Past(number, None, None, uses_others=False)
        return Past(number, registered.schema_id, self.whole(registered), bool(registered.references))

    def _version(self, subject: str, number: int) -> Registered | None:
        if (subject, number) not in self._versions:
            self._versions[subject, number] = self._api.version(subject, number)
        return self._versions[subject, number]
