"""What one look has found, and how looks are kept from ending each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import psycopg
from psycopg import errors

from bridge.errors import BridgeError, DatabaseUnavailable
from bridge.postgres.explained import as_ours
from bridge.text import place


class Level(StrEnum):
    """What a person has to do about it."""

    OK = "ok"
    NOTE = "note"  # nothing at once
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Check:
    """One line: what was looked at (`postgres version`), what is found there, and how to mend it."""

    name: str
    level: Level
    text: str
    mend: str | None = None

    def __str__(self) -> str:
        mend = "" if self.mend is None else f". {self.mend}"
        return f"{self.level:<7}  {self.name}: {self.text}{mend}"


def ok(name: str, text: str) -> Check:
    """All is well."""
    return Check(name, Level.OK, text)


def note(name: str, text: str, mend: str | None = None) -> Check:
    """To be known."""
    return Check(name, Level.NOTE, text, mend)


def problem(name: str, text: str, mend: str | None) -> Check:
    """Somebody must do something."""
    return Check(name, Level.PROBLEM, text, mend)


def carefully(name: str, look: Callable[[], Iterable[Check]]) -> Iterator[Check]:
    """What a look at the database finds; that we may not look is a note, and other trouble a problem, not the end.

    Raises DatabaseUnavailable where nobody answers any more.
    """
    try:
        yield from look()
    except errors.InsufficientPrivilege as error:
        why = error.diag.message_primary or "a right is missing"
        yield note(name, f"it may not be looked at: {why}", "Ask as the owner of the schema bridge, or grant that")
    except psycopg.Error as error:
        ours = as_ours(error)
        if ours is not None and type(ours) is DatabaseUnavailable:
            raise ours from error
        yield problem(name, ours.message if ours else f"unforeseen: {place(error)}", "Read the server's log")
    except BridgeError as error:
        yield problem(name, error.message, error.hint)
