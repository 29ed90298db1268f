"""The arithmetic of scan positions, against a model of Postgres' snapshots with random schedules."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from bridge.shard.position import Position, Scan, Snapshot, Start


@dataclass
class Model:
    """Just enough of Postgres: transaction ids in order, numbers drawn before commit, snapshots."""

    next_xid: int = 10
    next_seq: int = 1
    open: dict[int, list[tuple[int, str]]] = field(default_factory=dict)  # xid -> (seq, key)
    rows: list[tuple[int, str, int]] = field(default_factory=list)  # seq, key, xid of what is committed
    latest_completed: int = 9

    def begin(self) -> int:
        self.next_xid += 1
        self.open[self.next_xid] = []
        return self.next_xid

    def write(self, xid: int, key: str) -> None:
        self.open[xid].append((self.next_seq, key))
        self.next_seq += 1

    def locked(self, key: str) -> bool:
        return any(key == k for rows in self.open.values() for _, k in rows)

    def commit(self, xid: int) -> None:
        self.rows += [(seq, key, xid) for seq, key in self.open.pop(xid)]
        self.latest_completed = max(self.latest_completed, xid)

    def snapshot(self) -> Snapshot:
        """As GetSnapshotData: ids from the latest completed on count as running without being listed."""
        xmax = self.latest_completed + 1
        running = tuple(sorted(xid for xid in self.open if xid < xmax))
        return Snapshot(min(self.open, default=xmax) if self.open and min(self.open) < xmax else xmax, xmax, running)


def first_seq(start: Start, now: Snapshot) -> int:
    """`read_pending.sql`'s CTE."""
    visible = [f for x, f in zip(start.xids, start.floors, strict=True) if x < now.xmax and x not in now.running]
    ahead = [start.next_floor] if now.xmax > start.next_xid else []
    return min([start.cursor, *visible, *ahead])


def scan(now: Snapshot, batch: list[tuple[int, str, int]], *, full: bool) -> Scan:
    last = batch[-1][0] if batch else None
    return Scan([], [], last, full, now, drawn=0, scan_from=1 << 60)


def run(seed: int, steps: int = 300) -> None:
    rng = random.Random(seed)
    model, position = Model(), Position(0)
    read: set[int] = set()
    last: dict[str, int] = {}
    for _ in range(steps):
        action = rng.random()
        if action < 0.25:
            model.begin()
        elif action < 0.55 and model.open:
            xid, key = rng.choice(list(model.open)), rng.choice("abcde")
            if not model.locked(key) or any(key == k for _, k in model.open[xid]):
                model.write(xid, key)
        elif action < 0.75 and model.open:
            model.commit(rng.choice(list(model.open)))
        else:
            start, now, drawn = position.start(), model.snapshot(), model.next_seq - 1
            first, limit = first_seq(start, now), rng.choice((1, 2, 5, 1000))
            assert first >= start.lowest
            batch = sorted(row for row in model.rows if row[0] > first and row[0] not in read)[:limit]
            position.scanned(scan(now, batch, full=len(batch) == limit))
            for seq, key, _ in batch:
                assert seq > last.get(key, 0), f"seed {seed}: {key} out of order"
                last[key] = seq
                read.add(seq)
            unfinished = [seq for rows in model.open.values() for seq, _ in rows]
            unfinished += [seq for seq, _, _ in model.rows if seq not in read]
            finished = position.finished(None)
            assert finished < min(unfinished, default=finished + 1), f"seed {seed}: passed an event"
            claim = model.begin()
            model.commit(claim)
            position.checkpoint(drawn, claim)
    for xid in list(model.open):
        model.commit(xid)
    for _ in range(2):
        first = first_seq(position.start(), model.snapshot())
        batch = sorted(row for row in model.rows if row[0] > first and row[0] not in read)
        position.scanned(scan(model.snapshot(), batch, full=False))
        read.update(seq for seq, _, _ in batch)
    assert read == {seq for seq, _, _ in model.rows}, f"seed {seed}: events were passed"


def run_many(seeds: int) -> None:
    for seed in range(seeds):
        run(seed)


def test_no_schedule_loses_or_reorders() -> None:
    run_many(1500)


def test_a_cursor_alone_would_reorder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model notices when the protection is gone."""
    cursor_only = lambda self: Start(self.cursor, self.scan_from, [], [], 1 << 60, self.cursor)  # noqa: E731
    monkeypatch.setattr(Position, "start", cursor_only)
    with pytest.raises(AssertionError, match=r"out of order|passed"):
        run_many(200)


def test_snapshot_is_read_from_its_text() -> None:
    assert Snapshot.parse("10:20:11,15") == Snapshot(10, 20, (11, 15))
    assert Snapshot.parse("10:10:") == Snapshot(10, 10, ())
