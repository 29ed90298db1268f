"""Opens connections to Postgres."""

from __future__ import annotations

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bridge.errors import ConfigError, DatabaseUnavailable

# A server that vanishes without a word is noticed within about 15 seconds; the user's own settings win.
NETWORK_DEFAULTS = {
    "connect_timeout": "10",
    "keepalives_idle": "5",
    "keepalives_interval": "3",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}


def connect(url: str, *, application_name: str = "bridge", autocommit: bool = True) -> psycopg.Connection:
    """Open a connection.

    Raises ConfigError for an unset or malformed `url`, DatabaseUnavailable (one line, no password) when the server
    cannot be reached or does not let us in.
    """
    if not url:
        raise ConfigError("no database is given", hint="Set BRIDGE_DATABASE_URL, or database.url in the configuration")
    try:
        given = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    except psycopg.ProgrammingError as error:
        raise ConfigError("the database URL is malformed", hint="Write postgresql://user@host:5432/database") from error
    named = {"application_name": application_name}
    try:
        conn = psycopg.connect(make_conninfo(**{**NETWORK_DEFAULTS, **named, **given}), autocommit=autocommit)
        _look_for_pooler(conn)
    except psycopg.OperationalError as error:
        raise unavailable(error, given) from error
    return conn


def is_pooled(conn: psycopg.Connection) -> bool:
    """Whether a pooler is in between, so that each transaction may have another session; `connect()` found out."""
    return conn.prepare_threshold is None


def _look_for_pooler(conn: psycopg.Connection) -> None:
    """A pooler makes up the process id that it gives its clients. Statements prepared in one session miss in others."""
    row = conn.execute("select pg_backend_pid()").fetchone()
    if row != (conn.info.backend_pid,):
        conn.prepare_threshold = None
    if not conn.autocommit:
        conn.rollback()


def unavailable(error: psycopg.Error, given: dict[str, str]) -> DatabaseUnavailable:
    """Say in one line which server refused and why; the password is never part of it."""
    place = f"{given.get('host', 'localhost')}:{given.get('port', '5432')}/{given.get('dbname', '')}"
    first = str(error).strip().splitlines()[0]
    reason = first.split(" failed: ")[-1].removeprefix("FATAL:").strip()
    return DatabaseUnavailable(
        f"cannot connect to Postgres at {place} as {given.get('user', 'the default user')}: {reason}",
        hint="Check BRIDGE_DATABASE_URL and that the server runs",
    )
