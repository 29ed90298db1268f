"""What a schema registry answers (the Confluent API), looked at before it is believed."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from bridge.encoding.avro.parsing import MAX_SCHEMA_CHARACTERS, MAX_SCHEMA_DEPTH
from bridge.encoding.avro.schema import INVALID_SCHEMA, depth
from bridge.errors import BridgeError, ConfigError, IncompatibleSchema, RegistryUnavailable, SchemaRefused
from bridge.registry.http import Answer

NOT_FOUND = 404
REFUSED_LOGIN = (401, 403)
INCOMPATIBLE = 409
INVALID = 422
LARGEST_ID = 2**32 - 1  # four bytes in the wire format
MAX_REFERENCES = 200  # of one schema
LOGIN_HINT = "Check registry.username and BRIDGE_REGISTRY_PASSWORD, or registry.token"


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


class Answers:
    """Reads the answers of the registry at one place."""

    def __init__(self, place: str) -> None:
        self.place = place

    def taken(self, answer: Answer, about: str) -> Answer:
        """The answer, which is some JSON and no error. Raises our error for any other."""
        if 200 <= answer.status < 300 and answer.is_json:
            return answer
        raise self._explained(answer, about)

    def _explained(self, answer: Answer, about: str) -> BridgeError:
        """Our error for an answer that is none."""
        status, words = answer.status, words_of(answer)
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

    def part(self, answer: Answer, name: str, kind: type, about: str) -> Any:
        """What the answer says under `name`, of exactly this type."""
        found = answer.document.get(name) if isinstance(answer.document, dict) else None
        if type(found) is not kind:
            raise self.wrong(about, f"there is no {name} in {answer.words or 'it'}")
        return found

    def wrong(self, about: str, why: str) -> RegistryUnavailable:
        """Our error for an answer that makes no sense."""
        return RegistryUnavailable(f"the registry at {self.place} gives a wrong answer for {about}: {why}")

    def registered(self, answer: Answer, about: str) -> Registered | None:
        """A schema; None if it is no Avro that can be read."""
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

    def version(self, answer: Answer, subject: str) -> Version:
        """An id that records can have, and the version, if that is said."""
        schema_id: int = self.part(answer, "id", int, subject)
        if not 0 < schema_id <= LARGEST_ID:
            raise self.wrong(subject, f"the id {schema_id} is not between 1 and {LARGEST_ID}")
        number = answer.document.get("version")
        return Version(schema_id, number if type(number) is int else None)

    def list_of(self, answer: Answer, kind: type, about: str) -> list[Any]:
        """A list of nothing but this type."""
        if not isinstance(answer.document, list) or not all(type(one) is kind for one in answer.document):
            raise self.wrong(about, f"it is no list of them: {answer.words}")
        return answer.document


def words_of(answer: Answer) -> str:
    """What it says for people."""
    return answer.words or "no reason given"


def _reference(given: object) -> ReferenceTo | None:
    if not isinstance(given, dict):
        return None
    name, subject, version = given.get("name"), given.get("subject"), given.get("version")
    if isinstance(name, str) and isinstance(subject, str) and type(version) is int:
        return ReferenceTo(name, subject, version)
    return None
