"""One shard's view of the database: `StorePort` and `ReaderPort`, over what all shards share.

Statements as in `bridge/postgres/queries/`. Every call of `reached` is a place where other sessions may come between.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from model.outbox import Row, hash_of

from bridge.event import EVENT_QUEUE, Event
from bridge.postgres.row import in_flight_json, in_flight_of
from bridge.shard.ledger import InFlight, Ledger
from bridge.shard.parked import Parked, Released, State
from bridge.shard.ports import Free, Obstacle, Read
from bridge.shard.position import Position, Snapshot, Start

if TYPE_CHECKING:
    from model.database import Database


@dataclass
class Store:
    """With the shard's row. `told`: what had died in each topic when an event was read last, as its shard was told."""

    db: Database = field(repr=False)
    shard: int
    reached: Callable[[str], None] = lambda _: None
    told: dict[int, Mapping[str, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.shard, "relay", 0, 0, None, None, Position.first())
        self._released: list[int] = []  # by the last look
        self._died: Mapping[str, int] = {}  # as the last read saw it

    # The ledger

    @property
    def reader(self) -> Store:
        return self

    def take(self) -> Ledger:
        in_flight = self.ledger.in_flight
        if in_flight is not None:  # as a taker knows it
            in_flight = in_flight_of(in_flight_json(in_flight).obj)
        self.db.own()
        self.ledger = replace(self.ledger, generation=self.ledger.generation + 1, in_flight=in_flight)
        return self.ledger

    def write(
        self, ours: Ledger, new: Ledger, settled: InFlight | None, *, with_tick: bool = False, lazily: bool = False
    ) -> int:
        self.reached("write")
        assert (self.ledger.generation, self.ledger.batch_id) == (ours.generation, ours.batch_id)
        self.ledger = replace(new, decisions=self.ledger.decisions)
        for change in settled.changes if settled is not None else ():
            self.db.parked.pop(change.seq, None)
            if change.after is not None:
                self.db.parked[change.seq] = change.after
                self.db.deaths[change.seq] += change.after.state is State.DEAD
        xid = self.db.own()
        self.reached("written")
        return xid

    def stop(self, ours: Ledger, reason: str, *, renumber: bool = False) -> bool:
        raise AssertionError(reason)

    def release(self, ours: Ledger) -> None:
        self.reached("release")

    # The reads

    def look(self) -> tuple[int, Snapshot]:
        return self.db.seq, self.db.snapshot()

    def numbers(self) -> tuple[int, int]:
        """Of any shard, as in `numbers.sql`."""
        cursors = [store.ledger.position.pair.cursor for store in self.db.stores]
        return self.db.seq, max([*cursors, *(row.seq for row in self.db.committed())])

    def read(self, start: Start, limit: int | None) -> Read:
        read = self._read(start, limit)
        self.told |= dict.fromkeys(self._released, self._died)
        return read

    def send(self, start: Start, limit: int | None) -> Callable[[], Read | None]:
        """It reads when it is sent."""
        read = self._read(start, limit)
        return lambda: read

    def _read(self, start: Start, limit: int | None) -> Read:
        self.reached("read")
        db, most = self.db, min(self.db.most, limit or self.db.most)
        parked, decisions, stops, died = self._parked(), self.ledger.decisions, db.stops(), db.died()
        rows, scan = db.scan(start, most, db.passes, lambda: self.reached("drawn"), self.shard)
        obstacles = {row.seq: obstacle for row in rows if (obstacle := self._obstacle(row, parked)) is not None}
        self.told |= {row.seq: died for row in rows}
        self._died = died
        return Read(scan, tuple(self.event(row) for row in rows), obstacles, decisions, stops)

    def _parked(self) -> dict[int, Parked]:
        return {
            seq: row
            for seq, row in sorted(self.db.parked.items())
            if self.db.shard_of(row.place.key_hash) == self.shard
        }

    def _obstacle(self, row: Row, parked: dict[int, Parked]) -> Obstacle | None:
        """What `read_pending.sql` says of one event."""
        blocked: dict[str, int] = {}
        for other in parked.values():
            if other.blocks and other.place.key_hash == hash_of(row.key) and other.place.topic in self.db.topics:
                blocked[other.place.topic] = max(other.seq, blocked.get(other.place.topic, 0))
        due_us = int(row.due_at * 1e6) if row.due_at > self.db.now else None
        return Obstacle(due_us, blocked, False) if blocked or due_us is not None else None

    def free(self, held: Collection[str], in_flight: Collection[int], limit: int | None) -> Free:
        """`read_parked.sql` and `still_parked.sql`."""
        self.reached("free")
        most, now_us = min(self.db.most, limit or self.db.most), self.db.now * 1e6
        parked, stops, rows = self._parked(), self.db.stops(), {row.seq: row for row in self.db.rows}
        may = [row for seq, row in parked.items() if seq not in in_flight and self._is_free(row, held, stops)]
        open_ = [row for row in may if row.state in (State.WAITING, State.RETRIED)][:most]
        due = [row for row in may if row.state is State.DEFERRED and (row.due_us or 0) <= now_us]
        found = sorted(open_ + sorted(due, key=lambda row: row.due_us or 0)[:most])[:most]
        replayed = [row for row in may if row.state is State.REPLAYED][: max(most // 2, 1)]
        found += replayed[: most - len(found)]
        released = tuple(
            Released(self._parked_event(rows[row.seq]), row._replace(due_us=None, reason=None)) for row in found
        )
        self._released = [row.seq for row in found]
        self.told |= dict.fromkeys(self._released, self.db.died())
        if len(found) == most:
            return Free(released, is_full=True, stops=stops)
        later = [row.due_us for row in parked.values() if row.due_us is not None and row.due_us > now_us]
        return Free(released, due_in=min(later) / 1e6 - self.db.now if later else None, stops=stops)

    def _is_free(self, row: Parked, held: Collection[str], stops: Mapping[str, int]) -> bool:
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

        is_stopped = row.state is not State.REPLAYED and stops.get(row.place.topic, row.seq) < row.seq
        return (
            row.place.topic not in held
            and not is_stopped
            and (row.waits_for is None or row.waits_for not in held)
            and not any(stands_before(other) for other in self.db.parked.values())
        )

    def _parked_event(self, row: Row) -> Event:
        is_replayed = self.db.parked[row.seq].state is State.REPLAYED
        return self.event(row)._replace(replay_id=self.db.replay_ids[row.seq] if is_replayed else None)

    def event(self, row: Row) -> Event:
        return Event(EVENT_QUEUE, row.seq, str(row.seq), row.event_type, row.key, "{}", None, 0, hash_of(row.key))
