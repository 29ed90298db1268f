"""Up to when table partitions are finished (bridge.finished), and the statements that leave these out."""

from __future__ import annotations

import psycopg
from psycopg import sql

from bridge.postgres.connection import begin
from bridge.postgres.queries import query

NEVER = "'-infinity'"


class Finished:
    """The moment as a literal in each statement, so that its plan knows no other partitions, and locks none."""

    def __init__(self, conn: psycopg.Connection) -> None:
        """Ask the database. What it says may be old by the time of a statement, whose snapshot tells."""
        self._conn = conn
        with conn.pipeline():
            begin(conn, "begin read only")  # which pins how a time is written, behind a pooler, too
            found = conn.execute(query("finished_up_to"))
            conn.execute("commit")
        row = found.fetchone()
        assert row is not None  # noqa: S101 - the statement always gives one row
        self.note(row[0])

    def note(self, up_to: str) -> None:
        """Make the statements for this moment, in Postgres' text form."""
        literal = sql.Literal(up_to).as_string(self._conn)
        self.up_to = up_to
        self.read_pending = query("read_pending").replace(NEVER, literal).encode()
        self.numbers = query("numbers").replace(NEVER, literal).encode()
        self.survey_shards = query("survey_shards").replace(NEVER, literal).encode()
