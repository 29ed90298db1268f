"""What the database says about the tracking of tables, and how it follows what has become of them."""

from __future__ import annotations

from typing import NamedTuple

import psycopg
from psycopg.rows import class_row

from bridge.postgres.queries import query

MOST = 1000  # tables at a time, should one never be done


class Finding(NamedTuple):
    """One thing about a tracked table; `is_problem`: its changes are not recorded, or not rightly."""

    relation: str
    name: str
    is_problem: bool
    finding: str
    advice: str

    def __str__(self) -> str:
        return f"{self.relation}: {self.finding}. {self.advice}"


def tracking_report(conn: psycopg.Connection) -> list[Finding]:
    """All findings, by table; the problems of each come first. Raises psycopg.Error."""
    with conn.cursor(row_factory=class_row(Finding)) as cursor:
        return cursor.execute(query("tracking_report")).fetchall()


def refresh_tracking(conn: psycopg.Connection) -> None:
    """Follow what has become of the tracked tables; one that is too busy is left for the next time.

    One table in a transaction, so that no lock is kept while another is waited for. Raises psycopg.Error.
    """
    for _ in range(MOST):
        if conn.execute(query("refresh_tracking")).fetchone() == (0,):
            return
