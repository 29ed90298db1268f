"""Sessions of Postgres that may not write, whatever the rights of their role are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
from psycopg.conninfo import make_conninfo

from bridge.configuration.load import Configuration
from bridge.errors import ConfigError
from bridge.from_file import derived
from bridge.postgres.connection import connect, is_pooled, parsed
from bridge.postgres.explained import explained
from bridge.postgres.migrate import require_current
from bridge.postgres.queries import query
from bridge.settings import Settings

OPTION = "-c default_transaction_read_only=on"
SECONDS = 30  # for a statement


def with_read_only_sessions(configuration: Configuration) -> Configuration:
    """The same, with a database URL by which every session that is opened is read-only. Raises ConfigError."""
    settings = configuration.settings
    if not settings.database.url:
        return configuration
    url = derived(settings.database.url, _with_option)
    return replace(configuration, settings=replace(settings, database=replace(settings.database, url=url)))


def _with_option(url: str) -> str:
    given = parsed(url)
    return make_conninfo(**{**given, "options": f"{given.get('options', '')} {OPTION}".strip()})


@contextmanager
def read_only(settings: Settings, application_name: str) -> Iterator[psycopg.Connection]:
    """A session for one question, which may not take long. Raises ConfigError, DatabaseUnavailable."""
    with explained(), connect(settings.database, application_name=application_name) as conn:
        if is_pooled(conn):  # a session there is everybody's, and would stay read-only for the application
            raise ConfigError("the database is behind a pooler", hint="Name the server itself in database.url")
        conn.execute(query("read_only_session"), {"seconds": SECONDS})
        require_current(conn)
        yield conn
