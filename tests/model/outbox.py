"""The outbox as far as reading and parking depend on it: transaction ids, snapshots, late commits, one shard's rows.

Statements as in `bridge/postgres/queries/`. Every call of `reached` is a place where other sessions may come between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bridge.event import EVENT_QUEUE, Event
from bridge.postgres.row import in_flight_json, in_flight_of
from bridge.shard.ledger import InFlight, Ledger
from bridge.shard.parked import Parked, Place, Released, State
from bridge.shard.ports import Free, Obstacle, Read
from bridge.shard.position import Position, Scan, Snapshot, Start, sees

EVERY = 1 << 63


@dataclass(frozen=True)
class Row:
    """An event; `due_at` 0: at once."""

    seq: int
    xid: int
    key: str
    event_type: str = "x"
    due_at: float = 0.0


@dataclass
class Outbox:
    """Transactions, rows and snapshots as Postgres has them; rows are never updated."""

    next_xid: int = 3
    completed: int = 2  # the highest id that has ended
    seq: int = 0
    running: dict[int, set[str]] = field(default_factory=dict)  # and the keys that each has locked
    aborted: set[int] = field(default_factory=set)
    rows: list[Row] = field(default_factory=list)

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
        self.rows.append(Row(self.seq, xid, key, event_type, due_at))
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

    def scan(self, start: Start, most: int, passes: int, reached: Callable[[], object]) -> tuple[list[Row], Scan]:
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
            if first < row.seq <= min(upto, last)
            and (row.seq > pair.cursor or not sees(pair.snapshot, row.xid))
            and (late is None or sees(late.snapshot, row.xid))
        ][:most]
        is_full = len(found) == most
        last_seq = found[-1].seq if found else None
        if not is_full and upto < EVERY:
            last_seq = upto
        return found, Scan(last_seq, is_full or upto < EVERY, snapshot, self.seq)


def hash_of(key: str) -> int:
    return ord(key)


@dataclass
class Database(Outbox):
    """The outbox with `bridge.shard` and `bridge.parked`: `StorePort` and `ReaderPort` of one shard."""

    most: int = 3
    passes: int = 1000
    topics: Sequence[str] = ()
    now: float = 0.0
    reached: Callable[[str], None] = lambda _: None
    ledger: Ledger = field(default=Ledger(0, "relay", 0, 0, None, None, Position.first()))
    parked: dict[int, Parked] = field(default_factory=dict)
    skipped: set[int] = field(default_factory=set)  # parked, too, but neither blocking nor coming back
    deaths: Counter[int] = field(default_factory=Counter)
    replay_ids: dict[int, int] = field(default_factory=dict)  # of what is, or was last, replayed
    replays: int = 0
    elsewhere: dict[str, int] = field(default_factory=dict)  # topics that dead events of other shards stop

    # People

    def dead(self) -> list[int]:
        return [seq for seq, row in self.parked.items() if row.state is State.DEAD]

    def retry_dead(self, seq: int) -> None:
        self.parked[seq] = self.parked[seq]._replace(state=State.RETRIED)
        self.ledger = replace(self.ledger, decisions=self.ledger.decisions + 1)

    def skip_dead(self, seq: int) -> None:
        del self.parked[seq]
        self.skipped.add(seq)
        self.ledger = replace(self.ledger, decisions=self.ledger.decisions + 1)

    def replay(self, seqs: Collection[int], topic_of: Mapping[str, str]) -> list[int]:
        """`replay_slice.sql`: what is settled, and not parked; returns those."""
        self.replays += 1
        settled = [row for row in self.committed() if self.ledger.position.has_read(row.seq, row.xid)]
        free = [
            row
            for row in settled
            if row.seq in seqs and row.event_type in topic_of and row.seq not in self.skipped
            if row.seq not in self.parked or self.parked[row.seq].state is State.REFUSED
        ]
        for row in free:
            place = Place(topic_of[row.event_type], hash_of(row.key))
            self.parked[row.seq] = Parked(row.seq, EVENT_QUEUE, str(row.seq), 0, place, State.REPLAYED, False)
            self.replay_ids[row.seq] = self.replays
        self.ledger = replace(self.ledger, decisions=self.ledger.decisions + bool(free))
        return [row.seq for row in free]

    # The ledger

    @property
    def reader(self) -> Database:
        return self

    def take(self) -> Ledger:
        in_flight = self.ledger.in_flight
        if in_flight is not None:  # as a taker knows it
            in_flight = in_flight_of(in_flight_json(in_flight).obj)
        self.own()
        self.ledger = replace(self.ledger, generation=self.ledger.generation + 1, in_flight=in_flight)
        return self.ledger

    def write(
        self, ours: Ledger, new: Ledger, settled: InFlight | None, *, with_tick: bool = False, lazily: bool = False
    ) -> int:
        self.reached("write")
        assert (self.ledger.generation, self.ledger.batch_id) == (ours.generation, ours.batch_id)
        self.ledger = replace(new, decisions=self.ledger.decisions)
        for change in settled.changes if settled is not None else ():
            self.parked.pop(change.seq, None)
            if change.after is not None:
                self.parked[change.seq] = change.after
                self.deaths[change.seq] += change.after.state is State.DEAD
        xid = self.own()
        self.reached("written")
        return xid

    def stop(self, ours: Ledger, reason: str, *, renumber: bool = False) -> bool:
        raise AssertionError(reason)

    def release(self, ours: Ledger) -> None:
        self.reached("release")

    # The reads

    def look(self) -> tuple[int, Snapshot]:
        return self.seq, self.snapshot()

    def numbers(self) -> tuple[int, int]:
        return self.seq, max([self.ledger.position.pair.cursor, *(row.seq for row in self.committed())])

    def read(self, start: Start, limit: int | None) -> Read:
        self.reached("read")
        parked, decisions, stops = dict(self.parked), self.ledger.decisions, self._stops()
        rows, scan = self.scan(start, min(self.most, limit or self.most), self.passes, lambda: self.reached("drawn"))
        obstacles = {row.seq: obstacle for row in rows if (obstacle := self._obstacle(row, parked)) is not None}
        return Read(scan, tuple(self.event(row) for row in rows), obstacles, decisions, stops)

    def _stops(self) -> dict[str, int]:
        stops = dict(self.elsewhere)
        for row in self.parked.values():
            if row.stops:
                stops[row.place.topic] = min(row.seq, stops.get(row.place.topic, row.seq))
        return stops

    def send(self, start: Start, limit: int | None) -> Callable[[], Read | None]:
        """It reads when it is sent."""
        read = self.read(start, limit)
        return lambda: read

    def _obstacle(self, row: Row, parked: dict[int, Parked]) -> Obstacle | None:
        """What `read_pending.sql` says of one event."""
        blocked: dict[str, int] = {}
        for other in parked.values():
            if other.blocks and other.place.key_hash == hash_of(row.key) and other.place.topic in self.topics:
                blocked[other.place.topic] = max(other.seq, blocked.get(other.place.topic, 0))
        due_us = int(row.due_at * 1e6) if row.due_at > self.now else None
        return Obstacle(due_us, blocked, False) if blocked or due_us is not None else None

    def free(self, held: Collection[str], in_flight: Collection[int], limit: int | None) -> Free:
        """`read_parked.sql` and `still_parked.sql`."""
        self.reached("free")
        most, rows, stops = min(self.most, limit or self.most), {row.seq: row for row in self.rows}, self._stops()
        may = [row for seq, row in sorted(self.parked.items()) if seq not in in_flight and self._is_free(row, held)]
        open_ = [row for row in may if row.state in (State.WAITING, State.RETRIED)][:most]
        due = [row for row in may if row.state is State.DEFERRED and (row.due_us or 0) <= self.now * 1e6]
        found = sorted(open_ + sorted(due, key=lambda row: row.due_us or 0)[:most])[:most]
        replayed = [row for row in may if row.state is State.REPLAYED][: max(most // 2, 1)]
        found += replayed[: most - len(found)]
        released = tuple(
            Released(self._parked_event(rows[row.seq]), row._replace(due_us=None, reason=None)) for row in found
        )
        if len(found) == most:
            return Free(released, is_full=True, stops=stops)
        later = [row.due_us for row in self.parked.values() if row.due_us is not None and row.due_us > self.now * 1e6]
        return Free(released, due_in=min(later) / 1e6 - self.now if later else None, stops=stops)

    def _is_free(self, row: Parked, held: Collection[str]) -> bool:
        def stands_before(other: Parked) -> bool:
            if row.state is State.REPLAYED:
                is_earlier = other.place == row.place and other.seq < row.seq
                return is_earlier and other.state is State.REPLAYED and other.waits_for in held
            return (
                other.place == row.place
                and other.seq < row.seq
                and other.blocks
                and (other.state is State.DEAD or other.waits_for in held)
            )

        is_stopped = row.state is not State.REPLAYED and self._stops().get(row.place.topic, row.seq) < row.seq
        return (
            row.place.topic not in held
            and not is_stopped
            and (row.waits_for is None or row.waits_for not in held)
            and not any(stands_before(other) for other in self.parked.values())
        )

    def _parked_event(self, row: Row) -> Event:
        is_replayed = self.parked[row.seq].state is State.REPLAYED
        return self.event(row)._replace(replay_id=self.replay_ids[row.seq] if is_replayed else None)

    def event(self, row: Row) -> Event:
        return Event(EVENT_QUEUE, row.seq, str(row.seq), row.event_type, row.key, "{}", None, 0, hash_of(row.key))
