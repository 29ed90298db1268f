"""Where the next scan of one shard starts, so that no event is passed and no key is published out of order.

Numbers (`seq`) are drawn before commit, so an event can appear behind the last one read. To start each scan behind
the last one alone would publish a later event of the same key first; to wait for open writers would stall all. So:

* A *checkpoint* (s, x) says: the sequence stood at s before the relay's own transaction id x was assigned. Writers
  are assigned their id before they draw a number, hence every transaction with an id above x draws above s.
  The *floor* of a transaction is the highest such s: all its numbers lie above it.
* A scan remembers which transactions its snapshot could not see. The next scan starts at the lowest floor among
  those that it can see; all others either were visible before or still are not, and while a transaction is open its
  row locks keep later events of its keys from being written. The comparison happens in the statement that reads,
  because only that statement's snapshot counts (`queries/read_pending.sql`).
* The *watermark* is the floor of the oldest transaction that is still running: below it no commit can appear.

Snapshots as in https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import NamedTuple

from bridge.event import Event


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


class Start(NamedTuple):
    """What the reading statement needs to find its start: see `queries/read_pending.sql`."""

    cursor: int
    scan_from: int
    xids: tuple[int, ...]
    floors: tuple[int, ...]
    next_xid: int
    next_floor: int

    @property
    def lowest(self) -> int:
        """The scan starts here or above."""
        return min(self.cursor, self.next_floor, *self.floors)


@dataclass(frozen=True, slots=True)
class Scan:
    """One read: `events` in order of seq; `deferred` seqs are pending but not due yet.

    `last_seq` is the last one read of either kind; `full` says that the scan was cut off there by rows or bytes.
    `drawn` bounds the numbers drawn from the sequence before the scan's snapshot; `scan_from` is what the ledger said.
    """

    events: tuple[Event, ...]
    deferred: tuple[int, ...]
    last_seq: int | None
    full: bool
    snapshot: Snapshot
    drawn: int
    scan_from: int


class Position:
    """The scan position of one shard; lives as long as the relay holds the shard."""

    def __init__(self, scan_from: int) -> None:
        self.scan_from = scan_from  # as persisted: everything up to here is finished
        self.cursor = scan_from  # everything visible up to here has been read
        self._seqs = [scan_from]  # checkpoints, ascending in both
        self._xids = [0]
        self.seen = Snapshot(0, 0, ())  # by the last scan

    def start(self) -> Start:
        """Parameters for the next scan."""
        open_floors = [(xid, floor) for xid in self.seen.running if (floor := self._floor(xid)) < self.cursor]
        return Start(
            self.cursor,
            self.scan_from,
            tuple([xid for xid, _ in open_floors]),
            tuple([floor for _, floor in open_floors]),
            self.seen.xmax,
            self._floor(self.seen.xmax),
        )

    def scanned(self, scan: Scan) -> None:
        """Take note of a scan."""
        if scan.last_seq is not None:
            self.cursor = scan.last_seq if scan.full else max(self.cursor, scan.last_seq)
        self.scan_from = min(self.scan_from, scan.scan_from)  # a retry set it back, and this scan began there
        self.seen = scan.snapshot
        keep = bisect_left(self._xids, scan.snapshot.xmin) - 1  # the last checkpoint below all that is running
        del self._seqs[:keep], self._xids[:keep]

    def checkpoint(self, seq: int, xid: int) -> None:
        """Take note that the sequence stood at `seq` before the relay's own transaction `xid` began."""
        self._seqs.append(seq)
        self._xids.append(xid)

    def watermark(self) -> int:
        """Below this no commit can appear any more, as of the last scan."""
        return self._floor(self.seen.xmin)

    def finished(self, lowest_unfinished: int | None) -> int:
        """The new `scan_from`, once everything read is finished but for what starts at `lowest_unfinished`."""
        done = min(self.cursor, self.watermark())
        if lowest_unfinished is not None:
            done = min(done, lowest_unfinished - 1)
        return max(done, self.scan_from)

    def rewind(self) -> None:
        """Start the next scan from `scan_from`: finds what was retried, released or has become due."""
        self.cursor = self.scan_from

    def _floor(self, xid: int) -> int:
        return self._seqs[max(bisect_left(self._xids, xid) - 1, 0)]
