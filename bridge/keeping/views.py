"""Refreshes the materialised views that are due. `bridge.matview_policy` says which, and how often."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bridge.keeping.step import House, Outcome, Step, attempt
from bridge.postgres.queries import query

OUTCOMES: Mapping[str, Outcome] = {
    "concurrent": Outcome.OK,
    "blocking": Outcome.OK,
    "unchanged": Outcome.OK,
    "busy": Outcome.BUSY,
    "failed": Outcome.ERROR,
}


def refresh(house: House) -> Iterator[Step]:
    """The job `refresh`: each view in a transaction of its own, so that one that fails stops no other."""
    for matview, milliseconds in house.conn.execute(query("due_views")).fetchall():
        if not house.pause(0):
            return
        yield from _refresh(house, matview, milliseconds)


def _refresh(house: House, matview: str, milliseconds: int) -> Iterator[Step]:
    """Nothing to tell where nothing had changed. `bridge.matview_refresh` has each run."""
    outcome = ""

    def do() -> str:
        nonlocal outcome
        with house.conn.transaction():
            house.conn.execute(query("time_out"), {"timeout": f"{milliseconds}ms"})
            row = house.conn.execute(query("refresh_view"), {"matview": matview}).fetchone()
        outcome, detail = row or ("failed", "")
        return str(detail or outcome)

    step = attempt(house, "refresh_view", matview, do)
    if step.outcome is not Outcome.OK:
        yield step
    elif outcome != "unchanged":
        yield step._replace(outcome=OUTCOMES[outcome], is_routine=True)
