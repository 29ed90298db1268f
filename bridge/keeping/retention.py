"""Takes table partitions out whose time is over, and drops them where that is their end.

Out, counted, dropped: three transactions for each, so that the table is locked only for as long as its catalog entry
takes to change. What a run did not come to, the next one does: where each partition stands is in the database
(`bridge.retired_partition`). Cold files are another job's (`cold_files.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from bridge.keeping.step import House, Outcome, Step, attempt
from bridge.postgres.queries import query


class Due(NamedTuple):
    """A table partition whose time is over; `obstacle`: why it may not leave all the same."""

    leaf: str
    obstacle: str | None


def retire(house: House) -> Iterator[Step]:
    """The job `retention`."""
    for due in house.conn.execute(query("due_partitions")).fetchall():
        leaf, obstacle = Due(*due)
        if not house.pause(0):
            return
        if obstacle is not None:
            yield Step("retire_partition", leaf, Outcome.BUSY, f"it may not leave yet: {obstacle}")
        else:
            yield _retire(house, leaf)
    for number, leaf in house.conn.execute(query("uncounted_retired")).fetchall():
        step = _count(house, number, leaf)
        if step.outcome is not Outcome.OK:
            yield step
    for number, leaf in house.conn.execute(query("droppable_retired")).fetchall():
        if not house.pause(0):
            return
        yield _drop(house, number, leaf)


def _retire(house: House, leaf: str) -> Step:
    def do() -> str:
        row = house.conn.execute(query("retire_partition"), {"leaf": leaf}).fetchone()
        return "not due any more" if row is None or row[0] is None else "taken out"

    return attempt(house, "retire_partition", leaf, do)


def _count(house: House, number: int, leaf: str) -> Step:
    def do() -> str:
        house.conn.execute(query("count_retired"), {"id": number})
        return ""

    return attempt(house, "count_retired", leaf, do)


def _drop(house: House, number: int, leaf: str) -> Step:
    def do() -> str:
        house.conn.execute(query("drop_retired"), {"id": number})
        return "dropped"

    step = attempt(house, "drop_retired", leaf, do)
    trouble = None if step.outcome is Outcome.OK else step.detail
    house.conn.execute(query("note_retired"), {"id": number, "trouble": trouble})
    return step
