"""What Postgres says, as one of our errors, whose class decides the reaction.

By SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html): a class of two characters, or one code of
five where its class is mixed. What is not here was not foreseen: it may be a bug of ours, and passes as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from bridge.errors import DatabaseRefuses, DatabaseUnavailable
from bridge.text import printable

# Nobody answers, or not now; the same again will work, and nobody has to do anything here.
AWAY = {
    "08": "the connection is lost",
    "57P01": "the session was ended",
    "57P02": "the server crashed",
    "57P03": "the server starts or stops",
    "57P05": "the session was idle for too long",
    "53300": "there are too many connections",
}
# It answers, and says why not. Most of it lasts until somebody changes something.
REFUSES = {
    "0A": "not supported there",
    "25": "read-only, or the wrong state of a transaction",
    "28": "the login",
    "3D": "no such database",
    "3F": "no such schema",
    "40": "a deadlock or a serialization failure",
    "42501": "a right is missing",
    "42P01": "no such table",
    "42703": "no such column",
    "42883": "no such function",
    "53": "out of disk, memory or another resource",
    "54": "a limit of the server",
    "55": "locked, or not in the state for it",
    "57": "a time-out, or an operator stepped in",
    "58": "the server's system",
    "72": "the snapshot is too old",
    "P0001": "a trigger of the application's",
    "XX001": "damaged data",
    "XX002": "a damaged index",
}
RIGHTS = "Which role a command needs, and how it gets its rights (bridge grants): docs/operations.md, Roles and rights"


@contextmanager
def explained() -> Iterator[None]:
    """Raise our error for a psycopg.Error that is foreseen; others pass. Also a decorator."""
    try:
        yield
    except psycopg.Error as error:
        ours = as_ours(error)
        if ours is None:
            raise
        raise ours from error


def as_ours(error: psycopg.Error) -> DatabaseUnavailable | None:
    """Our error for one of psycopg's, None for what nobody foresaw. One line: the details hold values."""
    code = error.sqlstate or ""
    where = _first_line(error.diag.context or "")
    hint = RIGHTS if code == "42501" else None
    if where.endswith("at RAISE") and "function bridge." not in where:  # the application's text, which may hold values
        text = f"an exception was raised in {where}"
    else:
        if where.endswith("at RAISE"):  # ours, which know better
            hint = told_hint(error) or hint
        text = _first_line(error.diag.message_primary or str(error)) or type(error).__name__
    if code in AWAY or code[:2] in AWAY:
        return DatabaseUnavailable(text)
    if code in REFUSES or code[:2] in REFUSES:
        return DatabaseRefuses(text, hint=hint)
    # Without a code it is libpq that speaks: a connection that could not be made, or that broke.
    return DatabaseUnavailable(text) if not code and isinstance(error, psycopg.OperationalError) else None


def told_hint(error: psycopg.Error) -> str | None:
    """What an exception that was raised in SQL advises, as our errors have it."""
    return _first_line(error.diag.message_hint or "").removesuffix(".") or None


def _first_line(text: str) -> str:
    return printable(text.strip().partition("\n")[0])
