"""Moves old rows of the activity log into its archive table, a slice in each transaction."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.keeping.step import House, Outcome, Step, attempt
from bridge.postgres.queries import query
from bridge.text import counted

SLICE = 10_000
LOG, ARCHIVE = "bridge.activity_log", "bridge.activity_log_archive"


def archive_activity(house: House) -> Iterator[Step]:
    """Rows that are older than the policy of the log says, if that is to move them."""
    for (keep_for,) in house.conn.execute(query("archived_logs"), {"log": LOG}).fetchall():
        moved = 0

        def do(keep_for: str = keep_for) -> str:
            nonlocal moved
            while house.pause(0):
                row = house.conn.execute(query("archive_slice"), {"keep_for": keep_for, "most": SLICE}).fetchone()
                count = int(row[0]) if row else 0
                moved += count
                if count < SLICE:
                    break
            return f"{counted(moved, 'row')} moved to {ARCHIVE}" if moved else ""

        step = attempt(house, "archive_activity", LOG, do)
        if step.outcome is not Outcome.OK or step.detail:
            yield step
