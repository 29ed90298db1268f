"""What a schema registry is asked (the Confluent API), one question a method.

The requests are our own, because confluent_kafka's client takes an answer for what it should be, of any size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from bridge.errors import RegistryUnavailable, SchemaRefused
from bridge.registry.answers import (
    INVALID,
    LOGIN_HINT,
    NOT_FOUND,
    Answers,
    ReferenceTo,
    Registered,
    Version,
    words_of,
)
from bridge.registry.http import BUSY, RegistryHttp, shown
from bridge.settings import RegistrySettings

NOT_ALLOWED = (401, 403, 405)  # to change something, or see a level; who may not even look schemas up is told that
DOES = {"GET": "see the level of", "PUT": "set the level of", "POST": "register a schema of"}


class RegistryApi:
    """One question a method. Each raises RegistryUnavailable, or ConfigError where the registry refuses the login."""

    def __init__(self, settings: RegistrySettings) -> None:
        """Raises ConfigError for an unset or malformed URL. Does not connect."""
        self._http = RegistryHttp(settings)
        self.place = self._http.place
        self.counts = self._http.counts
        self._answers = Answers(self.place)
        self.wrong = self._answers.wrong

    def reach(self) -> None:
        """Ask for something small, which not every registry knows; any answer will do that is none of failing."""
        answer = self._http.ask("GET", "/schemas/types")
        if answer.status in BUSY or answer.status >= 500:
            raise RegistryUnavailable(f"the registry at {self.place} answers {answer.status}: {words_of(answer)}")

    def subjects(self) -> list[str]:
        """All subjects."""
        answer = self._ask("GET", "/subjects", "its subjects")
        return sorted(self._answers.list_of(answer, str, "its subjects"))

    def versions(self, subject: str) -> list[int]:
        """The numbers of a subject's versions, in order; none if there is no such subject."""
        answer = self._ask("GET", f"/subjects/{quoted(subject)}/versions", subject, may_be_missing=True)
        return [] if answer is None else sorted(self._answers.list_of(answer, int, subject))

    def version(self, subject: str, number: int) -> Registered | None:
        """One version; None if it is not there, or no Avro that can be read."""
        path = f"/subjects/{quoted(subject)}/versions/{number}"
        answer = self._ask("GET", path, subject, may_be_missing=True)
        return None if answer is None else self._answers.registered(answer, subject)

    def by_id(self, schema_id: int, subject: str | None = None) -> Registered | None:
        """The schema with an id; None if it is not there, or no Avro that can be read."""
        about = f"schema id {schema_id}"
        of = "" if subject is None else f"?subject={quoted(subject)}"
        answer = self._ask("GET", f"/schemas/ids/{schema_id}{of}", about, may_be_missing=True)
        return None if answer is None else self._answers.registered(answer, about)

    def look_up(
        self, subject: str, text: str, references: Sequence[ReferenceTo], *, normalize: bool = False
    ) -> Version | None:
        """Where a subject has this schema, if it has it."""
        path = f"/subjects/{quoted(subject)}{_normalized(normalize)}"
        answer = self._ask("POST", path, subject, _body(text, references), may_be_missing=True)
        return None if answer is None else self._answers.version(answer, subject)

    def register(self, subject: str, text: str, references: Sequence[ReferenceTo]) -> Version:
        """Make it the subject's next version. Raises IncompatibleSchema and SchemaRefused."""
        path = f"/subjects/{quoted(subject)}/versions"
        return self._answers.version(
            self._ask("POST", path, subject, _body(text, references), needs_more=True), subject
        )

    def level(self, subject: str) -> str | None:
        """The subject's own compatibility level. NONE may also mean, with Apicurio, that it was never given one.

        Raises SchemaRefused where that is not to be seen.
        """
        path = f"/config/{quoted(subject)}"
        answer = self._ask("GET", path, subject, may_be_missing=True, needs_more=True)
        return None if answer is None else shown(self._answers.part(answer, "compatibilityLevel", str, subject))

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
        return bool(self._answers.part(self._answers.taken(answer, subject), "is_compatible", bool, subject))

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
            why = f"{DOES[method]} {about} ({answer.status}): {words_of(answer)}"
            raise SchemaRefused(
                f"the registry at {self.place} does not let us {why}",
                hint=f"{LOGIN_HINT}, or let somebody who may run `bridge schema apply`",
            )
        return self._answers.taken(answer, about)


def quoted(subject: str) -> str:
    """A subject as a part of a path."""
    return quote(subject, safe="")


def _normalized(normalize: bool) -> str:
    return "?normalize=true" if normalize else ""


def _body(text: str, references: Sequence[ReferenceTo]) -> dict[str, object]:
    """Without references as short as can be; with them, Apicurio would not find out the type of the schema itself."""
    if not references:
        return {"schema": text}
    return {"schema": text, "schemaType": "AVRO", "references": [reference._asdict() for reference in references]}
