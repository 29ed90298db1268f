"""Postgres as far as the protocol depends on it: transaction ids, snapshots, row locks, late commits, one ledger row.

Every method is one transaction of the relay's or one statement of a writer's, and atomic: the row lock on
`bridge.shard` makes it so in the real one. Statements as in `bridge/postgres/queries/`.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from bridge.errors import LeaseLost
from bridge.event import EVENT_QUEUE, Event
from bridge.shard.ledger import ControlRecord, InFlight, Ledger
from bridge.shard.parked import Change, Parked, Released, State
from bridge.shard.ports import Free, Obstacle, Read
from bridge.shard.position import Pair, Position, Scan, Snapshot, Start, sees

BATCH_ROWS = 3
PASSED_NUMBERS = 5
OPEN = (State.WAITING, State.DEFERRED, State.RETRIED)
NO_LEDGER = Ledger(0, "", 0, 0, None, None, Position.first())


@dataclass
class Row:
    """An event; `text` says how it behaves: "", "poison" (cannot be encoded) or "large" (the topic refuses it)."""

    id: str
    seq: int
    xid: int
    event_type: str
    key: str
    number: int  # in the order of writing
    text: str = ""
    due_at: float = 0.0

    @property
    def event(self) -> Event:
        key_hash = sum(map(ord, self.key)) % 97
        return Event(EVENT_QUEUE, self.seq, self.id, self.event_type, self.key, self.text, None, self.number, key_hash)


@dataclass
class Postgres:
    """One database with one shard."""

    rows: list[Row] = field(default_factory=list)
    running: dict[int, set[str]] = field(default_factory=dict)  # open writers: xid, and the keys they have locked
    aborted: set[int] = field(default_factory=set)
    next_xid: int = 10
    seq: int = 0
    ledger: Ledger = NO_LEDGER
    all_to: int = 0  # up to here all is read, whatever its transaction
    lease_until: float = 0.0
    stopped: str = ""  # why the shard is
    witness: int = 0  # of the last takeover since the server began; a crash and a failover empty it
    renumber: bool = False  # because the sequence was set back
    parked: dict[str, Parked] = field(default_factory=dict)  # by id
    given_up: set[str] = field(default_factory=set)  # skipped: they stay dead
    deaths: dict[str, int] = field(default_factory=dict)
    session: int = 0  # a restart ends all sessions
    on_disk: Postgres | None = None  # what a crash leaves, if something was settled since the last durable commit
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
        self.rows.append(Row(id_, self.seq, xid, event_type, key, len(self.rows), text, due_at))

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

    # People: what they see, and decide

    def status(self, row: Row) -> str:
        """As the view bridge.event_queue has it."""
        parked = self.parked.get(row.id)
        if row.id in self.given_up or (parked is not None and parked.state is State.DEAD):
            return "DEAD"
        if parked is not None:
            return "PENDING"
        return "PROCESSED" if self._is_read(row) else "PENDING"

    def pending(self) -> list[Row]:
        return [row for row in self.committed() if self.status(row) == "PENDING"]

    def dead(self) -> list[str]:
        return [id_ for id_, parked in self.parked.items() if parked.state is State.DEAD]

    def retry_dead(self, id_: str) -> None:
        self.parked[id_] = self.parked[id_]._replace(state=State.RETRIED)
        self._decided()

    def skip_dead(self, id_: str) -> None:
        del self.parked[id_]
        self.given_up.add(id_)
        self._decided()

    def _decided(self) -> None:
        self.on_disk = None
        self.ledger = replace(self.ledger, decisions=self.ledger.decisions + 1)

    # What befalls the server

    def crashed(self, *, is_hidden: bool) -> Postgres:
        """The database after a restart: what was not durable yet is gone."""
        return self.restored(self.on_disk or self, is_hidden=is_hidden)

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

    # bridge recover

    def repair_numbers(self) -> None:
        """While nobody writes: the real one locks the tables."""
        assert not self.running
        self.seq = max(self.seq, self.numbers()[1])
        self.next_xid += 1
        for row in sorted(self._unread(), key=lambda row: row.number):
            self.seq += 1
            row.seq, row.xid = self.seq, self.next_xid - 1
        self.renumber = False

    def settle_found(self, found: ControlRecord | None) -> None:
        """What is in flight, if Kafka has it."""
        if self.ledger.in_flight is not None and found == self.ledger.control:
            for change in self.ledger.in_flight.changes:
                self._settle(change)
            self.ledger = self.ledger.settled()

    def begin_anew(self, ledger: Ledger, topics: dict[str, str]) -> None:
        """Park all that was not read, but for what Kafka has (`topics` by id), and read on behind it."""
        assert not self.running, "they are waited for"
        for row in [*self._unread(), *(row for row in self.committed() if row.id in self.parked)]:
            parked = self.parked.get(row.id, Parked.of(row.event, row.event_type, State.WAITING, blocks=True))
            if parked.state is State.DEAD:
                continue
            if row.id not in topics or (topics[row.id] == "dead" and parked.state is State.RETRIED):
                self.parked[row.id] = parked
            elif topics[row.id] == "dead":
                self.deaths[row.id] = self.deaths.get(row.id, 0) + 1
                self.parked[row.id] = parked._replace(state=State.DEAD, waits_for=None, blocks=True)
            else:
                self.parked.pop(row.id, None)
        position = Position(self.seq, Pair(self.seq, Snapshot(1, 1, ())))
        self.all_to = self.seq
        self.ledger = replace(ledger, position=position, generation=ledger.generation + 1)
        self.stopped = ""

    def _unread(self) -> list[Row]:
        return [row for row in self.committed() if not self._is_read(row)]

    def _is_read(self, row: Row) -> bool:
        return row.seq <= self.all_to or self.ledger.position.has_read(row.seq, row.xid)

    # The relay: bridge.postgres.store.Store and bridge.postgres.reading.Reader

    def _is_held(self, held: Ledger) -> bool:
        return (self.ledger.owner, self.ledger.generation) == (held.owner, held.generation)

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

    def release(self, held: Ledger) -> None:
        if self._is_held(held):
            self.on_disk = None
            self.ledger = replace(self.ledger, owner="")

    def read(self, start: Start, limit: int | None) -> Read:
        _, snapshot = self.look()
        position, late = start.position, start.position.late
        first, upto = position.cursor, position.pair.cursor
        if late is None:
            floors = [floor for xid, floor in zip(start.xids, start.floors, strict=True) if sees(snapshot, xid)]
            first = min([first, *floors, *([start.next_floor] if snapshot.xmax > start.next_xid else [])])
            upto = self.seq + 1
        is_passing = first < position.pair.cursor - PASSED_NUMBERS
        if is_passing:
            upto = first + PASSED_NUMBERS
        most = min(BATCH_ROWS, limit or BATCH_ROWS)
        rows = [
            row
            for row in sorted(self.committed(), key=lambda row: row.seq)
            if first < row.seq <= upto and not position.pair.has(row.seq, row.xid)
            and (late is None or sees(late.snapshot, row.xid))
        ][:most]  # fmt: skip
        last = rows[-1].seq if rows else None
        is_full = len(rows) == most
        if is_passing and not is_full:
            last = upto
        scan = Scan(last, is_full or is_passing, snapshot, self.seq)
        obstacles = {row.seq: found for row in rows if (found := self._obstacle(row, snapshot)) is not None}
        return Read(scan, tuple(row.event for row in rows), obstacles, self.ledger.decisions, self._stops())

    def _stops(self) -> dict[str, int]:
        stops: dict[str, int] = {}
        for parked in self.parked.values():
            if parked.stops:
                stops[parked.place.topic] = min(parked.seq, stops.get(parked.place.topic, parked.seq))
        return stops

    def _obstacle(self, row: Row, snapshot: Snapshot) -> Obstacle | None:
        blocked: dict[str, int] = {}
        for parked in self.parked.values():
            if parked.blocks and parked.place.key_hash == row.event.key_hash:
                blocked[parked.place.topic] = max(parked.seq, blocked.get(parked.place.topic, 0))
        due_us = int(row.due_at * 1e6) if row.due_at > self.now else None
        is_foreign = not sees(snapshot, row.xid)
        return Obstacle(due_us, blocked, is_foreign) if blocked or due_us or is_foreign else None

    def free(self, held: Collection[str], in_flight: Collection[int], limit: int | None) -> Free:
        stops = self._stops()

        def is_free(parked: Parked) -> bool:
            is_due = parked.due_us is None or parked.due_us <= self.now * 1e6
            return (
                parked.state in OPEN
                and is_due
                and parked.seq not in in_flight
                and not {parked.place.topic, parked.waits_for} & set(held)
                and stops.get(parked.place.topic, parked.seq) >= parked.seq
                and not any(
                    other.blocks and other.place == parked.place and other.seq < parked.seq
                    and (other.state is State.DEAD or other.waits_for in held)
                    for other in self.parked.values()
                )
            )  # fmt: skip

        most = min(BATCH_ROWS, limit or BATCH_ROWS)
        events = {row.id: row.event for row in self.committed()}
        rows = sorted(filter(is_free, self.parked.values()), key=lambda parked: parked.seq)[:most]
        due = [parked.due_us / 1e6 - self.now for parked in self.parked.values() if parked.due_us is not None]
        due_in = min((seconds for seconds in due if seconds > 0), default=None)
        is_full = len(rows) == most
        return Free(tuple(Released(events[row.id], row) for row in rows), is_full, None if is_full else due_in)

    def look(self) -> tuple[int, Snapshot]:
        running = tuple(sorted(self.running))
        return self.seq, Snapshot(min(running, default=self.next_xid), self.next_xid, running)

    def numbers(self) -> tuple[int, int]:
        position = self.ledger.position
        return self.seq, max([position.scan_from, position.pair.cursor, *(row.seq for row in self.committed())])

    def write(
        self, held: Ledger, new: Ledger, settled: InFlight | None, lease_seconds: float, nonce: int, *, lazily: bool
    ) -> int:
        if (self.ledger.generation, self.ledger.batch_id) != (held.generation, held.batch_id):
            raise LeaseLost("not ours any more")
        if self.witness != nonce:
            raise LeaseLost("not the server that was taken")
        self.on_disk = (self.on_disk or copy.deepcopy(self)) if lazily else None
        known = self.ledger
        self.ledger = replace(new, owner=known.owner, generation=known.generation, decisions=known.decisions)
        self.lease_until = self.now + lease_seconds
        for change in settled.changes if settled is not None else ():
            self._settle(change)
        self.next_xid += 1
        return self.next_xid - 1

    def _settle(self, change: Change) -> None:
        if change.after is None:
            for id_ in [id_ for id_, parked in self.parked.items() if parked.seq == change.seq]:
                del self.parked[id_]
            return
        after = change.after
        self.deaths[after.id] = self.deaths.get(after.id, 0) + (after.state is State.DEAD)
        self.parked[after.id] = after
