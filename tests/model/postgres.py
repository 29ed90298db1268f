"""Postgres as far as the protocol depends on it: transaction ids, snapshots, row locks, late commits, one ledger row.

Every method is one transaction of the relay's or one statement of a writer's, and atomic: the row lock on
`bridge.shard` makes it so in the real one. Statements as in `bridge/postgres/queries/`.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import timedelta

from bridge.errors import LeaseLost
from bridge.event import EVENT_QUEUE, Event
from bridge.shard.ledger import EPOCH, NOTHING, Ledger, Outcomes, Written
from bridge.shard.position import Scan, Snapshot, Start

BATCH_ROWS = 3


@dataclass
class Row:
    """An event; `text` says how it behaves: "", "poison" (cannot be encoded) or "large" (the topic refuses it)."""

    id: str
    seq: int
    xid: int
    event_type: str
    key: str
    written_us: int
    text: str = ""
    due_at: float = 0.0
    status: str = "PENDING"
    deaths: int = 0


@dataclass
class Postgres:
    """One database with one shard."""

    rows: list[Row] = field(default_factory=list)
    running: dict[int, set[str]] = field(default_factory=dict)  # open writers: xid, and the keys they have locked
    aborted: set[int] = field(default_factory=set)
    next_xid: int = 10
    seq: int = 0
    ledger: Ledger = field(default=Ledger(0, "", 0, 0, None, None, NOTHING, 0))
    lease_until: float = 0.0
    stopped: str = ""  # why the shard is
    witness: int = 0  # of the last takeover since the server began; a crash and a failover empty it
    renumber: bool = False  # because the sequence was set back
    dead: dict[str, tuple[int, str]] = field(default_factory=dict)  # dead_event: id to seq and key
    session: int = 0  # a restart ends all sessions
    on_disk: Postgres | None = None  # what a crash leaves, if marks were written since the last durable commit
    now: float = 0.0

    # Writers

    def begin(self) -> int:
        self.next_xid += 1
        self.running[self.next_xid - 1] = set()
        return self.next_xid - 1

    def insert(self, xid: int, id_: str, event_type: str, key: str, text: str = "", due_at: float = 0.0) -> None:
        """Insert an event, having locked its key; the number is drawn after the transaction's id."""
        assert not self.is_locked(key, but_by=xid), "the key's row lock was not awaited"
        self.running[xid].add(key)
        self.seq += 1
        written_us = 10_000 * len(self.rows)  # further apart than times are inexact
        self.rows.append(Row(id_, self.seq, xid, event_type, key, written_us, text, due_at))

    def is_locked(self, key: str, *, but_by: int = 0) -> bool:
        return any(key in keys for xid, keys in self.running.items() if xid != but_by)

    def commit(self, xid: int) -> None:
        del self.running[xid]
        self.on_disk = None

    def roll_back(self, xid: int) -> None:
        del self.running[xid]
        self.aborted.add(xid)

    def committed(self) -> list[Row]:
        return [row for row in self.rows if row.xid not in self.running and row.xid not in self.aborted]

    def crashed(self, *, is_hidden: bool) -> Postgres:
        """The database after a restart: what was not durable yet is gone."""
        return self.restored(self.on_disk or self, is_hidden=is_hidden)

    def retry_dead(self, id_: str) -> None:
        (row,) = (row for row in self.rows if row.id == id_)
        row.status = "PENDING"
        self.skip_dead(id_)

    @staticmethod
    def _is_in_time(row: Row, outcomes: Outcomes) -> bool:
        at = EPOCH + timedelta(microseconds=row.written_us)
        return outcomes.first_at is not None and outcomes.first_at <= at <= outcomes.last_at

    def _is_held(self, held: Ledger) -> bool:
        return (self.ledger.owner, self.ledger.generation) == (held.owner, held.generation)

    def skip_dead(self, id_: str) -> None:
        self.on_disk = None
        seq, _ = self.dead.pop(id_)
        self.ledger = replace(self.ledger, scan_from=min(self.ledger.scan_from, seq) - 1)

    def restored(self, backup: Postgres, *, is_hidden: bool = False) -> Postgres:
        """The database as it was when `backup` was taken; open transactions are gone, and so are all sessions.

        `is_hidden`: but those of a pooler, whose clients notice nothing.
        """
        new = copy.deepcopy(backup)
        new.witness = 0
        new.aborted |= set(new.running)
        new.running = {}
        new.session, new.now, new.on_disk = self.session + (not is_hidden), self.now, None
        return new

    # The relay: bridge.postgres.store.Store

    def take(self, owner: str, lease_seconds: float, nonce: int) -> Ledger:
        if self.stopped or (self.ledger.owner not in ("", owner) and self.lease_until >= self.now):
            raise LeaseLost("held by another relay")
        self.on_disk = None
        self.ledger = replace(self.ledger, owner=owner, generation=self.ledger.generation + 1)
        self.lease_until = self.now + lease_seconds
        self.witness = nonce
        return self.ledger

    def stop(self, held: Ledger, reason: str, *, renumber: bool) -> bool:
        if not self._is_held(held):
            return False
        self.on_disk = None
        self.ledger, self.stopped, self.renumber = replace(self.ledger, owner=""), reason, renumber
        return True

    def repair_numbers(self) -> None:
        """While nobody writes: the real one locks the tables."""
        assert not self.running
        self.seq = max(self.seq, self.numbers()[1])
        in_flight = self.ledger.outcomes
        for row in sorted(self.committed(), key=lambda row: row.written_us):
            if row.status == "PENDING" and not (row.seq in in_flight.seqs and self._is_in_time(row, in_flight)):
                self.seq += 1
                row.seq = self.seq
        self.renumber = False

    def release(self, held: Ledger) -> None:
        if self._is_held(held):
            self.on_disk = None
            self.ledger = replace(self.ledger, owner="")

    def read(self, start: Start, in_flight: Collection[int], held: Collection[str], limit: int | None) -> Scan:
        _, snapshot = self.look()
        starts = [start.cursor]
        starts += [floor for xid, floor in zip(start.xids, start.floors, strict=True) if xid not in self.running]
        if snapshot.xmax > start.next_xid:
            starts.append(start.next_floor)
        if self.ledger.scan_from < start.scan_from:
            starts.append(self.ledger.scan_from)
        dead: dict[str, int] = {}  # the lowest seq of each key
        for seq, key in self.dead.values():
            dead[key] = min(seq, dead.get(key, seq))
        most = min(BATCH_ROWS, limit or BATCH_ROWS)
        rows = [
            row
            for row in sorted(self.committed(), key=lambda row: row.seq)
            if row.seq > min(starts) and row.status == "PENDING" and row.seq not in in_flight
            and row.event_type not in held and row.seq <= dead.get(row.key, row.seq)
        ][:most]  # fmt: skip
        return Scan(
            tuple(Event(EVENT_QUEUE, row.seq, row.id, row.event_type, row.key, row.text, None, row.written_us)
             for row in rows if row.due_at <= self.now),
            tuple(row.seq for row in rows if row.due_at > self.now),
            rows[-1].seq if rows else None,
            len(rows) == most,
            snapshot,
            self.seq,
            self.ledger.scan_from,
        )  # fmt: skip

    def look(self) -> tuple[int, Snapshot]:
        running = tuple(sorted(self.running))
        return self.seq, Snapshot(min(running, default=self.next_xid), self.next_xid, running)

    def numbers(self) -> tuple[int, int]:
        return self.seq, max([self.ledger.scan_from, *(row.seq for row in self.committed())])

    def write(self, held: Ledger, new: Ledger, applied: Outcomes, lease_seconds: float, nonce: int) -> Written:
        if (self.ledger.generation, self.ledger.batch_id) != (held.generation, held.batch_id):
            raise LeaseLost("not ours any more")
        if self.witness != nonce:
            raise LeaseLost("not the server that was taken")
        if new.outcomes == NOTHING and new.batch_id == held.batch_id:
            self.on_disk = self.on_disk or copy.deepcopy(self)
        else:
            self.on_disk = None
        scan_from = new.scan_from if self.ledger.scan_from == held.scan_from else self.ledger.scan_from
        self.ledger = replace(new, owner=self.ledger.owner, generation=self.ledger.generation, scan_from=scan_from)
        self.lease_until = self.now + lease_seconds
        reasons = dict(applied.event_queue.dead)
        marked = [
            row
            for row in self.committed()
            if row.seq in applied.seqs and self._is_in_time(row, applied) and row.status == "PENDING"
        ]
        for row in marked:
            row.status = "DEAD" if row.seq in reasons else "PROCESSED"
            if row.seq in reasons:
                row.deaths += 1
                self.dead[row.id] = (row.seq, row.key)
        self.next_xid += 1
        return Written(replace(new, scan_from=scan_from), self.next_xid - 1, len(marked))
