"""Which events of a shard have been read, and where the next scan starts: the outbox is never updated.

The *position* says it: read are exactly the rows with a number up to the cursor that its snapshot sees. Numbers (`seq`)
are drawn before commit, so the next scan finds new rows above the cursor, and late commits below it, by their
transaction, which the last snapshot could not see. If a scan is cut off below the cursor, both pairs are kept until
the rest was read as the newer snapshot saw it: there are never more than two.

Where a scan starts, memory tells (`Scanner`), which dies with the connection:

* A *checkpoint* (s, x) says: the sequence stood at s before the relay's own transaction id x was assigned. Writers are
  assigned their id before they draw a number, hence every transaction with an id above x draws above s. The *floor* of
  a transaction is the highest such s: all its numbers lie above it.
* The scan starts at the lowest floor of the transactions that have ended since the last snapshot; the comparison
  happens in the statement that reads, because only that statement's snapshot counts.
* `scan_from`, which is part of the position, is the floor of the oldest transaction that was still running: below it
  no commit can appear any more. A taker knows no floors, and starts there once.

Attacked with models before it was built; each rule that they gave is a mutation that `tests/model` notices. Snapshots
as in https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import NamedTuple

MOST_CHECKPOINTS = 1000


class Snapshot(NamedTuple):
    """`pg_current_snapshot()`: all ids below `xmin` are done, those in `running` and from `xmax` on are not."""

    xmin: int
    xmax: int
    running: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> Snapshot:
        """Read Postgres' text form, `xmin:xmax:xid,xid`."""
        xmin, xmax, running = text.split(":")
        return cls(int(xmin), int(xmax), tuple(map(int, running.split(","))) if running else ())

    def __str__(self) -> str:
        return f"{self.xmin}:{self.xmax}:{','.join(map(str, self.running))}"


def sees(snapshot: Snapshot, xid: int) -> bool:
    """`pg_visible_in_snapshot()`."""
    return xid < snapshot.xmax and xid not in snapshot.running


NOTHING_SEEN = Snapshot(1, 1, ())  # no transaction has a lower id


class Pair(NamedTuple):
    """Read are the rows with a number up to `cursor` that `snapshot` sees."""

    cursor: int
    snapshot: Snapshot

    def has(self, seq: int, xid: int) -> bool:
        """Whether a row is among them."""
        return seq <= self.cursor and sees(self.snapshot, xid)


class Position(NamedTuple):
    """What has been read of a shard; kept in `bridge.shard`.

    Everything up to `scan_from` is read, too. `late` belongs to a newer scan that was cut off below `pair.cursor`.
    """

    scan_from: int
    pair: Pair
    late: Pair | None = None

    @classmethod
    def first(cls) -> Position:
        """Nothing is read."""
        return cls(0, Pair(0, NOTHING_SEEN))

    def has_read(self, seq: int, xid: int) -> bool:
        """Whether a row was read; the view `event_queue` says the same in SQL."""
        return self.pair.has(seq, xid) or (self.late is not None and self.late.has(seq, xid))

    @property
    def seen(self) -> Snapshot:
        """Of the newest scan that has begun."""
        return (self.late or self.pair).snapshot

    @property
    def cursor(self) -> int:
        """Below it nothing is left but what that snapshot could not see."""
        return (self.late or self.pair).cursor


class Start(NamedTuple):
    """What the reading statement needs to find its start."""

    position: Position
    xids: tuple[int, ...]
    floors: tuple[int, ...]
    next_xid: int
    next_floor: int


class Scan(NamedTuple):
    """One read: the last number that was passed, if any row was; `cut`: there may be more behind it.

    `drawn` bounds the numbers drawn before the scan's snapshot.
    """

    last_seq: int | None
    cut: bool
    snapshot: Snapshot
    drawn: int


class Scanner:
    """Where the next scan starts; for one connection, because ids and numbers may be others' after a crash."""

    def __init__(self, position: Position) -> None:
        """`position` as it is settled in the database."""
        self.position = position  # behind the last scan
        self.drawn = position.scan_from
        self._seqs = [position.scan_from]  # checkpoints, ascending in both
        self._xids = [0]

    def start(self) -> Start:
        """Parameters for the next scan.

        A catch-up reads on where the late scan was cut off, as that snapshot saw it, up to the older cursor.
        """
        seen, cursor = self.position.seen, self.position.cursor
        below = [(xid, floor) for xid in seen.running if (floor := self._floor(xid)) < cursor]
        xids, floors = tuple([xid for xid, _ in below]), tuple([floor for _, floor in below])
        return Start(self.position, xids, floors, seen.xmax, self._floor(seen.xmax))

    def scanned(self, scan: Scan) -> Position:
        """Take note of a scan; the position behind it."""
        old = self.position
        if old.late is not None:
            pair, late = self._caught_up(scan, old, old.late)
        else:
            pair, late = self._advanced(scan, old)
        self.drawn = scan.drawn
        lowest = (late or pair).cursor
        seen = (late or pair).snapshot
        self.position = Position(max(old.scan_from, min(lowest, self._floor(seen.xmin))), pair, late)
        keep = max(bisect_left(self._xids, seen.xmin) - 1, 0)  # the last checkpoint below all that is running
        del self._seqs[:keep], self._xids[:keep]
        return self.position

    def claimed(self, drawn: int, xid: int) -> None:
        """Take note that the sequence stood at `drawn` before the relay's own transaction `xid` began.

        `drawn` was received before the claim was sent. Beside a long transaction there would be one for each claim;
        leaving some out makes floors lower, so that scans pass more rows, and nothing else.
        """
        if drawn > self._seqs[-1]:
            self._seqs.append(drawn)
            self._xids.append(xid)
        if len(self._seqs) > MOST_CHECKPOINTS:
            del self._seqs[1:-1:2], self._xids[1:-1:2]

    @staticmethod
    def _caught_up(scan: Scan, old: Position, late: Pair) -> tuple[Pair, Pair | None]:
        if scan.cut and scan.last_seq is not None:
            return old.pair, Pair(scan.last_seq, late.snapshot)
        return Pair(old.pair.cursor, late.snapshot), None  # not the catch-up's own snapshot: it read what `late` saw

    @staticmethod
    def _advanced(scan: Scan, old: Position) -> tuple[Pair, Pair | None]:
        last = scan.last_seq if scan.last_seq is not None else 0
        if not scan.cut:
            return Pair(max(old.pair.cursor, last, scan.drawn), scan.snapshot), None
        if last >= old.pair.cursor:
            return Pair(last, scan.snapshot), None
        return old.pair, Pair(last, scan.snapshot)

    def _floor(self, xid: int) -> int:
        return self._seqs[max(bisect_left(self._xids, xid) - 1, 0)]
