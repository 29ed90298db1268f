"""Whether the changes of tracked tables are recorded."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from bridge.admin.checks.check import Check, Level, ok
from bridge.admin.tracking import list_tracked
from bridge.postgres.tracking import tracking_report


def check_capture(conn: psycopg.Connection) -> Iterator[Check]:
    """What `--capture` says. Raises psycopg.Error."""
    found = tracking_report(conn)
    for one in found:
        level = Level.PROBLEM if one.is_problem else Level.NOTE
        yield Check("capture", level, f"{one.relation}: {one.finding}", one.advice)
    if not found:
        yield ok("capture", f"nothing is wrong with {len(list_tracked(conn))} tracked tables")
