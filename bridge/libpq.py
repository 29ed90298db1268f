"""What libpq would connect with, asked of libpq itself, which also reads its environment and its service files."""

from __future__ import annotations

from collections.abc import Mapping

from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn

from bridge.errors import ConfigError
from bridge.text import printable
from bridge.transport import VERIFIED, exposed_database

# An attempt that libpq gives up before it reaches out, but after it has put all parameters together.
NO_ATTEMPT = {
    "target_session_attrs": "none: bridge only asks for the parameters",
    "password": "none: so that no file is searched for it",
}
# What was looked at is what is used, whatever becomes of environment and service file in the meantime.
PINNED = ("host", "hostaddr", "sslmode", "sslrootcert")


def in_effect(given: Mapping[str, str]) -> dict[str, str]:
    """The parameters that libpq would use for `given`: its own, PGSSLMODE and the like, and services are in it.

    Reaches no server. Raises ConfigError where libpq cannot put them together, as for a service that is not there.
    """
    attempt = PGconn.connect_start(make_conninfo(**{**given, **NO_ATTEMPT}).encode())
    try:
        found = {option.keyword.decode(): option.val.decode() for option in attempt.info if option.val}
        if "sslmode" not in found:
            why = printable(attempt.error_message.decode(errors="replace").strip())
            hint = "Check service in the database URL, PGSERVICE and PGSERVICEFILE"
            raise ConfigError(f"libpq does not know how to connect: {why}", hint=hint)
        return found
    finally:
        attempt.finish()


def protected(given: Mapping[str, str], *, allow_insecure: bool) -> dict[str, str]:
    """`given`, with what protects the connection written out. Raises ConfigError where that is too little."""
    found = in_effect(given)
    trouble = None if allow_insecure else exposed_database(found)
    if trouble is not None:
        raise ConfigError(trouble.message, hint=trouble.hint)
    pinned = {name: found[name] for name in PINNED if name in found}
    if found["sslmode"] == VERIFIED and found.get("gssencmode") != "require":
        pinned["gssencmode"] = "disable"  # libpq would prefer it to TLS, and nobody would look at the certificate
    return {**given, **pinned}
