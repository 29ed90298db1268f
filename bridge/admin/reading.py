"""Reads a table of somebody's in one snapshot, with the rights of whoever runs a command."""

from __future__ import annotations

import psycopg

from bridge.errors import DatabaseRefuses
from bridge.postgres.connection import connect
from bridge.postgres.queries import query
from bridge.settings import Settings


def lock_for_reading(conn: psycopg.Connection, settings: Settings, oid: int, name: str) -> None:
    """See to it that its owner cannot have his code run by that, until this part of the transaction is rolled back.

    Raises DatabaseRefuses where he could already; psycopg.Error.
    """
    table = {"table": oid}
    (is_locked,) = conn.execute(query("lock_for_reading"), table).fetchone() or (True,)
    if is_locked:  # the snapshot does not show what was added since it was taken
        with connect(settings.database, application_name="bridge reading") as look:
            (code,) = look.execute(query("planned_code"), table).fetchone() or ("what it is made of",)
        if code is not None:
            raise DatabaseRefuses(f"reading {name} would run with your rights: {code}")
