"""Takes table partitions out whose time is over, and drops them where that is their end.

Out, counted, dropped: three transactions for each, so that the table is locked only for as long as its catalog entry
takes to change. What a run did not come to, the next one does: where each partition stands is in the database
(`bridge.retired_partition`). Cold files are another job's (`cold_files.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from bridge.keeping.step import House, Outcome, Step, attempt
from bridge.postgres.queries import query

BUSY_TRIES = 3  # of one table in one run: its writers may wait half a second behind each, and again behind the next


class Due(NamedTuple):
    """A table partition whose time is over; `obstacle`: why it may not leave all the same."""

    oid: int
    leaf: str
    parent: int
    obstacle: str | None


def retire(house: House) -> Iterator[Step]:
    """The job `retention`."""
    busy = Counter[int]()
    for row in house.conn.execute(query("due_partitions")).fetchall():
        due = Due(*row)
        if not house.pause(0):
            return
        # What has an obstacle is told by `bridge status`: it may last for long, and nothing is wrong here.
        if due.obstacle is None and busy[due.parent] < BUSY_TRIES:
            step = _retire(house, due)
            busy[due.parent] += step.outcome is Outcome.BUSY
            yield step
    for number, leaf in house.conn.execute(query("uncounted_retired")).fetchall():
        step = _count(house, number, leaf)
        _note(house, number, step)
        if step.outcome is not Outcome.OK:
            yield step
    for number, leaf in house.conn.execute(query("droppable_retired")).fetchall():
        if not house.pause(0):
            return
        yield _drop(house, number, leaf)


def _retire(house: House, due: Due) -> Step:
    def do() -> str:
        row = house.conn.execute(query("retire_partition"), {"leaf": due.oid}).fetchone()
        return "not due any more" if row is None or row[0] is None else "taken out"

    return attempt(house, "retire_partition", due.leaf, do)


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
    _note(house, number, step)
    return step


def _note(house: House, number: int, step: Step) -> None:
    trouble = None if step.outcome is Outcome.OK else step.detail
    house.conn.execute(query("note_retired"), {"id": number, "trouble": trouble})
