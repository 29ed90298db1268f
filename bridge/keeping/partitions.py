"""Makes table partitions ahead of time, and gives rows that had none a partition of their own.

Many such rows stay where they are: the default partition becomes an ordinary one, and a new one takes its place. Few
are moved.

Each partition has a transaction of its own, so that no lock is held for longer than one takes, and none while another
is waited for. Where a lock is not to be had, the table is left to the next run: half a second in which others wait
behind us is what a try may cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from bridge.keeping.step import House, Outcome, Step, attempt
from bridge.postgres.queries import query

MOST_SLICES = 1_000  # of one table, in one run; what is left, the next one does
REST_SECONDS = 0.05  # between slices, for those who waited


class Parent(NamedTuple):
    """One table that the keeper makes partitions of."""

    oid: int
    name: str


def keep_partitions(house: House) -> Iterator[Step]:
    """The job `partitions`."""
    for row in house.conn.execute(query("partitioned_tables")).fetchall():
        yield from _fill_gaps(house, Parent(*row))
    # In a transaction of its own, because it locks partitions against writers, who are done with them.
    step = attempt(house, "finish_partitions", "bridge.finished", lambda: _value(house, "finish_partitions"))
    if step.outcome is not Outcome.OK:
        yield step


def _fill_gaps(house: House, parent: Parent) -> Iterator[Step]:
    of_parent = {"parent": parent.oid}
    adopted = attempt(house, "adopt_default", parent.name, lambda: _value(house, "adopt_default", of_parent))
    if adopted.outcome is not Outcome.OK or adopted.detail:
        yield adopted
    failed: set[str] = set()  # by their end: a slice that was moved changes a gap's beginning
    gaps: list[tuple[str, str]] = []

    def look() -> str:
        gaps[:] = house.conn.execute(query("partition_gaps"), of_parent).fetchall()
        return ""

    for _ in range(MOST_SLICES):
        looked = attempt(house, "partition_gaps", parent.name, look)
        if looked.outcome is not Outcome.OK:
            yield looked
            return
        gap = next((gap for gap in gaps if gap[1] not in failed), None)
        if gap is None:
            return
        step = _create(house, parent, *gap)
        yield step
        if step.outcome is Outcome.BUSY:
            return
        if step.outcome is Outcome.ERROR:
            failed.add(gap[1])
        if not house.pause(REST_SECONDS):
            return


def _create(house: House, parent: Parent, range_from: str, range_to: str) -> Step:
    gap = {"parent": parent.oid, "range_from": range_from, "range_to": range_to}
    return attempt(house, "create_partition", parent.name, lambda: _value(house, "create_partition", gap))


def _value(house: House, name: str, parameters: Mapping[str, object] | None = None) -> str:
    row = house.conn.execute(query(name), parameters).fetchone()
    return "" if row is None or row[0] is None else str(row[0])
