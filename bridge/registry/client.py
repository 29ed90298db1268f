"""Ids for our schemas, and schemas for others' ids, cached.

Ids are asked for before any transaction opens, each request with a time-out. A schema that is registered already needs
only read access. A new one is checked by us before it is registered, because a registry enforces nothing on a subject
without an explicit compatibility level (Apicurio), and gets that level first.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import fastavro

from bridge.encoding.avro.schema import INVALID_SCHEMA, AvroSchema
from bridge.errors import RegistryUnavailable, SchemaRefused, SchemaUnregistered
from bridge.log_fields import about
from bridge.registry.answers import ReferenceTo, Version
from bridge.registry.api import RegistryApi
from bridge.registry.history import History
from bridge.registry.verdict import raise_if_incompatible, same_meaning
from bridge.settings import Settings
from bridge.text import printable

logger = logging.getLogger(__name__)

Key = tuple[str, bytes]  # a subject, and a schema's fingerprint


class RegistryClient:
    """Ids and schemas, cached; safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        """Raises ConfigError for an unset or malformed URL. Does not connect."""
        self._settings = settings.registry
        self._api = RegistryApi(settings.registry)
        self.counts = self._api.counts
        self._versions: dict[Key, Version] = {}
        self._schemas: dict[int, Any] = {}
        self._lock = threading.Lock()
        self._failure: RegistryUnavailable | None = None
        self._failed_at = 0.0
        self._said: set[str] = set()

    def schema_id(self, schema: AvroSchema) -> int:
        """The id of a schema in its subject, registered if it is new and registry.register says so.

        Raises RegistryUnavailable, a TopicHeld, or ConfigError when the registry refuses the login or is none.
        """
        arrived = time.monotonic()
        with self._lock:  # one thread asks; the others find the id here, or the failure that they waited for
            known = self._versions.get((schema.subject, schema.fingerprint))
            if known is not None:
                return known.schema_id
            if self._failure is not None and self._failed_at > arrived:
                raise self._failure
            try:
                return self._version(schema).schema_id
            except RegistryUnavailable as error:
                self._failure, self._failed_at = error, time.monotonic()
                raise

    def still_has(self, schema: AvroSchema) -> bool:
        """Whether the registry has a schema under the id that it gave, which is one request; if not, all are forgotten.

        Raises RegistryUnavailable, or ConfigError when the registry refuses the login or is none.
        """
        with self._lock:
            known = self._versions.get((schema.subject, schema.fingerprint))
            if known is None or self._is_under(known.schema_id, schema):
                return True
            self._versions.clear()
            return False

    def schema_by_id(self, schema_id: int) -> Any:
        """The Avro schema with this id, parsed by fastavro; None if there is none.

        Raises RegistryUnavailable, or ConfigError when the registry refuses the login or is none.
        """
        with self._lock:
            if schema_id not in self._schemas:
                self._schemas[schema_id] = self._fetch(schema_id)
            return self._schemas[schema_id]

    def _version(self, schema: AvroSchema) -> Version:
        key = (schema.subject, schema.fingerprint)
        known = self._versions.get(key)
        if known is None:
            references = tuple(self._reference(name, used) for name, used in schema.references)
            known = self._look_up(schema, references) or self._register(schema, references)
            self._compare(known.schema_id, schema)
            self._versions[key] = known
        return known

    def _reference(self, name: str, used: AvroSchema) -> ReferenceTo:
        number = self._version(used).number
        if number is None:  # what registers does not tell it
            found = self._look_up(used, tuple(self._reference(*reference) for reference in used.references))
            if found is None or found.number is None:
                raise self._api.wrong(used.subject, "it does not tell the version of what it has just registered")
            self._versions[used.subject, used.fingerprint] = found
            number = found.number
        return ReferenceTo(name, used.subject, number)

    def _look_up(self, schema: AvroSchema, references: tuple[ReferenceTo, ...]) -> Version | None:
        """As it is written, or else as the registry itself would write it."""
        return self._api.look_up(schema.subject, schema.text, references) or self._api.look_up(
            schema.subject, schema.text, references, normalize=True
        )

    def _register(self, schema: AvroSchema, references: tuple[ReferenceTo, ...]) -> Version:
        subject = schema.subject
        history = History(self._api)
        latest = history.versions(subject, latest_only=True)
        if latest and latest[0].schema_id is not None and same_meaning(schema, latest[0].document):
            return Version(latest[0].schema_id, latest[0].number)
        if not self._settings.register:
            raise SchemaUnregistered(
                f"the registry at {self._api.place} does not have the schema {subject}.avsc, and registry.register is "
                "false",
                hint="`bridge schema apply` registers it",
            )
        level = self._level(subject)
        former = history.versions(subject) if level.endswith("_TRANSITIVE") else latest
        raise_if_incompatible(self._api, schema, references, former, level)
        return self._api.register(subject, schema.text, references)

    def _level(self, subject: str) -> str:
        """The subject's own compatibility level, set first if it has none and we may; else ours, which we check."""
        ours = self._settings.compatibility
        try:
            found = self._api.level(subject)
            if found is not None:
                return found
            self._api.set_level(subject, ours)
        except SchemaRefused as error:
            if subject not in self._said:
                self._said.add(subject)
                what = about("level-not-set")
                logger.warning("%s. Its schema is checked for %s here", printable(error.message), ours, extra=what)
        return ours

    def _compare(self, schema_id: int, schema: AvroSchema) -> None:
        """Whoever reads our records will ask for this id, and must find our schema."""
        if not self._is_under(schema_id, schema):
            raise self._api.wrong(schema.subject, f"under the id {schema_id} it has another schema, or none")

    def _is_under(self, schema_id: int, schema: AvroSchema) -> bool:
        registered = self._api.by_id(schema_id, schema.subject)
        found = None if registered is None else History(self._api).whole(registered)
        return same_meaning(schema, found, for_readers=False)

    def _fetch(self, schema_id: int) -> Any:
        registered = self._api.by_id(schema_id)
        document = None if registered is None else History(self._api).whole(registered)
        try:
            return None if document is None else fastavro.parse_schema(document)
        except INVALID_SCHEMA:
            return None
