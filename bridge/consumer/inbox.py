"""The inbox in the consumer's own database: which events were received."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
from psycopg import IsolationLevel
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import tuple_row

from bridge.consumer.message import Arrived
from bridge.consumer.queries import query
from bridge.errors import ConfigError, DatabaseRefuses, DatabaseUnavailable
from bridge.libpq import protected
from bridge.network import NETWORK_DEFAULTS
from bridge.refused_login import is_refused
from bridge.resources import resource
from bridge.text import printable

IDLE_SECONDS = 60  # without a statement within a transaction, after which Postgres ends it: a stopped consumer's, say
AWAY = ("08", "57P0", "53300")  # SQLSTATEs: nobody answers, or not now; the rest is a refusal
ROLLED_BACK = "aborted"  # as Postgres says of a transaction
CLEAN_ROWS = 1000  # in one statement
END_IDLE = """
select set_config('idle_in_transaction_session_timeout', %s, false)
 where current_setting('idle_in_transaction_session_timeout') = '0'"""


def inbox_sql() -> str:
    """What creates the inbox, as SQL with the rights that a consumer's role needs in comments."""
    return resource("consumer", "inbox.sql").read_text("utf-8")


def create_inbox(database: str, *, allow_insecure: bool = False) -> None:
    """Create the inbox unless it is there, as the role of the URL `database`, which owns it then.

    Raises as `connect` does; DatabaseRefuses where a right is missing.
    """
    with (
        connect(database, "create_inbox", allow_insecure=allow_insecure) as connection,
        away(connection),
        connection.transaction(),
    ):
        connection.execute("select pg_advisory_xact_lock(hashtext('bridge_inbox'))")  # several may start at once
        if any(is_table for is_table, _ in run(connection, "lacking", {}).fetchall()):
            connection.execute(inbox_sql().encode())


def connect(database: str, name: str, *, allow_insecure: bool = False) -> psycopg.Connection[Any]:
    """A connection for transactions of READ COMMITTED.

    Raises ConfigError for a malformed URL and for a way to the server that is not protected (`bridge.transport`),
    unless that is allowed; DatabaseUnavailable, DatabaseRefuses where it does not let us in.
    """
    try:
        given: dict[str, Any] = {
            **NETWORK_DEFAULTS,
            "application_name": f"bridge.consumer {name}"[:63],
            **protected(_parts(database), allow_insecure=allow_insecure),
            "client_encoding": "UTF8",  # with SQL_ASCII text comes as bytes, which equal none of ours
        }
        connection = psycopg.connect(make_conninfo(**given), autocommit=True)
    except psycopg.ProgrammingError as error:
        raise ConfigError("the database URL is malformed", hint="Write postgresql://user@host:5432/database") from error
    except psycopg.OperationalError as error:
        kind = DatabaseRefuses if is_refused(error) else DatabaseUnavailable
        raise kind(f"cannot connect to the consumer's database: {_words(error)}") from error
    connection.isolation_level = IsolationLevel.READ_COMMITTED  # statements must see what others committed before
    try:
        with away(connection):
            connection.execute(END_IDLE, (f"{IDLE_SECONDS}s",))
    except BaseException:
        connection.close()
        raise
    return connection


def _parts(database: str) -> dict[str, str]:
    return {name: str(value) for name, value in conninfo_to_dict(database).items() if value is not None}


def run(connection: psycopg.Connection[Any], name: str, parameters: Mapping[str, object]) -> psycopg.Cursor[Any]:
    """A statement of ours, whose rows are tuples whatever handlers have set. Raises psycopg.Error."""
    return connection.cursor(row_factory=tuple_row).execute(query(name), parameters)


@contextmanager
def away(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """For statements of our own: whatever Postgres says of them is no handler's fault. Raises DatabaseUnavailable."""
    try:
        yield
    except psycopg.Error as error:
        raise lost(error) from error


def lost(error: BaseException) -> DatabaseUnavailable:
    """What Postgres said last, as one of our errors, wherever in the causes that is. DatabaseRefuses: it answers."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, psycopg.Error):
        found = found.__cause__
    text = f"the consumer's database: {_words(found) if found else 'the connection is closed'}"
    is_away = found is None or found.sqlstate is None or found.sqlstate.startswith(AWAY)
    return DatabaseUnavailable(text) if is_away else DatabaseRefuses(text)


class Inbox:
    """What one consumer group has received."""

    def __init__(self, connection: psycopg.Connection[Any], group: str) -> None:
        self._connection = connection
        self._group = group

    def require(self) -> None:
        """Raises ConfigError where the inbox, or a right on it, is missing; DatabaseUnavailable."""
        with away(self._connection):
            lacking = run(self._connection, "lacking", {}).fetchall()
        if missing := [what for is_table, what in lacking if is_table]:
            raise ConfigError(
                f"the consumer's database has no inbox of this version (it lacks {', '.join(missing)})",
                hint="Call create_inbox(), or have its owner run what inbox_sql() gives",
            )
        if lacking:
            raise ConfigError(
                f"the consumer's role has no right to {', '.join(what for _, what in lacking)}",
                hint="Have the owner grant what the first lines of inbox_sql() say",
            )

    def receive(self, records: Sequence[Arrived]) -> list[bool]:
        """Note them, in the transaction that is open; whether each is new."""
        with away(self._connection):
            found = run(self._connection, "receive", self._named(records)).fetchall()
        new = set(found)
        return [_taken(new, record.identity) for record in records]

    def forget(self, records: Sequence[Arrived]) -> None:
        """As if they had not been received."""
        with away(self._connection):
            run(self._connection, "forget", self._named(records))

    def transaction(self) -> str:
        """The id of the transaction that is open."""
        with away(self._connection):
            return str(run(self._connection, "transaction", {}).fetchone()[0])  # type: ignore[index]  # there is one

    def ended(self, transaction: str) -> str | None:
        """How it ended, ROLLED_BACK or else; None while it is open."""
        with away(self._connection):
            (status,) = run(self._connection, "transaction_ended", {"transaction": transaction}).fetchone() or (None,)
        return None if status is None else str(status)

    def clean(self, keep: timedelta) -> int:
        """Remove some of what the group received longer ago than `keep`; returns how many, CLEAN_ROWS at most."""
        with away(self._connection):
            named = {"group": self._group, "keep": keep, "rows": CLEAN_ROWS}
            return run(self._connection, "clean", named).rowcount

    def _named(self, records: Sequence[Arrived]) -> dict[str, object]:
        identities = [record.identity for record in records]
        sources, ids = [source for source, _ in identities], [id_ for _, id_ in identities]
        return {"group": self._group, "sources": sources, "ids": ids}


def _taken(new: set[Any], identity: tuple[str, str]) -> bool:
    """Of two with one identity in a batch the first is new."""
    if identity in new:
        new.remove(identity)
        return True
    return False


def _words(error: psycopg.Error) -> str:
    said = error.diag.message_primary or str(error).strip().partition("\n")[0]
    return printable(said) or type(error).__name__
