"""Reading by positions (`bridge/shard/position.py`) against all orders in which transactions draw numbers and commit.

Every batch that is read is claimed and published, or forgotten at a takeover; what the position says must at all times
be what is in the log. `test_parking.py` adds events that are not published, `test_model.py` the rest of the protocol.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from model.histories import run
from model.outbox import Outbox

from bridge.shard import position
from bridge.shard.position import Position, Scanner

MOST_OPEN = 4
totals: Counter[str] = Counter()


@dataclass
class Batch:
    """What one scan returned, and the positions before and behind it."""

    seqs: tuple[int, ...]
    before: Position
    behind: Position


class Reading(RuleBasedStateMachine):
    """One shard, one relay, and writers."""

    @initialize(most=st.integers(1, 4), passes=st.sampled_from([1, 2, 4, 1000]), checkpoints=st.sampled_from([3, 1000]))
    def begin_with(self, most: int, passes: int, checkpoints: int) -> None:
        self.most, self.passes, position.MOST_CHECKPOINTS = most, passes, checkpoints
        self.scan_from = 0  # the highest that was ever settled
        self.db = Outbox()
        self.settled = Position.first()
        self.in_flight: Batch | None = None  # claimed
        self.is_published = False
        self.log: list[int] = []
        self.in_hand: Batch | None = None  # read, and not published
        self.scanner = Scanner(self.settled)

    # Writers

    @rule(key=st.sampled_from("ab"))
    def begin(self, key: str) -> None:
        if len(self.db.running) < MOST_OPEN:
            self.db.insert(self.db.begin(), key)

    @rule()
    def begin_and_wait(self) -> None:
        """Its number is drawn long after its id."""
        if len(self.db.running) < MOST_OPEN:
            self.db.begin()

    @precondition(lambda self: self.db.running)
    @rule(data=st.data(), keys=st.text("abc", min_size=1, max_size=12))
    def go_on(self, data: st.DataObject, keys: str) -> None:
        xid = data.draw(st.sampled_from(sorted(self.db.running)))
        for key in keys:
            self.db.insert(xid, key)

    @precondition(lambda self: self.db.running)
    @rule(data=st.data(), commits=st.sampled_from([True, True, True, False]))
    def end(self, data: st.DataObject, commits: bool) -> None:
        self.db.end(data.draw(st.sampled_from(sorted(self.db.running))), commits=commits)

    @rule(keys=st.text("abcd", min_size=1, max_size=4))
    def write(self, keys: str) -> None:
        xid = self.db.begin()
        for key in keys:
            self.db.insert(xid, key)
        self.db.end(xid, commits=True)

    # The relay

    @rule(writes_meanwhile=st.booleans())
    def read(self, writes_meanwhile: bool) -> None:
        """What is empty only moves the position in memory."""
        self._read(writes_meanwhile=writes_meanwhile)

    @rule(batches=st.integers(1, 3))
    def carry(self, batches: int) -> None:
        """As it goes when nothing is in the way."""
        for _ in range(batches):
            self._read()
            self.claim()
            self.publish()

    def _read(self, *, writes_meanwhile: bool = False) -> bool:
        """Whether there may be more."""
        if self.in_hand is not None:
            return True

        def write() -> None:
            if writes_meanwhile and len(self.db.running) < MOST_OPEN:
                self.db.insert(self.db.begin(), "d")

        before = self.scanner.position
        rows, scan = self.db.scan(self.scanner.start(), self.most, self.passes, write)
        behind = self.scanner.scanned(scan)
        totals["two pairs"] += behind.late is not None
        totals["passed"] += scan.cut and not rows
        if rows:
            self.in_hand = Batch(tuple(row.seq for row in rows), before, behind)
        return scan.cut

    @rule()
    def claim(self) -> None:
        """It settles the batch before, and the empty scans since."""
        if self.in_hand is not None and self.in_hand is not self.in_flight:
            self.settled = self.in_hand.before
            self.in_flight, self.is_published = self.in_hand, False
            self._end_transaction()

    @rule()
    def publish(self) -> None:
        if self.in_hand is not None and self.in_hand is self.in_flight:
            self.log += self.in_hand.seqs
            self.is_published, self.in_hand = True, None

    @rule()
    def settle(self) -> None:
        """An idle shard; the position of its last empty scans goes with it."""
        if self.in_hand is None:
            self.settled, self.in_flight = self.scanner.position, None
            self._end_transaction()

    def _end_transaction(self) -> None:
        """The sequence was looked at by the last scan, before this transaction began."""
        self.scanner.claimed(self.scanner.drawn, self.db.own())

    @rule()
    def take_over(self) -> None:
        """Whatever is in memory is gone."""
        if self.in_flight is not None and self.is_published:
            self.settled = self.in_flight.behind
        self.in_flight = self.in_hand = None
        self.db.own()
        self.scanner = Scanner(self.settled)

    # What must hold

    @invariant()
    def holds(self) -> None:
        if not hasattr(self, "db"):
            return
        assert len(set(self.log)) == len(self.log), f"doubled: {self.log}"
        keys, last = {row.seq: row.key for row in self.db.rows}, dict[str, int]()
        for seq in self.log:
            assert last.get(keys[seq], 0) < seq, f"{seq} is out of order: {self.log}"
            last[keys[seq]] = seq
        self._position_is_true(
            self.in_flight.behind if self.in_flight is not None and self.is_published else self.settled
        )

    def _position_is_true(self, now: Position) -> None:
        assert now.scan_from >= self.scan_from, f"it was {self.scan_from}: {now}"
        self.scan_from = now.scan_from
        for row in self.db.rows:
            if row.xid in self.db.running:
                assert not now.has_read(row.seq, row.xid), f"open row {row.seq} counts as read"
                assert row.seq > now.scan_from, f"open row {row.seq} lies below {now.scan_from}"
            elif row.xid not in self.db.aborted:
                assert now.has_read(row.seq, row.xid) == (row.seq in self.log), f"row {row.seq}: {now}"
                assert row.seq > now.scan_from or row.seq in self.log, f"row {row.seq} is below: {now}"

    def teardown(self) -> None:
        """All commit: all is published in the end."""
        if not hasattr(self, "db"):
            return
        for xid in list(self.db.running):
            self.db.end(xid, commits=True)
        for _ in range(50 + 10 * len(self.db.rows)):
            more = self._read()
            self.claim()
            self.publish()
            self.holds()
            if not more and {row.seq for row in self.db.committed()} == set(self.log):
                break
        else:
            raise AssertionError(f"lost: {sorted({row.seq for row in self.db.committed()} - set(self.log))}")
        self.settle()
        while self._read():  # to its end, with a snapshot that sees this transaction
            pass
        self.settle()
        self.holds()
        totals["histories"] += 1


@pytest.mark.timeout(1800)  # the machine may be busy
def test_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost, doubled or out of order, and the position says at all times what is in the log."""
    monkeypatch.setattr(position, "MOST_CHECKPOINTS", position.MOST_CHECKPOINTS)  # histories change it
    totals.clear()
    run(Reading, steps=40)
    print(dict(totals))
