"""Which event a read is made without, and that nothing else is passed over for it."""

from __future__ import annotations

import hypothesis.strategies as st
import psycopg
import pytest
from hypothesis import given
from psycopg import errors

from bridge.event import EVENT_QUEUE, Event
from bridge.postgres.around import EVERY, read_around
from bridge.shard.position import Scan, Snapshot


class Rows:
    """Rows of two sources, each read up to its own bound, like the statement; `bad` ones fail it with their content."""

    def __init__(self, first: set[int], second: set[int], bad: set[int]) -> None:
        self.sources, self.bad = (first, second), bad
        self.chance = 0  # so many reads fail for no reason of a row

    def __call__(self, rows: int, *, whole_below: int = EVERY, last: int = EVERY) -> Scan:
        if self.chance:
            self.chance -= 1
            raise errors.InternalError_()
        found = [seq for source in self.sources for seq in sorted(seq for seq in source if seq <= last)[:rows]]
        if any(seq in self.bad and seq < whole_below for seq in found):
            raise errors.ProgramLimitExceeded()
        seqs = sorted(found)[:rows]
        events = [Event(EVENT_QUEUE, seq, "", "t", "k", "{}" if seq < whole_below else "", None, 0) for seq in seqs]
        return Scan(tuple(events), (), seqs[-1] if seqs else None, len(seqs) == rows, Snapshot(0, 0, ()), 0, 0)


SEQS = st.sets(st.integers(1, 60))


@given(SEQS, SEQS, SEQS, st.integers(1, 20))
def test_each_is_read_whole_but_the_bad_ones(first: set[int], second: set[int], bad: set[int], rows: int) -> None:
    second -= first
    table = Rows(set(first), set(second), bad)
    read: list[Event] = []
    while table.sources[0] or table.sources[1]:
        try:
            scan = table(rows)
        except psycopg.Error:
            scan = read_around(table, rows)
        assert scan.events
        for event in scan.events:
            for source in table.sources:
                source.discard(event.seq)
        read += scan.events
    assert [event.seq for event in read] == sorted(first | second)
    assert {event.seq for event in read if not event.payload} == (first | second) & bad


@pytest.mark.parametrize("failures", [1, 2, 3])
def test_chance_blames_nobody(failures: int) -> None:
    table = Rows({1, 2, 3, 4}, set(), set())
    read_first = table(4)
    table.chance = failures
    try:
        scan = read_around(table, 4)
    except psycopg.Error:
        return  # raised, and tried again later
    assert scan == read_first
