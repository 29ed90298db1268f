"""Whether the changes of tracked tables are recorded, and routes name what is tracked."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from bridge.admin.checks.check import Check, Level, ok
from bridge.admin.tracking import list_tracked
from bridge.postgres.route_findings import route_findings
from bridge.postgres.tracking import Finding, tracking_report
from bridge.settings import Settings


def check_capture(conn: psycopg.Connection) -> Iterator[Check]:
    """What `--capture` says. Raises psycopg.Error."""
    found = tracking_report(conn)
    yield from (_check("capture", one) for one in found)
    if not found:
        yield ok("capture", f"nothing is wrong with {len(list_tracked(conn))} tracked tables")


def check_tracked_routes(conn: psycopg.Connection, settings: Settings) -> Iterator[Check]:
    """Routes beside what is tracked. Raises psycopg.Error."""
    found = route_findings(conn, settings)
    yield from (_check("routes", one) for one in found)
    if not found:
        yield ok("routes", "each names what is tracked")


def _check(name: str, found: Finding) -> Check:
    level = Level.PROBLEM if found.is_problem else Level.NOTE
    return Check(name, level, f"{found.relation}: {found.finding}", found.advice)
