"""Whether the changes of tracked tables are recorded, and routes are about tables that are tracked."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from bridge.admin.checks.check import Check, Level, ok
from bridge.postgres.queries import query
from bridge.postgres.route_findings import route_findings, unrouted_findings
from bridge.postgres.tracking import tracking_report
from bridge.settings import Settings
from bridge.text import counted


def check_capture(conn: psycopg.Connection, settings: Settings) -> Iterator[Check]:
    """What `--capture` says, what relays say of routes, and which tables have none. Raises psycopg.Error."""
    found = [*tracking_report(conn), *route_findings(conn, settings), *unrouted_findings(conn, settings)]
    for one in found:
        level = Level.PROBLEM if one.is_problem else Level.NOTE
        yield Check("capture", level, f"{one.relation}: {one.finding}", one.advice)
    if not found:
        tracked = len(conn.execute(query("tracked_names")).fetchall())  # which a relay's role may ask, too
        yield ok("capture", f"nothing is wrong with {counted(tracked, 'tracked table')}")
