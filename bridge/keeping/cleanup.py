"""Removes what the keeping of a database itself leaves behind: old ticks, parked events that are done with, logs."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.keeping.step import House, Outcome, Step, attempt
from bridge.postgres.queries import query
from bridge.text import counted

SLICE = 10_000


def clean_up(house: House) -> Iterator[Step]:
    """The job `cleanup`."""
    removed: dict[str, int] = {}

    def do() -> str:
        while house.pause(0):
            slices: dict[str, int] = dict(house.conn.execute(query("clean_up"), {"most": SLICE}).fetchall())
            for target, rows in slices.items():
                removed[target] = removed.get(target, 0) + rows
            if max(slices.values()) < SLICE:
                break
        return ", ".join(f"{counted(rows, 'row')} of {target}" for target, rows in removed.items() if rows)

    step = attempt(house, "clean_up", "bridge", do)
    if step.outcome is not Outcome.OK or step.detail:
        yield step
