"""Schema ids from the registry (the Confluent API).

Ids are asked for before any transaction opens, each request with a time-out. A schema that is registered already needs
only read access. A new one is checked by us before it is registered, because a registry enforces nothing on a subject
without an explicit compatibility level (Apicurio), and gets that level first.

The requests are our own, because confluent_kafka's client takes an answer for what it should be, of any size, and
remembers it.
"""

from __future__ import annotations

import json
import threading
import time
from typing import Any
from urllib.parse import quote

import fastavro

from bridge.encoding.avro.attributes import InvalidSchema
from bridge.encoding.avro.meaning import meaning
from bridge.encoding.avro.parsing import MAX_SCHEMA_CHARACTERS, MAX_SCHEMA_DEPTH, parse_text
from bridge.encoding.avro.schema import INVALID_SCHEMA, depth
from bridge.errors import BridgeError, ConfigError, IncompatibleSchema, RegistryUnavailable
from bridge.registry.http import Answer, RegistryHttp, shown
from bridge.settings import Settings

NOT_FOUND = 404
REFUSED_LOGIN = (401, 403)
INCOMPATIBLE = 409
INVALID = 422
LARGEST_ID = 2**32 - 1  # four bytes in the wire format


class RegistryClient:
    """Ids and schemas, cached; safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        """Raises ConfigError for an unset or malformed URL. Does not connect."""
        self._settings = settings.registry
        self._http = RegistryHttp(settings.registry)
        self._ids: dict[tuple[str, str], int] = {}
        self._schemas: dict[int, Any] = {}
        self._lock = threading.Lock()
        self._failure: RegistryUnavailable | None = None
        self._failed_at = 0.0

    def schema_id(self, subject: str, text: str) -> int:
        """The id of the schema `text` in `subject`, registered if it is new.

        Raises IncompatibleSchema, RegistryUnavailable, or ConfigError when the registry refuses the login, calls the
        schema invalid, or is no registry.
        """
        arrived = time.monotonic()
        with self._lock:  # one thread asks; the others find the id here, or the failure that they waited for
            known = self._ids.get((subject, text))
            if known is not None:
                return known
            if self._failure is not None and self._failed_at > arrived:
                raise self._failure
            try:
                known = self._look_up(subject, text) or self._register(subject, text)
                self._compare(known, subject, text)
            except RegistryUnavailable as error:
                self._failure, self._failed_at = error, time.monotonic()
                raise
            self._ids[subject, text] = known
            return known

    def schema_by_id(self, schema_id: int) -> Any:
        """The Avro schema with this id, parsed by fastavro; None if there is none.

        Raises RegistryUnavailable, or ConfigError when the registry refuses the login or is none.
        """
        with self._lock:
            if schema_id not in self._schemas:
                self._schemas[schema_id] = self._fetch(schema_id)
            return self._schemas[schema_id]

    def _look_up(self, subject: str, text: str) -> int | None:
        answer = self._ask("POST", f"/subjects/{_quoted(subject)}", subject, {"schema": text}, may_be_missing=True)
        return None if answer is None else self._id(answer, subject)

    def _register(self, subject: str, text: str) -> int:
        level = self._compatibility(subject)
        if not self._is_compatible(subject, text, level):
            raise IncompatibleSchema(
                f"the registry says that the schema of {subject} is not compatible with what is registered "
                f"(level {level})",
                hint="Give new fields defaults, change no field's name or type, or change the subject's level",
            )
        path = f"/subjects/{_quoted(subject)}/versions"
        return self._id(self._ask("POST", path, subject, {"schema": text}), subject)

    def _compatibility(self, subject: str) -> str:
        """The subject's own compatibility level, set first if it has none.

        NONE may also mean, with Apicurio, that an existing subject was never given one; its check tells these apart.
        """
        path = f"/config/{_quoted(subject)}"
        answer = self._ask("GET", path, subject, may_be_missing=True)
        if answer is not None:
            return shown(self._part(answer, "compatibilityLevel", str, subject))
        self._ask("PUT", path, subject, {"compatibility": self._settings.compatibility})
        return self._settings.compatibility

    def _is_compatible(self, subject: str, text: str, level: str) -> bool:
        versions = "versions" if level.endswith("_TRANSITIVE") else "versions/latest"
        path = f"/compatibility/subjects/{_quoted(subject)}/{versions}"
        answer = self._ask("POST", path, subject, {"schema": text}, may_be_missing=True)
        if answer is None:
            return True  # the subject's first version
        return bool(self._part(answer, "is_compatible", bool, subject))

    def _compare(self, schema_id: int, subject: str, text: str) -> None:
        """Whoever reads our records will ask for this id, and must find our schema."""
        found = self._fetch_text(schema_id, f"?subject={_quoted(subject)}")
        if found is None or not _written_alike(found, text):
            raise self._wrong(subject, f"under the id {schema_id} it has another schema, or none")

    def _fetch_text(self, schema_id: int, of_subject: str = "") -> str | None:
        about = f"schema id {schema_id}"
        answer = self._ask("GET", f"/schemas/ids/{schema_id}{of_subject}", about, may_be_missing=True)
        if answer is None:
            return None
        text: str = self._part(answer, "schema", str, about)
        is_avro = answer.document.get("schemaType") in (None, "AVRO")
        return text if is_avro and len(text) <= MAX_SCHEMA_CHARACTERS else None

    def _fetch(self, schema_id: int) -> Any:
        text = self._fetch_text(schema_id)
        if text is None:
            return None
        try:
            document = json.loads(text)
            return None if depth(document) > MAX_SCHEMA_DEPTH else fastavro.parse_schema(document)
        except INVALID_SCHEMA:
            return None

    def _ask(self, method: str, path: str, about: str, body: object = None, *, may_be_missing: bool = False) -> Any:
        """The answer, which is some JSON; None where there is nothing, and may be."""
        answer = self._http.ask(method, path, body)
        if answer.status == NOT_FOUND and may_be_missing:
            return None
        if 200 <= answer.status < 300 and answer.is_json:
            return answer
        raise self._explained(answer, about)

    def _id(self, answer: Answer, subject: str) -> int:
        found: int = self._part(answer, "id", int, subject)
        if not 0 < found <= LARGEST_ID:
            raise self._wrong(subject, f"the id {found} is not between 1 and {LARGEST_ID}")
        return found

    def _part(self, answer: Answer, name: str, kind: type, about: str) -> Any:
        """What the answer says under `name`, of exactly this type."""
        found = answer.document.get(name) if isinstance(answer.document, dict) else None
        if type(found) is not kind:
            raise self._wrong(about, f"there is no {name} in {answer.words or 'it'}")
        return found

    def _wrong(self, about: str, why: str) -> RegistryUnavailable:
        return RegistryUnavailable(f"the registry at {self._http.place} gives a wrong answer for {about}: {why}")

    def _explained(self, answer: Answer, about: str) -> BridgeError:
        """Our error for an answer that is none."""
        place, status, words = self._http.place, answer.status, answer.words or "no reason given"
        if status in REFUSED_LOGIN:
            return ConfigError(
                f"the registry at {place} refuses the login ({status})",
                hint="Check registry.username and BRIDGE_REGISTRY_PASSWORD",
            )
        if status == INCOMPATIBLE:
            return IncompatibleSchema(f"the registry refuses the schema of {about}: {words}")
        if status == INVALID:
            return ConfigError(f"the registry says that the schema of {about} is not valid: {words}")
        if status == NOT_FOUND or (status < 300 and answer.is_markup):
            return ConfigError(
                f"{place} does not answer like a schema registry",
                hint="Check registry.url; Apicurio's ends in /apis/ccompat/v7",
            )
        if 200 <= status < 300:
            return self._wrong(about, "it is no JSON")
        return RegistryUnavailable(f"the registry at {place} answers {status} for {about}: {words}")


def _quoted(subject: str) -> str:
    return quote(subject, safe="")


def _written_alike(one: str, other: str) -> bool:
    """Whether what is written with one schema is read alike by the other; False where one of them is none."""
    try:
        return meaning(parse_text(one), for_readers=False) == meaning(parse_text(other), for_readers=False)
    except InvalidSchema:
        return False
