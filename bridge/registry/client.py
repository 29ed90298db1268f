"""Schema ids from the registry; the only module that knows its API (Confluent's).

Ids are asked for before any transaction opens. A schema that is registered already needs only read access. A new one is
checked by us before it is registered, because a registry enforces nothing on a subject without an explicit
compatibility level (Apicurio), and gets that level first. Nothing that it answers is believed: an answer that makes no
sense is an outage, and an id counts only once the registry has shown which schema it stands for.
"""

from __future__ import annotations

import json
import threading
import time
from typing import Any
from urllib.parse import quote

import fastavro

from bridge.encoding.avro.schema import INVALID_SCHEMA, depth
from bridge.errors import BridgeError, ConfigError, IncompatibleSchema, RegistryUnavailable
from bridge.registry.exchange import Answer, Exchange
from bridge.registry.meaning import meaning
from bridge.settings import Settings

OK = range(200, 300)
NOT_FOUND = 404
REFUSED_LOGIN = (401, 403)
INCOMPATIBLE = 409
INVALID = 422
MAX_ID = 2**31 - 1  # four bytes in each record, which most readers take for a signed number
MAX_SCHEMA_CHARACTERS = 1_000_000  # anyone who may write to the registry could make us read more
MAX_SCHEMA_DEPTH = 400  # lists and objects within each other; fastavro knows no limit but the process's stack
LEVELS = {"NONE"} | {f"{way}{how}" for way in ("BACKWARD", "FORWARD", "FULL") for how in ("", "_TRANSITIVE")}


class RegistryClient:
    """Ids and schemas, cached; safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        """Raises ConfigError for an unset or malformed URL. Does not connect."""
        self._level = settings.registry.compatibility
        self._exchange = Exchange(settings.registry)
        self._ids: dict[tuple[str, str], int] = {}
        self._schemas: dict[int, Any] = {}
        self._lock = threading.Lock()
        self._failure: RegistryUnavailable | None = None
        self._failed_at = 0.0

    def close(self) -> None:
        """Close the connections; not used any more afterwards."""
        self._exchange.close()

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
                known = self._look_up(subject, text)
                if known is None:
                    known = self._register(subject, text)
                self._compare(known, subject, text)
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
                self._schemas[schema_id] = self._fetch(f"schemas/ids/{schema_id}", f"schema id {schema_id}")
            return self._schemas[schema_id]

    def _look_up(self, subject: str, text: str) -> int | None:
        answer = self._exchange.send("POST", f"subjects/{_quoted(subject)}?normalize=false&deleted=false", _avro(text))
        return None if answer.status == NOT_FOUND else self._id(answer, subject)

    def _register(self, subject: str, text: str) -> int:
        level = self._compatibility(subject)
        if not self._is_compatible(subject, text, level):
            raise IncompatibleSchema(
                f"the registry says that the schema of {subject} is not compatible with what is registered "
                f"(level {level})",
                hint="Give new fields defaults, change no field's name or type, or change the subject's level",
            )
        path = f"subjects/{_quoted(subject)}/versions?normalize=false"
        return self._id(self._exchange.send("POST", path, _avro(text)), subject)

    def _compatibility(self, subject: str) -> str:
        """The subject's own compatibility level, set first if it has none.

        NONE may also mean, with Apicurio, that an existing subject was never given one; its check tells these apart.
        """
        path = f"config/{_quoted(subject)}"
        answer = self._exchange.send("GET", path)
        if answer.status == NOT_FOUND:
            self._object(self._exchange.send("PUT", path, {"compatibility": self._level}), subject)
            return self._level
        level = self._object(answer, subject).get("compatibilityLevel")
        if level not in LEVELS:
            raise self._senseless(answer, subject)
        return str(level)

    def _is_compatible(self, subject: str, text: str, level: str) -> bool:
        versions = "versions" if level.endswith("_TRANSITIVE") else "versions/latest"
        path = f"compatibility/subjects/{_quoted(subject)}/{versions}?normalize=false&verbose=false"
        answer = self._exchange.send("POST", path, _avro(text))
        if answer.status == NOT_FOUND:
            return True  # the subject's first version
        verdict = self._object(answer, subject).get("is_compatible")
        if not isinstance(verdict, bool):
            raise self._senseless(answer, subject)
        return verdict

    def _compare(self, schema_id: int, subject: str, text: str) -> None:
        """Whoever reads our records will ask for this id, and must find our schema."""
        found = self._fetch(f"schemas/ids/{schema_id}?subject={_quoted(subject)}", subject)
        if found is None or meaning(found) != meaning(fastavro.parse_schema(json.loads(text))):
            raise RegistryUnavailable(
                f"the registry at {self._exchange.place} gives the schema of {subject} the id {schema_id}, under which "
                "it has another schema or none"
            )

    def _fetch(self, path: str, about: str) -> Any:
        answer = self._exchange.send("GET", path)
        if answer.status == NOT_FOUND and not answer.is_markup:
            return None
        found = self._object(answer, about)
        text, kind = found.get("schema"), found.get("schemaType")
        if not isinstance(text, str):
            raise self._senseless(answer, about)
        if kind not in (None, "AVRO") or len(text) > MAX_SCHEMA_CHARACTERS:
            return None
        try:
            document = json.loads(text)
            return None if depth(document) > MAX_SCHEMA_DEPTH else fastavro.parse_schema(document)
        except INVALID_SCHEMA:
            return None

    def _id(self, answer: Answer, about: str) -> int:
        schema_id = self._object(answer, about).get("id")
        if type(schema_id) is not int or not 0 <= schema_id <= MAX_ID:
            raise self._senseless(answer, about)
        return schema_id

    def _object(self, answer: Answer, about: str) -> dict[str, Any]:
        """The answer's object. Raises our error for whatever else it is."""
        if answer.status not in OK:
            raise self._refused(answer, about)
        if not isinstance(answer.document, dict):
            raise self._senseless(answer, about)
        return answer.document

    def _refused(self, answer: Answer, about: str) -> BridgeError:
        status, place = answer.status, self._exchange.place
        if status in REFUSED_LOGIN:
            return ConfigError(
                f"the registry at {place} refuses the login ({status})",
                hint="Check registry.username and BRIDGE_REGISTRY_PASSWORD",
            )
        if status == INCOMPATIBLE:
            return IncompatibleSchema(f"the registry refuses the schema of {about}: {answer.words}")
        if status == INVALID:
            return ConfigError(f"the registry says that the schema of {about} is not valid: {answer.words}")
        if status == NOT_FOUND:
            return self._senseless(answer, about)
        return RegistryUnavailable(f"the registry at {place} answers {status} for {about}: {answer.words}")

    def _senseless(self, answer: Answer, about: str) -> BridgeError:
        """A web page comes from something else; what else makes no sense may be well the next time."""
        if answer.is_markup:
            return ConfigError(
                f"{self._exchange.place} does not answer like a schema registry",
                hint="Check registry.url; Apicurio's ends in /apis/ccompat/v7",
            )
        return RegistryUnavailable(
            f"the registry at {self._exchange.place} answers {answer.status} for {about} with what makes no sense",
            hint="Check registry.url; Apicurio's ends in /apis/ccompat/v7",
        )


def _quoted(subject: str) -> str:
    return quote(subject, safe="")


def _avro(text: str) -> dict[str, Any]:
    return {"schema": text, "schemaType": "AVRO", "references": []}
