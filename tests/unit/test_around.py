"""Which event a read is made without, and that nothing else is passed over for it."""

from __future__ import annotations

from collections.abc import Callable

import hypothesis.strategies as st
import psycopg
import pytest
from hypothesis import given
from psycopg import errors

from bridge.event import EVENT_QUEUE, Event
from bridge.postgres.around import EVERY, ScanRows, read_around
from bridge.shard.parked import Parked, Released, State
from bridge.shard.ports import Free, Read
from bridge.shard.position import Scan, Snapshot

NOTHING = Snapshot(0, 0, ())


class Rows:
    """Rows of two sources, each read up to its own bound, like the statements; `bad` ones fail them with content."""

    def __init__(self, first: set[int], second: set[int], bad: set[int]) -> None:
        self.sources, self.bad = (first, second), bad
        self.chance = 0  # so many reads fail for no reason of a row

    def read(self, rows: int, *, whole_below: int = EVERY, last: int = EVERY) -> Read:
        """`read_pending.sql`."""
        events = self._events(rows, whole_below, last)
        last_seq = events[-1].seq if events else None
        is_full = len(events) == rows
        if not is_full and last < EVERY:
            last_seq = last
        return Read(Scan(last_seq, is_full or last < EVERY, NOTHING, 0), tuple(events), {}, 0, {})

    def free(self, rows: int, *, whole_below: int = EVERY, last: int = EVERY) -> Free:
        """`read_parked.sql`."""
        events = self._events(rows, whole_below, last)
        released = [Released(event, Parked.of(event, "t", State.WAITING, blocks=True)) for event in events]
        return Free(tuple(released), len(events) == rows or last < EVERY)

    def _events(self, rows: int, whole_below: int, last: int) -> list[Event]:
        if self.chance:
            self.chance -= 1
            raise errors.InternalError_()
        found = [seq for source in self.sources for seq in sorted(seq for seq in source if seq <= last)[:rows]]
        if any(seq in self.bad and seq < whole_below for seq in found):
            raise errors.ProgramLimitExceeded()
        seqs = sorted(found)[:rows]
        return [Event(EVENT_QUEUE, seq, "", "t", "k", "{}" if seq < whole_below else "", None, 0) for seq in seqs]


def events_of(answer: Read | Free) -> list[Event]:
    return list(answer.events) if isinstance(answer, Read) else [event for event, _ in answer.released]


def drained(table: Rows, scan: ScanRows[Read] | ScanRows[Free], rows: int) -> list[Event]:
    """All that is read, in the order of reading; nothing below what a read says that it has passed is left."""
    read: list[Event] = []
    while table.sources[0] or table.sources[1]:
        answer: Read | Free
        try:
            answer = scan(rows)
        except psycopg.Error:
            answer = read_around(scan, rows)  # type: ignore[type-var, assignment]
        events = events_of(answer)
        assert events
        for event in events:
            for source in table.sources:
                source.discard(event.seq)
        left = table.sources[0] | table.sources[1]
        if isinstance(answer, Read):
            assert not [seq for seq in left if answer.scan.last_seq is not None and seq <= answer.scan.last_seq]
            assert answer.scan.cut or not left
        else:
            assert answer.is_full or not left
        read += events
    return read


SEQS = st.sets(st.integers(1, 60))


@pytest.mark.parametrize("scan", [lambda table: table.read, lambda table: table.free], ids=["read", "free"])
@given(SEQS, SEQS, SEQS, st.integers(1, 20))
def test_each_is_read_whole_but_the_bad_ones(
    scan: Callable[[Rows], ScanRows[Read] | ScanRows[Free]], first: set[int], second: set[int], bad: set[int], rows: int
) -> None:
    second -= first
    table = Rows(set(first), set(second), bad)
    read = drained(table, scan(table), rows)
    assert [event.seq for event in read] == sorted(first | second)
    assert {event.seq for event in read if not event.payload} == (first | second) & bad


@pytest.mark.parametrize("failures", [1, 2, 3])
def test_chance_blames_nobody(failures: int) -> None:
    table = Rows({1, 2, 3, 4}, set(), set())
    read_first = table.read(4)
    table.chance = failures
    try:
        read = read_around(table.read, 4)
    except psycopg.Error:
        return  # raised, and tried again later
    assert read == read_first
