"""Positions, a few of them by hand; `tests/model/test_reading.py` has the arithmetic against random schedules."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from bridge.shard.position import (
    MOST_CHECKPOINTS,
    Pair,
    Position,
    Scan,
    Scanner,
    Snapshot,
    Start,
    sees,
)

XIDS = st.integers(1, 1 << 62)


def everything_to(xid: int) -> Snapshot:
    """All up to this id are done."""
    return Snapshot(xid + 1, xid + 1, ())


def test_snapshot_is_read_from_its_text() -> None:
    assert Snapshot.parse("10:20:11,15") == Snapshot(10, 20, (11, 15))
    assert Snapshot.parse("10:10:") == Snapshot(10, 10, ())


@given(st.builds(Snapshot, XIDS, XIDS, st.lists(XIDS).map(tuple)))
def test_its_text_is_postgres_own(snapshot: Snapshot) -> None:
    assert Snapshot.parse(str(snapshot)) == snapshot


def test_it_sees_what_has_ended() -> None:
    snapshot = Snapshot(10, 20, (10, 15))
    assert [xid for xid in range(8, 23) if not sees(snapshot, xid)] == [10, 15, 20, 21, 22]


@pytest.mark.parametrize(
    ("seq", "xid", "is_read"),
    [
        (30, 14, True),
        (30, 15, False),  # was running
        (31, 14, False),  # above the cursor
        (12, 15, True),  # of the newer scan
        (13, 15, False),  # where that was cut off
        (12, 25, False),  # not even that has seen it
        (30, 22, False),
    ],
)
def test_read_is_what_one_of_its_pairs_has(seq: int, xid: int, is_read: bool) -> None:
    position = Position(5, Pair(30, Snapshot(15, 20, (15,))), Pair(12, Snapshot(25, 25, ())))
    assert position.has_read(seq, xid) is is_read


def test_at_first_nothing_is_read() -> None:
    assert not Position.first().has_read(1, 3)
    assert Scanner(Position.first()).start() == Start(Position.first(), (), (), 1, 0)


def test_a_scan_that_is_not_cut_moves_the_cursor_to_what_was_drawn() -> None:
    """Also where it has found nothing: an idle shard's next scan does not pass all that was read before."""
    scanner = Scanner(Position.first())
    behind = scanner.scanned(Scan(None, False, everything_to(10), 40))
    assert behind == scanner.position == Position(0, Pair(40, everything_to(10)))
    assert scanner.scanned(Scan(50, False, everything_to(20), 60)).pair.cursor == 60


def test_a_scan_that_is_cut_moves_the_cursor_to_its_last_row() -> None:
    """Not to what was drawn: the rest is not read."""
    scanner = Scanner(Position.first())
    assert scanner.scanned(Scan(7, True, everything_to(10), 40)).pair == Pair(7, everything_to(10))
    assert scanner.scanned(Scan(9, True, everything_to(12), 41)).pair == Pair(9, everything_to(12))


def test_a_scan_that_is_cut_below_the_cursor_keeps_two_pairs() -> None:
    """And the rest is read as the newer snapshot saw it, up to the older cursor, before anything else."""
    old, newer = Pair(30, Snapshot(5, 10, (5,))), everything_to(12)
    scanner = Scanner(Position(0, old))
    cut = scanner.scanned(Scan(9, True, newer, 35))
    assert (cut.pair, cut.late) == (old, Pair(9, newer))
    assert (cut.cursor, cut.seen) == (9, newer)
    further = scanner.scanned(Scan(12, True, everything_to(20), 36))  # a catch-up's own snapshot counts for nothing
    assert (further.pair, further.late) == (old, Pair(12, newer))
    done = scanner.scanned(Scan(None, False, everything_to(25), 37))
    assert (done.pair, done.late) == (Pair(30, newer), None)


def test_a_scan_that_passed_only_what_was_read_keeps_two_pairs_too() -> None:
    """Its snapshot has begun; nothing was returned."""
    old = Pair(300, Snapshot(5, 10, (5,)))
    assert Scanner(Position(0, old)).scanned(Scan(200, True, everything_to(12), 300)).late == Pair(
        200, everything_to(12)
    )


def test_the_next_scan_starts_at_the_floor_of_what_may_have_ended() -> None:
    scanner = Scanner(Position.first())
    scanner.claimed(10, 100)
    scanner.claimed(20, 200)
    scanner.scanned(Scan(30, False, Snapshot(50, 300, (50, 150, 250)), 40))
    start = scanner.start()
    assert dict(zip(start.xids, start.floors, strict=True)) == {50: 0, 150: 10, 250: 20}
    assert (start.next_xid, start.next_floor) == (300, 20)
    assert start.position.scan_from == 0
    assert scanner.scanned(Scan(None, False, Snapshot(250, 300, (250,)), 40)).scan_from == 20


def test_a_claim_that_drew_nothing_is_no_checkpoint() -> None:
    """It would say what the one before says, of fewer transactions."""
    scanner = Scanner(Position.first())
    for xid in (100, 200, 300):
        scanner.claimed(10, xid)
    assert len(scanner._seqs) == 2
    scanner.scanned(Scan(None, False, Snapshot(150, 400, (150,)), 40))
    assert scanner.start().floors == (10,)


def test_checkpoints_beside_a_long_transaction_are_thinned() -> None:
    """Floors are never too high, and the newest and the oldest are kept."""
    scanner = Scanner(Position.first())
    scanner.scanned(Scan(None, False, Snapshot(3, 3, ()), 0))
    for number in range(1, 20 * MOST_CHECKPOINTS):
        scanner.claimed(10 * number, 5 * number)
        assert len(scanner._seqs) <= MOST_CHECKPOINTS + 1
    running = (3, *range(7, 100 * MOST_CHECKPOINTS, 5))
    scanner.scanned(Scan(None, False, Snapshot(3, running[-1] + 5, running), 200 * MOST_CHECKPOINTS))
    start = scanner.start()
    assert start.floors[0] == 0
    for xid, floor in zip(start.xids, start.floors, strict=True):
        assert floor <= 10 * (xid // 5)
    assert start.next_floor == 10 * (20 * MOST_CHECKPOINTS - 1)
