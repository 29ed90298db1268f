"""The way to the server: what protects it, whatever was asked for, and what an operator has allowed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

from bridge.admin.checks.check import Check, note, ok
from bridge.libpq import in_effect
from bridge.postgres.connection import is_pooled, parameters_of
from bridge.postgres.queries import query
from bridge.settings import DatabaseSettings
from bridge.transport import VERIFIED, exposed_database, hosts, is_local

MEND = f"sslmode={VERIFIED} and sslrootcert in database.url"


@dataclass(frozen=True, slots=True)
class Tls:
    """Of our session, as the server has it; behind a pooler that is the pooler's. `client`: whom our certificate names,
    None without one.
    """

    is_encrypted: bool
    version: str | None
    cipher: str | None
    client: str | None


def check_tls(conn: psycopg.Connection, database: DatabaseSettings) -> Iterator[Check]:
    """Raises ConfigError, and DatabaseUnavailable where the URL's file is not what it was a moment ago."""
    parameters = in_effect(parameters_of(database))
    if is_pooled(conn):  # libpq knows of our own connection, but not by what it is encrypted
        found = Tls(bool(conn.pgconn.ssl_in_use), "TLS, up to the pooler", None, None)
    else:
        with conn.cursor(row_factory=class_row(Tls)) as cursor:
            found = cursor.execute(query("doctor_tls")).fetchone() or Tls(False, None, None, None)
    yield tls(parameters, found)
    if database.allow_insecure:
        yield allowed(parameters)


def tls(parameters: Mapping[str, str], found: Tls) -> Check:
    """What is in effect."""
    name, mode = "postgres tls", parameters.get("sslmode", "prefer")
    names = ", ".join(hosts(parameters))
    by = f"encrypted by {found.version}" + (f" ({found.cipher})" if found.cipher else "")
    if all(is_local(host) for host in hosts(parameters)):
        return ok(name, "the server is on this machine" + (f", {by}" if found.is_encrypted else ""))
    if not found.is_encrypted:
        return note(name, f"the connection to {names} is not encrypted (sslmode={mode})", MEND)
    if mode != VERIFIED:
        return note(name, f"{by}, but the server need not prove that it is {names} (sslmode={mode})", MEND)
    binding = parameters.get("channel_binding", "prefer")
    ours = f", our certificate is {found.client}" if found.client else ""
    return ok(name, f"{by}, the server has proved that it is {names} (sslmode={mode}, channel_binding={binding}){ours}")


def allowed(parameters: Mapping[str, str]) -> Check:
    """What database.allow_insecure allows now."""
    exposed = exposed_database(parameters)
    name, text = "postgres allow_insecure", "database.allow_insecure is true"
    if exposed is None:
        return note(name, f"{text}, and nothing needs it", "Leave it out, so that it cannot hide a mistake")
    return note(name, f"{text}: {exposed.message}", MEND)
