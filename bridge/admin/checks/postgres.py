"""The server and the way to it: version, encoding, a pooler in between, a standby, autovacuum, its clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
from psycopg.rows import class_row

from bridge.admin.checks.check import Check, carefully, note, ok, problem
from bridge.admin.checks.postgres_tls import check_tls
from bridge.postgres.connection import connect, is_pooled
from bridge.postgres.migrate import OLDEST_POSTGRES, require_current
from bridge.postgres.queries import query
from bridge.settings import Settings

NEWEST_POSTGRES = 18
SKEW_NOTED, SKEW_TOO_MUCH = 1.0, 5.0  # seconds; a relay's lease is 10 by default


@dataclass(frozen=True, slots=True)
class Server:
    """What it says of itself. `unvacuumed` are tables of bridge with autovacuum off."""

    version: str
    database: str
    role: str
    encoding: str
    is_standby: bool
    is_read_only: bool
    autovacuum: bool
    track_counts: bool
    unvacuumed: list[str]


def check_server(conn: psycopg.Connection, settings: Settings) -> Iterator[Check]:
    """Everything about the server itself; what of it cannot be asked is said. Raises DatabaseUnavailable."""
    with conn.cursor(row_factory=class_row(Server)) as cursor:
        server = cursor.execute(query("doctor_server")).fetchone()
    if server is None:
        return
    host = conn.info.host or "a local socket"
    yield _version(conn.info.server_version // 10000, server, f"{host}:{conn.info.port}")
    yield from carefully("postgres schema", lambda: _schema(conn))
    yield from encoding(server.encoding)
    yield _writable(server)
    yield from carefully("postgres tls", lambda: check_tls(conn, settings.database))
    yield from carefully("postgres pooler", lambda: _pooler(conn, settings))
    yield from _autovacuum(server)
    yield from carefully("postgres clock", lambda: _clock(conn))


def _version(major: int, server: Server, where: str) -> Check:
    text = f"Postgres {server.version}, database {server.database} at {where}, as role {server.role}"
    if major < OLDEST_POSTGRES:
        return problem("postgres version", f"{text}: too old", f"bridge needs {OLDEST_POSTGRES} or newer")
    if major > NEWEST_POSTGRES:
        return note("postgres version", f"{text}: bridge was not tried with it")
    return ok("postgres version", text)


def _schema(conn: psycopg.Connection) -> Iterator[Check]:
    require_current(conn)
    yield ok("postgres schema", "all migrations are applied")


def encoding(name: str) -> Iterator[Check]:
    """Of the database."""
    if name == "SQL_ASCII":
        yield problem("postgres encoding", "SQL_ASCII: nobody knows what its bytes mean", "createdb --encoding UTF8")
    elif name != "UTF8":
        yield note("postgres encoding", f"{name}: characters that it lacks cannot be written, what it has is published")
    else:
        yield ok("postgres encoding", name)


def _writable(server: Server) -> Check:
    if server.is_standby:
        mend = "Name the primary in database.url, or target_session_attrs=read-write with all servers"
        return problem("postgres standby", "this server is a standby: nothing can be written", mend)
    if server.is_read_only:
        mend = "alter role ... or alter database ... reset default_transaction_read_only"
        return problem("postgres standby", "transactions are read-only by default", mend)
    return ok("postgres standby", "a primary, which can be written to")


def _pooler(conn: psycopg.Connection, settings: Settings) -> Iterator[Check]:
    """A second connection tells how it pools: if it gets the session of the first, that is only lent."""
    if not is_pooled(conn):
        yield ok("postgres pooler", "none is in between")
        return
    (first,) = conn.execute("select pg_backend_pid()").fetchone() or (0,)
    with connect(settings.database, application_name="bridge doctor") as other:
        (second,) = other.execute("select pg_backend_pid()").fetchone() or (0,)
    if first == second:
        yield note(
            "postgres pooler",
            "a pooler is in between, in transaction mode: settings go with each transaction and nothing is prepared,"
            " which costs throughput and latency",
            "Give the relay a direct connection; bridge migrate needs one",
        )
    else:
        mode = "a pooler is in between; in which mode could not be seen (two connections had two sessions)"
        yield note("postgres pooler", mode, "Give the relay a direct connection; bridge migrate needs one")


def _autovacuum(server: Server) -> Iterator[Check]:
    if not (server.autovacuum and server.track_counts):
        off = "autovacuum" if not server.autovacuum else "track_counts"
        yield problem("postgres autovacuum", f"{off} is off: bridge.shard grows with each batch", f"Set {off} = on")
    for table in server.unvacuumed:
        yield problem("postgres autovacuum", f"off for {table}", f"alter table {table} reset (autovacuum_enabled)")
    if server.autovacuum and server.track_counts and not server.unvacuumed:
        yield ok("postgres autovacuum", "on")


def _clock(conn: psycopg.Connection) -> Iterator[Check]:
    begun = time.monotonic()
    (server,) = conn.execute("select extract(epoch from clock_timestamp())::float8").fetchone() or (0.0,)
    took = time.monotonic() - begun
    yield clock(server - datetime.now(UTC).timestamp() + took / 2, took / 2)


def clock(ahead: float, unsure: float) -> Check:
    """How far the server's clock is ahead of ours, in seconds, give or take."""
    name = "postgres clock"
    if abs(ahead) <= max(SKEW_NOTED, 2 * unsure):
        return ok(name, f"within {max(abs(ahead), unsure):.3f} s of this machine's")
    way = "ahead of" if ahead > 0 else "behind"
    text = f"the server's clock is {abs(ahead):.1f} s {way} this machine's"
    mend = "Let both follow NTP: records have the server's times, available_at and leases follow its clock"
    return (problem if abs(ahead) > SKEW_TOO_MUCH else note)(name, text, mend)
