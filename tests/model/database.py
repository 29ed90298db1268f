"""The outbox with `bridge.parked`, which all shards share, and what people do: decide about dead events, and replay.

Statements as in `sql/engine/functions/`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from model.outbox import Outbox, Row, hash_of
from model.store import Store

from bridge.event import EVENT_QUEUE
from bridge.shard.parked import Parked, Place, State
from bridge.shard.position import Pair, Position

TO_COME = (State.WAITING, State.DEFERRED, State.RETRIED, State.REPLAYED)


@dataclass
class Database(Outbox):
    """With a store for each shard, which is all that a relay knows of it."""

    most: int = 3
    passes: int = 1000
    topics: Sequence[str] = ()
    now: float = 0.0
    parked: dict[int, Parked] = field(default_factory=dict)
    skipped: set[int] = field(default_factory=set)  # parked, too, but neither blocking nor coming back
    deaths: Counter[int] = field(default_factory=Counter)
    replay_ids: dict[int, int] = field(default_factory=dict)  # of what is, or was last, replayed
    replays: int = 0
    all_to: int = 0  # everything up to this number is read: it is from before the number of shards was changed

    def __post_init__(self) -> None:
        self.stores = [Store(self, shard) for shard in range(self.shards)]

    def dead(self) -> list[int]:
        return [seq for seq, row in self.parked.items() if row.state is State.DEAD]

    def stops(self) -> dict[str, int]:
        """The first event that stops each topic, of any shard."""
        stops: dict[str, int] = {}
        for row in self.parked.values():
            if row.stops:
                stops[row.place.topic] = min(row.seq, stops.get(row.place.topic, row.seq))
        return stops

    def died(self) -> dict[str, int]:
        """The first event of each topic that is dead, or retried and not published yet, or would be dead but for its
        letter: by their states, whatever is said to stop."""
        died: dict[str, int] = {}
        for row in self.parked.values():
            if row.state in (State.DEAD, State.RETRIED) or (row.state is State.WAITING and row.waits_for is not None):
                died[row.place.topic] = min(row.seq, died.get(row.place.topic, row.seq))
        return died

    def has_read(self, row: Row) -> bool:
        """Whether that is settled."""
        return row.seq <= self.all_to or self.stores[row.shard].ledger.position.has_read(row.seq, row.xid)

    def retry_dead(self, seq: int) -> None:
        row = self.parked[seq]
        self.parked[seq] = row._replace(state=State.RETRIED)
        self._decided(row)

    def skip_dead(self, seq: int) -> None:
        self.skipped.add(seq)
        self._decided(self.parked.pop(seq))

    def replay(self, seqs: Collection[int], topic_of: Mapping[str, str]) -> list[int]:
        """`replay_slice.sql`: what is settled, and not parked; returns those."""
        self.replays += 1
        free = [
            row
            for row in self.committed()
            if row.seq in seqs and row.event_type in topic_of and row.seq not in self.skipped and self.has_read(row)
            if row.seq not in self.parked or self.parked[row.seq].state is State.REFUSED
        ]
        for row in free:
            place = Place(topic_of[row.event_type], hash_of(row.key))
            self.parked[row.seq] = Parked(row.seq, EVENT_QUEUE, str(row.seq), 0, place, State.REPLAYED, False)
            self.replay_ids[row.seq] = self.replays
        self._decided(*(self.parked[row.seq] for row in free))
        return [row.seq for row in free]

    def set_shard_count(self, shards: int) -> bool:
        """`set_shard_count.sql`, while no transaction and no relay is at work; False: something is to come still."""
        is_unread = not all(self.has_read(row) for row in self.committed())
        if is_unread or any(row.state in TO_COME for row in self.parked.values()):
            return False
        self.shards, self.all_to = shards, self.seq
        self.stores += [Store(self, shard) for shard in range(len(self.stores), shards)]  # one that returns is kept
        all_is_read = Position(self.seq, Pair(self.seq, self.snapshot()))
        for store in self.stores[:shards]:
            store.ledger = replace(store.ledger, position=all_is_read, in_flight=None)
        return True

    def _decided(self, *rows: Parked) -> None:
        """Each shard looks again."""
        for shard in {self.shard_of(row.place.key_hash) for row in rows}:
            store = self.stores[shard]
            store.ledger = replace(store.ledger, decisions=store.ledger.decisions + 1)
