"""The outbox as far as reading depends on it: transaction ids, snapshots, late commits, and each key's shard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from bridge.shard.position import Scan, Snapshot, Start, sees

EVERY = 1 << 63


def hash_of(key: str) -> int:
    return ord(key)


@dataclass(frozen=True)
class Row:
    """An event; `due_at` 0: at once."""

    seq: int
    xid: int
    key: str
    event_type: str = "x"
    due_at: float = 0.0
    shard: int = 0


@dataclass
class Outbox:
    """Transactions, rows and snapshots as Postgres has them; rows are never updated."""

    next_xid: int = 3
    completed: int = 2  # the highest id that has ended
    seq: int = 0
    running: dict[int, set[str]] = field(default_factory=dict)  # and the keys that each has locked
    aborted: set[int] = field(default_factory=set)
    rows: list[Row] = field(default_factory=list)
    shards: int = 1

    def shard_of(self, key_hash: int) -> int:
        return key_hash % self.shards

    def begin(self) -> int:
        self.running[self.next_xid] = set()
        self.next_xid += 1
        return self.next_xid - 1

    def own(self) -> int:
        """A transaction of the relay's, begun and committed."""
        xid = self.begin()
        self.end(xid, commits=True)
        return xid

    def insert(self, xid: int, key: str, event_type: str = "x", due_at: float = 0.0) -> bool:
        """False: its key's lock is waited for."""
        if any(key in keys for other, keys in self.running.items() if other != xid):
            return False
        self.running[xid].add(key)
        self.seq += 1
        self.rows.append(Row(self.seq, xid, key, event_type, due_at, self.shard_of(hash_of(key))))
        return True

    def end(self, xid: int, *, commits: bool) -> None:
        del self.running[xid]
        self.completed = max(self.completed, xid)
        if not commits:
            self.aborted.add(xid)

    def snapshot(self) -> Snapshot:
        """Ids behind the last one that has ended count as running without being listed."""
        xmax = self.completed + 1
        running = tuple(sorted(xid for xid in self.running if xid < xmax))
        return Snapshot(min(running, default=xmax), xmax, running)

    def committed(self, snapshot: Snapshot | None = None) -> list[Row]:
        snapshot = snapshot or self.snapshot()
        return [row for row in self.rows if sees(snapshot, row.xid) and row.xid not in self.aborted]

    def scan(
        self, start: Start, most: int, passes: int, reached: Callable[[], object], shard: int = 0
    ) -> tuple[list[Row], Scan]:
        """`read_pending.sql`: at most `most` unread rows; no more than `passes` numbers below the cursor are passed.

        `drawn` is looked at a moment after the snapshot.
        """
        snapshot = self.snapshot()
        reached()
        position, late = start.position, start.position.late
        pair, starts, last = position.pair, [position.cursor], EVERY
        if late is not None:
            last = pair.cursor
        else:
            starts += [floor for xid, floor in zip(start.xids, start.floors, strict=True) if sees(snapshot, xid)]
            if snapshot.xmax > start.next_xid:
                starts.append(start.next_floor)
        first = min(starts)
        upto = first + passes if first < pair.cursor - passes else EVERY
        found = [
            row
            for row in self.committed(snapshot)
            if row.shard == shard
            and first < row.seq <= min(upto, last)
            and (row.seq > pair.cursor or not sees(pair.snapshot, row.xid))
            and (late is None or sees(late.snapshot, row.xid))
        ][:most]
        is_full = len(found) == most
        last_seq = found[-1].seq if found else None
        if not is_full and upto < EVERY:
            last_seq = upto
        return found, Scan(last_seq, is_full or upto < EVERY, snapshot, self.seq)
