"""What a schema registry is asked (the Confluent API), and its answers, each looked at before it is believed.

The requests are our own, because confluent_kafka's client takes an answer for what it should be, of any size.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from bridge.encoding.avro.parsing import MAX_SCHEMA_CHARACTERS, MAX_SCHEMA_DEPTH
from bridge.encoding.avro.schema import INVALID_SCHEMA, depth
from bridge.errors import BridgeError, ConfigError, IncompatibleSchema, RegistryUnavailable, SchemaRefused
from bridge.registry.http import Answer, RegistryHttp, shown
from bridge.settings import RegistrySettings

NOT_FOUND = 404
REFUSED_LOGIN = (401, 403)
NOT_ALLOWED = (401, 403, 405)  # to change something, or see a level; who may not even look schemas up is told that
INCOMPATIBLE = 409
INVALID = 422
LARGEST_ID = 2**32 - 1  # four bytes in the wire format
MAX_REFERENCES = 200  # of one schema
DOES = {"GET": "see the level of", "PUT": "set the level of", "POST": "register a schema of"}
LOGIN_HINT = "Check registry.username and BRIDGE_REGISTRY_PASSWORD"


class ReferenceTo(NamedTuple):
    """A type that a schema uses, and the version of the subject that defines it."""

    name: str
    subject: str
    version: int


class Registered(NamedTuple):
    """What the registry says of a schema: its text, where the types are that it uses, and its id, if that is said."""

    text: str
    references: tuple[ReferenceTo, ...]
    schema_id: int | None

    @property
    def document(self) -> Any:
        """The text as JSON; None if it is none, or too deep to be read."""
        try:
            document = json.loads(self.text)
            return None if depth(document) > MAX_SCHEMA_DEPTH else document
        except INVALID_SCHEMA:
            return None


class Version(NamedTuple):
    """A schema's id, and its version's number in the subject, if that is said."""

    schema_id: int
    number: int | None


class RegistryApi:
    """One question a method. Each raises RegistryUnavailable, or ConfigError where the registry refuses the login."""

    def __init__(self, settings: RegistrySettings) -> None:
        """Raises ConfigError for an unset or malformed URL. Does not connect."""
        self._http = RegistryHttp(settings)
        self.place = self._http.place

    def subjects(self) -> list[str]:
        """All subjects."""
        answer = self._ask("GET", "/subjects", "its subjects")
        return sorted(self._list(answer, str, "its subjects"))

    def versions(self, subject: str) -> list[int]:
        """The numbers of a subject's versions, in order; none if there is no such subject."""
        answer = self._ask("GET", f"/subjects/{quoted(subject)}/versions", subject, may_be_missing=True)
        return [] if answer is None else sorted(self._list(answer, int, subject))

    def version(self, subject: str, number: int) -> Registered | None:
        """One version; None if it is not there, or no Avro that can be read."""
        path = f"/subjects/{quoted(subject)}/versions/{number}"
        answer = self._ask("GET", path, subject, may_be_missing=True)
        return None if answer is None else self._registered(answer, subject)

    def by_id(self, schema_id: int, subject: str | None = None) -> Registered | None:
        """The schema with an id; None if it is not there, or no Avro that can be read."""
        about = f"schema id {schema_id}"
        of = "" if subject is None else f"?subject={quoted(subject)}"
        answer = self._ask("GET", f"/schemas/ids/{schema_id}{of}", about, may_be_missing=True)
        return None if answer is None else self._registered(answer, about)

    def look_up(
        self, subject: str, text: str, references: Sequence[ReferenceTo], *, normalize: bool = False
    ) -> Version | None:
        """Where a subject has this schema, if it has it."""
        path = f"/subjects/{quoted(subject)}{_normalized(normalize)}"
        answer = self._ask("POST", path, subject, _body(text, references), may_be_missing=True)
        return None if answer is None else self._version(answer, subject)

    def register(self, subject: str, text: str, references: Sequence[ReferenceTo]) -> Version:
        """Make it the subject's next version. Raises IncompatibleSchema and SchemaRefused."""
        path = f"/subjects/{quoted(subject)}/versions"
        return self._version(self._ask("POST", path, subject, _body(text, references), needs_more=True), subject)

    def level(self, subject: str) -> str | None:
        """The subject's own compatibility level. NONE may also mean, with Apicurio, that it was never given one.

        Raises SchemaRefused where that is not to be seen.
        """
        path = f"/config/{quoted(subject)}"
        answer = self._ask("GET", path, subject, may_be_missing=True, needs_more=True)
        return None if answer is None else shown(self.part(answer, "compatibilityLevel", str, subject))

    def set_level(self, subject: str, level: str) -> None:
        """Give a subject its level. Raises SchemaRefused where that is not allowed."""
        self._ask("PUT", f"/config/{quoted(subject)}", subject, {"compatibility": level}, needs_more=True)

    def is_compatible(
        self, subject: str, text: str, references: Sequence[ReferenceTo], *, with_all: bool
    ) -> bool | None:
        """What the registry says at the subject's level, beside the latest version or all; None: it cannot tell.

        Apicurio (3.3) cannot where a schema, or one before it, uses types of other subjects.
        """
        versions = "versions" if with_all else "versions/latest"
        path = f"/compatibility/subjects/{quoted(subject)}/{versions}"
        answer = self._http.ask("POST", path, _body(text, references))
        if answer.status == NOT_FOUND:
            return True  # the subject's first version
        if answer.status == INVALID:
            return None
        return bool(self.part(self._taken(answer, subject), "is_compatible", bool, subject))

    def part(self, answer: Answer, name: str, kind: type, about: str) -> Any:
        """What the answer says under `name`, of exactly this type."""
        found = answer.document.get(name) if isinstance(answer.document, dict) else None
        if type(found) is not kind:
            raise self.wrong(about, f"there is no {name} in {answer.words or 'it'}")
        return found

    def wrong(self, about: str, why: str) -> RegistryUnavailable:
        """Our error for an answer that makes no sense."""
        return RegistryUnavailable(f"the registry at {self.place} gives a wrong answer for {about}: {why}")

    def _registered(self, answer: Answer, about: str) -> Registered | None:
        text = self.part(answer, "schema", str, about)
        if answer.document.get("schemaType") not in (None, "AVRO") or len(text) > MAX_SCHEMA_CHARACTERS:
            return None
        given = answer.document.get("references") or []
        if not isinstance(given, list) or len(given) > MAX_REFERENCES:
            return None
        references = tuple(reference for one in given if (reference := _reference(one)) is not None)
        schema_id = answer.document.get("id")
        if type(schema_id) is not int or not 0 < schema_id <= LARGEST_ID:
            schema_id = None
        return Registered(text, references, schema_id) if len(references) == len(given) else None

    def _version(self, answer: Answer, subject: str) -> Version:
        schema_id: int = self.part(answer, "id", int, subject)
        if not 0 < schema_id <= LARGEST_ID:
            raise self.wrong(subject, f"the id {schema_id} is not between 1 and {LARGEST_ID}")
        number = answer.document.get("version")
        return Version(schema_id, number if type(number) is int else None)

    def _list(self, answer: Answer, kind: type, about: str) -> list[Any]:
        if not isinstance(answer.document, list) or not all(type(one) is kind for one in answer.document):
            raise self.wrong(about, f"it is no list of them: {answer.words}")
        return answer.document

    def _ask(
        self,
        method: str,
        path: str,
        about: str,
        body: object = None,
        *,
        may_be_missing: bool = False,
        needs_more: bool = False,
    ) -> Any:
        """The answer, which is some JSON; None where there is nothing, and may be."""
        answer = self._http.ask(method, path, body)
        if answer.status == NOT_FOUND and may_be_missing:
            return None
        if needs_more and answer.status in NOT_ALLOWED:
            why = f"{DOES[method]} {about} ({answer.status}): {_words(answer)}"
            raise SchemaRefused(
                f"the registry at {self.place} does not let us {why}",
                hint=f"{LOGIN_HINT}, or let somebody who may run `bridge schema apply`",
            )
        return self._taken(answer, about)

    def _taken(self, answer: Answer, about: str) -> Answer:
        if 200 <= answer.status < 300 and answer.is_json:
            return answer
        raise self._explained(answer, about)

    def _explained(self, answer: Answer, about: str) -> BridgeError:
        """Our error for an answer that is none."""
        status, words = answer.status, _words(answer)
        if status in REFUSED_LOGIN:
            return ConfigError(f"the registry at {self.place} refuses the login ({status})", hint=LOGIN_HINT)
        if status == INCOMPATIBLE:
            return IncompatibleSchema(f"the registry refuses the schema of {about}: {words}")
        if status == INVALID:
            return SchemaRefused(f"the registry says that the schema of {about} is not valid: {words}")
        if status == NOT_FOUND or (status < 300 and answer.is_markup):
            return ConfigError(
                f"{self.place} does not answer like a schema registry",
                hint="Check registry.url; Apicurio's ends in /apis/ccompat/v7",
            )
        if 200 <= status < 300:
            return self.wrong(about, "it is no JSON")
        return RegistryUnavailable(f"the registry at {self.place} answers {status} for {about}: {words}")


def quoted(subject: str) -> str:
    """A subject as a part of a path."""
    return quote(subject, safe="")


def _words(answer: Answer) -> str:
    return answer.words or "no reason given"


def _normalized(normalize: bool) -> str:
    return "?normalize=true" if normalize else ""


def _body(text: str, references: Sequence[ReferenceTo]) -> dict[str, object]:
    """Without references as short as can be; with them, Apicurio would not find out the type of the schema itself."""
    if not references:
        return {"schema": text}
    return {"schema": text, "schemaType": "AVRO", "references": [reference._asdict() for reference in references]}


def _reference(given: object) -> ReferenceTo | None:
    if not isinstance(given, dict):
        return None
    name, subject, version = given.get("name"), given.get("subject"), given.get("version")
    if isinstance(name, str) and isinstance(subject, str) and type(version) is int:
        return ReferenceTo(name, subject, version)
    return None
