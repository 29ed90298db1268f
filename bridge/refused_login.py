"""Whether Postgres answered a connection and did not let us in, or is away."""

from __future__ import annotations

import psycopg

# A connection that was never made has no SQLSTATE: libpq keeps it to itself, so psycopg's `sqlstate` is None and `diag`
# is empty. That leaves words, which are English unless the server's lc_messages is another language; but a server's
# answer can be told from what libpq says itself: by the two blanks behind its severity.
WORDS = (
    "authentication failed",
    "no password supplied",
    "valid client certificate",
    "pg_hba.conf",  # in every language
    "is not permitted to log in",
    "permission denied",
    "FATAL:  role ",
    "FATAL:  database ",
    "alert",  # of TLS, about our certificate
)
# Said behind the login, and soon over: a limit, a server that stops. In other languages these are refusals, too.
PASSING = ("too many", "connection slots", "terminating connection")
ANSWER = ":  "


def is_refused(error: psycopg.Error) -> bool:
    """Of an error of connecting: whether somebody has to change something there, or here, before it can work.

    What a server answers once it was told the password is such a refusal in any language, but for what is PASSING; of
    what it says before that, only what WORDS has.
    """
    said = str(error).strip().partition("\n")[0]
    if (error.sqlstate or "").startswith("28") or any(words in said for words in WORDS):
        return True
    was_told = error.pgconn is not None and error.pgconn.used_password
    return was_told and ANSWER in said and not any(words in said for words in PASSING)
