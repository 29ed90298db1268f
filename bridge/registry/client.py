"""Schema ids from the registry; the only module that speaks to it (the Confluent API).

Ids are asked for before any transaction opens, each request with a time-out. A schema that is registered already needs
only read access. A new one is checked by us before it is registered, because a registry enforces nothing on a subject
without an explicit compatibility level (Apicurio), and gets that level first.
"""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import fastavro
import httpx2 as httpx  # what the client speaks HTTP with, so what its transport errors are
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from bridge.encoding.avro.schema import INVALID_SCHEMA, depth
from bridge.errors import BridgeError, ConfigError, IncompatibleSchema, RegistryUnavailable
from bridge.settings import Settings

NOT_FOUND = 404
REFUSED_LOGIN = (401, 403)
INCOMPATIBLE = 409
INVALID = 422
MAX_SCHEMA_CHARACTERS = 1_000_000  # anyone who may write to the registry could make us read more
MAX_SCHEMA_DEPTH = 400  # lists and objects within each other; fastavro knows no limit but the process's stack

# What the client raises; a ValueError is an answer that is not JSON.
CLIENT_ERRORS = (SchemaRegistryError, httpx.HTTPError, httpx.InvalidURL, ValueError)


class RegistryClient:
    """Ids and schemas, cached; safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        """Raises ConfigError for an unset or malformed URL. Does not connect."""
        self._settings = settings.registry
        if not self._settings.url:
            raise ConfigError(
                "no schema registry is given", hint="Set BRIDGE_REGISTRY_URL, or registry.url in the configuration"
            )
        try:
            self._client = SchemaRegistryClient(self._properties())
        except (ValueError, TypeError) as error:
            raise ConfigError(
                "the registry's settings are malformed", hint="Write http://host:8081 for registry.url"
            ) from error
        self._ids: dict[tuple[str, str], int] = {}
        self._schemas: dict[int, Any] = {}
        self._lock = threading.Lock()
        self._failure: RegistryUnavailable | None = None
        self._failed_at = 0.0

    def close(self) -> None:
        """Close the connections; not used any more afterwards."""
        self._client.close()

    def schema_id(self, subject: str, text: str) -> int:
        """The id of the schema `text` in `subject`, registered if it is new.

        Raises IncompatibleSchema, RegistryUnavailable, or ConfigError when the registry refuses the login.
        """
        arrived = time.monotonic()
        with self._lock:  # one thread asks; the others find the id here, or the failure that they waited for
            known = self._ids.get((subject, text))
            if known is not None:
                return known
            if self._failure is not None and self._failed_at > arrived:
                raise self._failure
            try:
                schema = Schema(text, "AVRO")
                known = self._look_up(subject, schema) or self._register(subject, schema)
            except RegistryUnavailable as error:
                self._failure, self._failed_at = error, time.monotonic()
                raise
            self._ids[subject, text] = known
            return known

    def schema_by_id(self, schema_id: int) -> Any:
        """The Avro schema with this id, parsed by fastavro; None if there is none.

        Raises RegistryUnavailable, or ConfigError when the registry refuses the login.
        """
        with self._lock:
            if schema_id not in self._schemas:
                self._schemas[schema_id] = self._fetch(schema_id)
            return self._schemas[schema_id]

    def _look_up(self, subject: str, schema: Schema) -> int | None:
        try:
            return self._client.lookup_schema(subject, schema).schema_id
        except CLIENT_ERRORS as error:
            if _status(error) == NOT_FOUND:
                return None
            raise self._explained(error, subject) from error

    def _register(self, subject: str, schema: Schema) -> int:
        try:
            level = self._compatibility(subject)
            if not self._is_compatible(subject, schema, level):
                raise IncompatibleSchema(
                    f"the registry says that the schema of {subject} is not compatible with what is registered "
                    f"(level {level})",
                    hint="Give new fields defaults, change no field's name or type, or change the subject's level",
                )
            return self._client.register_schema(subject, schema)
        except CLIENT_ERRORS as error:
            raise self._explained(error, subject) from error

    def _compatibility(self, subject: str) -> str:
        """The subject's own compatibility level, set first if it has none.

        NONE may also mean, with Apicurio, that an existing subject was never given one; its check tells these apart.
        """
        try:
            return self._client.get_compatibility(subject)
        except SchemaRegistryError as error:
            if error.http_status_code != NOT_FOUND:
                raise
        self._client.set_compatibility(subject, self._settings.compatibility)
        return self._settings.compatibility

    def _is_compatible(self, subject: str, schema: Schema, level: str) -> bool:
        try:
            if level.endswith("_TRANSITIVE"):
                return self._client.test_compatibility_all_versions(subject, schema)
            return self._client.test_compatibility(subject, schema)
        except SchemaRegistryError as error:
            if error.http_status_code == NOT_FOUND:
                return True  # the subject's first version
            raise

    def _fetch(self, schema_id: int) -> Any:
        try:
            found = self._client.get_schema(schema_id)
        except CLIENT_ERRORS as error:
            if _status(error) == NOT_FOUND:
                return None
            raise self._explained(error, f"schema id {schema_id}") from error
        text = found.schema_str or ""
        if found.schema_type not in (None, "AVRO") or len(text) > MAX_SCHEMA_CHARACTERS:
            return None
        try:
            document = json.loads(text)
            return None if depth(document) > MAX_SCHEMA_DEPTH else fastavro.parse_schema(document)
        except INVALID_SCHEMA:
            return None

    def _properties(self) -> dict[str, Any]:
        properties: dict[str, Any] = {
            "url": self._settings.url,
            "timeout": self._settings.timeout_seconds,  # the client's own default is to wait for ever
            "max.retries": 0,  # whoever asks decides when to ask again
        }
        if self._settings.username:
            properties["basic.auth.user.info"] = f"{self._settings.username}:{self._settings.password}"
        return properties

    def _explained(self, error: Exception, about: str) -> BridgeError:
        """Our error for one of the client's."""
        place = self._settings.url.rpartition("@")[2]  # never a password in the URL
        status = _status(error)
        if status in REFUSED_LOGIN:
            return ConfigError(
                f"the registry at {place} refuses the login ({status})",
                hint="Check registry.username and BRIDGE_REGISTRY_PASSWORD",
            )
        if status == INCOMPATIBLE:
            return IncompatibleSchema(f"the registry refuses the schema of {about}: {_words(error)}")
        if status == INVALID:
            return ConfigError(f"the registry says that the schema of {about} is not valid: {_words(error)}")
        if status == NOT_FOUND or isinstance(error, ValueError | httpx.InvalidURL):
            return ConfigError(
                f"{place} does not answer like a schema registry",
                hint="Check registry.url; Apicurio's ends in /apis/ccompat/v7",
            )
        if status is not None:
            return RegistryUnavailable(f"the registry at {place} answers {status} for {about}: {_words(error)}")
        return RegistryUnavailable(
            f"cannot reach the registry at {place}: {_words(error)}",
            hint="Check BRIDGE_REGISTRY_URL and that the registry runs",
        )


def _status(error: Exception) -> int | None:
    return error.http_status_code if isinstance(error, SchemaRegistryError) else None


def _words(error: Exception) -> str:
    """What the registry says, on one line."""
    message = error.error_message if isinstance(error, SchemaRegistryError) else str(error)
    return " ".join(str(message).split())[:500].rstrip(".") or type(error).__name__
