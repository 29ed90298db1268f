"""Why a connection could not be made: in one line, with what to do about it."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg

from bridge.errors import DatabaseRefuses, DatabaseUnavailable
from bridge.refused_login import is_refused
from bridge.text import printable

CLIENT = "Check sslcert and sslkey in database.url: `bridge doctor` says when certificates expire"
# Words of libpq's and of OpenSSL's. Only what a person is told depends on these.
MENDS = {
    "certificate verify failed": "The CA in sslrootcert has not signed the server's certificate, or one of them has"
    " expired or is not valid yet: `openssl s_client -starttls postgres -showcerts -connect host:port` shows it",
    "does not match host name": "Name the server in database.url as its certificate does, or give it another one",
    "root certificate": "sslrootcert must name a file with the CA of the server's certificate, or be `system`",
    "channel binding": "channel_binding=require needs TLS, and a password by scram-sha-256",
    "no encryption": "The server takes nobody without TLS: add sslmode=verify-full and sslrootcert to database.url",
    "server does not support SSL": "Set ssl = on in the server's configuration, with a certificate",
    "valid client certificate": CLIENT,
    "certificate authentication failed": "The certificate in sslcert is another's: its common name must be the role",
    "private key": CLIENT,
    "alert": CLIENT,  # of TLS: the server has looked at our certificate
    "password": "Check the password; where a _FILE variable or PGPASSFILE names a file, that is read each time",
}
USUAL = "Check that the server runs, and database.url or BRIDGE_DATABASE_URL"
REFUSED = "The server answers: check user, password and database in database.url or BRIDGE_DATABASE_URL"


def unavailable(error: psycopg.Error, given: Mapping[str, str]) -> DatabaseUnavailable:
    """Say which server refused and why; the password is never part of it. `given`: what was connected with.

    DatabaseRefuses where it answers, and does not let us in.
    """
    place = f"{given.get('host', 'localhost')}:{given.get('port', '5432')}/{given.get('dbname', '')}"
    first = str(error).strip().splitlines()[0]
    reason = first.split(" failed: ")[-1].removeprefix("FATAL:").strip()
    kind, usual = (DatabaseRefuses, REFUSED) if is_refused(error) else (DatabaseUnavailable, USUAL)
    return kind(
        f"cannot connect to Postgres at {place} as {given.get('user', 'the default user')}: {printable(reason)}",
        hint=next((mend for words, mend in MENDS.items() if words in reason), usual),
    )
