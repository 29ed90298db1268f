"""Opens connections to Postgres."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bridge.configuration.urls import database_trouble, is_port
from bridge.errors import ConfigError, DatabaseUnavailable
from bridge.from_file import FileUnreadable, latest
from bridge.libpq import protected
from bridge.network import NETWORK_DEFAULTS
from bridge.postgres.explained import explained
from bridge.postgres.queries import query
from bridge.postgres.unreachable import unavailable
from bridge.settings import DatabaseSettings

LOCK_SECONDS = 3
PASSWORDS = ("password", "sslpassword", "oauth_client_secret")


def connect(database: DatabaseSettings | str, *, application_name: str = "bridge") -> psycopg.Connection:
    """Open a connection; a URL alone has the other settings' defaults.

    `application_name` wins over the URL's and PGAPPNAME: sessions are found, and ended, by it.

    What statements mean and how answers are written is pinned, whatever database, role and environment have set; behind
    a pooler that can be done only for each transaction (`pin_session.sql`), but for the encoding.

    A URL that came from a file is read again, so a changed password needs no restart.

    Raises ConfigError for an unset or malformed URL and for a way to the server that is not protected (`bridge.libpq`),
    DatabaseUnavailable (one line, no password) when the server cannot be reached or does not let us in, or the URL's
    file is not what it was at the start, DatabaseRefuses when the server does not do what is asked first.
    """
    given = parameters_of(DatabaseSettings(database) if isinstance(database, str) else database)
    pinned = {"application_name": application_name, "client_encoding": "UTF8"}
    try:
        conn = psycopg.connect(make_conninfo(**{**NETWORK_DEFAULTS, **given, **pinned}), autocommit=True)
    except psycopg.OperationalError as error:
        raise unavailable(error, given) from error
    try:
        with explained():  # it answers: a time-out, say, is none of being away
            _look_for_pooler(conn)
            if not is_pooled(conn):
                conn.execute(query("pin_session"), {"is_local": False})
    except BaseException:
        conn.close()
        raise
    return conn


def parameters_of(settings: DatabaseSettings) -> dict[str, str]:
    """Those to connect with, by what the URL's file holds now. Raises as `connect` does."""
    url = str(settings.url)
    try:
        url = latest(settings.url)
        if not url:
            hint = "Set BRIDGE_DATABASE_URL, or database.url in the configuration"
            raise ConfigError("no database is given", hint=hint)
        return protected(parsed(url), allow_insecure=settings.allow_insecure)
    except FileUnreadable as error:
        hint = "Put the file back: it is read for each new connection"
        raise DatabaseUnavailable(f"database.url {error}", hint=hint) from None
    except ConfigError as error:
        if url == settings.url:
            raise
        raise DatabaseUnavailable(f"the file of database.url was changed: {error.message}", hint=error.hint) from None


def parsed(url: str) -> dict[str, str]:
    """The parts of a libpq URL or keyword string. Raises ConfigError, without a word of it: any may be a password's."""
    if trouble := database_trouble(url):
        raise ConfigError(f"the database URL {trouble}")
    try:
        parts = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    except psycopg.ProgrammingError:
        raise ConfigError("the database URL is malformed", hint="Write postgresql://user@host:5432/database") from None
    if not all(port == "" or is_port(port) for port in parts.get("port", "").split(",")):
        raise ConfigError("the database URL has a port that is none", hint="Write a number from 1 to 65535")
    return parts


def without_passwords(url: str) -> str:
    """A database URL that may be shown: as keywords, each password in it as asterisks."""
    parts = parsed(url)
    return make_conninfo(**{name: "***" if name in PASSWORDS else value for name, value in parts.items()})


def is_pooled(conn: psycopg.Connection) -> bool:
    """Whether a pooler is in between, so that each transaction may have another session; `connect()` found out."""
    return conn.prepare_threshold is None


def begin(conn: psycopg.Connection, statement: LiteralString) -> None:
    """Begin a transaction of a relay's. Behind a pooler each has another session, which is set up each time."""
    conn.execute(statement)
    if is_pooled(conn):
        conn.execute(query("pin_session"), {"is_local": True})
        conn.execute(query("set_session"), {"is_local": True})


def look_briefly(conn: psycopg.Connection, seconds: float = 0) -> None:
    """Let this session wait for no lock for long, and no statement take longer than `seconds`, 0 for any time.

    Whoever only looks must not hang where somebody keeps a lock: he may look for just that. Not behind a pooler, where
    the session is everybody's.
    """
    if not is_pooled(conn):
        limits = {"lock_timeout": LOCK_SECONDS, "statement_timeout": seconds}
        for name, limit in limits.items():
            conn.execute("select set_config(%s, %s, false)", (name, f"{int(limit * 1000)}ms"))


@contextmanager
def waiting_at_most(conn: psycopg.Connection, seconds: float) -> Iterator[None]:
    """One transaction, in which a lock that somebody keeps is an error after that time; behind a pooler, too."""
    with conn.transaction():
        conn.execute("select set_config('lock_timeout', %s, true)", (f"{int(seconds * 1000)}ms",))
        yield


def _look_for_pooler(conn: psycopg.Connection) -> None:
    """A pooler makes up the process id that it gives its clients. Statements prepared in one session miss in others."""
    row = conn.execute("select pg_backend_pid()").fetchone()
    if row != (conn.info.backend_pid,):
        conn.prepare_threshold = None
