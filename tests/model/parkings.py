"""Reading, parking and releasing composed: real `Shard`s, step by step, others between their requests.

The database is `database.py`, with a `store.py` for each shard, Kafka (`topics.py`) takes a batch at once or not at
all; a relay dies before or after any request. What is run is in `test_parking.py` and `test_shards.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import cycle

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from model.database import Database
from model.outbox import Row, hash_of
from model.topics import DEAD, ROUTES, TOPIC, Encoder, Kafka, Published

from bridge.encoding.routing import all_topics
from bridge.event import Record
from bridge.settings import Delivery, OnDead, RelaySettings, Settings, TopicSettings
from bridge.shard.holds import TopicHolds
from bridge.shard.parked import Place, State
from bridge.shard.shard import News, Shard
from bridge.shard.suspicion import Suspicion

POINTS = ("free", "read", "drawn", "write", "written", "publish", "published")
AGAIN = (State.REPLAYED, State.REFUSED)  # it was published
totals: Counter[str] = Counter()

keys = st.sampled_from("aabcd")
types = st.sampled_from(["x", "x", "y", "other y"])
numbers = st.integers(0, 5)  # of a shard: the rest of it


class Died(Exception):
    """A shard's relay is killed."""


class Parkings(RuleBasedStateMachine):
    """Shards, the relays that hold them, writers, and people who decide about dead events."""

    def begin(self, shards: int, most: int, passes: int, on_dead: OnDead, delivery: Delivery) -> None:
        self.settings = Settings(
            relay=RelaySettings(on_dead=on_dead, delivery=delivery, batch_rows=most),
            topics=TopicSettings(dead_letters=DEAD),
            routes=ROUTES,
        )
        self.db = Database(shards=shards, most=most, passes=passes, topics=all_topics(self.settings))
        self.encoder = Encoder()
        self.log: list[Published] = []
        self.kafka: list[Kafka] = []
        self.holds: list[TopicHolds] = []
        self.shards: list[Shard | None] = []  # None: its relay is gone
        self.checked = 0  # records
        self.seen: set[int] = set()
        self.last: dict[Place, int] = {}
        self.letters: Counter[int] = Counter()
        self.stopped_by: set[int] = set()  # events that have died, and are not published or skipped since
        self.replayed: dict[tuple[int, int], bool] = {}  # by number, and replay: whether that has published it
        self.last_replayed: dict[tuple[Place, int], int] = {}
        self.plan: dict[tuple[int, str], Callable[[], object]] = {}  # what comes between, by shard and place
        self.take_over_new()

    def take_over_new(self) -> None:
        """Shards that there were not before."""
        for store in self.db.stores[len(self.shards) :]:
            store.reached = partial(self._reached, store.shard)
            made = Kafka(self.db.most, store.reached, self.now, self.log, store.shard, is_exact=self._is_exact)
            self.kafka.append(made)
            self.holds.append(self._no_holds())
            self.shards.append(None)
            self.take_over(store.shard, dies=True)

    def _reached(self, shard: int, point: str) -> None:
        if point == "published":
            self._check_records()
        self.plan.pop((shard, point), lambda: None)()

    def now(self) -> float:
        return self.db.now

    # Writers

    @rule(events=st.lists(st.tuples(keys, types), min_size=1, max_size=3))
    def write(self, events: list[tuple[str, str]]) -> None:
        xid = self.db.begin()
        for key, event_type in events:
            self.db.insert(xid, key, event_type)
        self.db.end(xid, commits=True)

    @rule(key=keys, event_type=types, writes=st.booleans())
    def open(self, key: str, event_type: str, writes: bool) -> None:
        """A transaction that stays open."""
        if len(self.db.running) < 3:
            xid = self.db.begin()
            if writes:
                self.db.insert(xid, key, event_type)

    @precondition(lambda self: self.db.running)
    @rule(data=st.data(), key=keys, event_type=types, outcome=st.integers(0, 4))
    def go_on(self, data: st.DataObject, key: str, event_type: str, outcome: int) -> None:
        xid = data.draw(st.sampled_from(sorted(self.db.running)))
        self.db.insert(xid, key, event_type)
        if outcome:
            self.db.end(xid, commits=outcome > 1)

    @rule(key=keys, event_type=st.sampled_from(["x", "y", "unknown"]), behind=st.lists(keys, max_size=2))
    def write_poison(self, key: str, event_type: str, behind: list[str]) -> None:
        xid = self.db.begin()
        if self.db.insert(xid, key, event_type):
            self.encoder.poison.add(self.db.seq)
        for other in behind:
            self.db.insert(xid, other, event_type)
        self.db.end(xid, commits=True)

    @rule(key=keys, event_type=types, delay=st.sampled_from([0.1, 1, 7]))
    def write_for_later(self, key: str, event_type: str, delay: float) -> None:
        xid = self.db.begin()
        self.db.insert(xid, key, event_type, self.db.now + delay)
        self.db.end(xid, commits=True)

    # The relays

    @rule(shard=numbers, times=st.integers(1, 4), is_busy=st.booleans())
    def step(self, shard: int, times: int, is_busy: bool) -> None:
        """Some steps; there may be something for the busy key in each of them."""
        for _ in range(times):
            if is_busy:
                self.write([("a", "x")])
            self._step(shard)

    @rule(rounds=st.integers(1, 2))
    def carry(self, rounds: int) -> None:
        """As their threads do: until all are idle, and then until a look has news, or a little later anyway."""
        for _ in range(rounds):
            self.step_until_idle()
            if all(shard.look() is News.NONE for shard in self.alive()):
                self.db.now += 0.25

    @precondition(lambda self: not self.encoder.refusing)
    @rule()
    def wait(self) -> None:
        """What waits for nobody comes, before anything else happens that would make a shard look."""
        self.wait_for_what_may_go()

    @rule(
        data=st.data(),
        shard=numbers,
        point=st.sampled_from(POINTS),
        what=st.sampled_from(["commit", "open", "write", "decide", "replay", "others", "others"]),
    )
    def step_beside_others(self, data: st.DataObject, shard: int, point: str, what: str) -> None:
        """Somebody does something between two of its requests."""
        self._step_beside(data, shard, point, what)

    @rule(
        data=st.data(),
        shard=numbers,
        point=st.sampled_from(POINTS),
        dies=st.booleans(),
        was_idle=st.booleans(),
        what=st.sampled_from(["decide", "decide", "decide", "others", "others", "later"]),
    )
    def die(self, data: st.DataObject, shard: int, point: str, dies: bool, was_idle: bool, what: str) -> None:
        """Of its process, or of its connections: then held topics are remembered.

        Somebody may do something before the next one's first read, which may be some time later.
        """
        shard %= self.db.shards
        if was_idle:
            self.step_until_idle()
        self.plan[shard, point] = self._die
        self._step(shard)
        self.plan.clear()
        if what == "later":
            self.shards[shard] = None
            return
        self.take_over(shard, dies=dies)
        self._step_beside(data, shard, "read", what)

    def _step_beside(self, data: st.DataObject, shard: int, point: str, what: str) -> None:
        shard %= self.db.shards
        self.plan[shard, point] = lambda: self._intervene(data, shard, what)
        self._step(shard)
        self.plan.clear()

    def take_over(self, shard: int, *, dies: bool) -> None:
        if dies:
            self.holds[shard] = self._no_holds()
        ports = self.db.stores[shard], self.kafka[shard], self.encoder, self.holds[shard]
        self.shards[shard] = Shard.take_over(self.settings, *ports, Suspicion(), self.now)

    def _no_holds(self) -> TopicHolds:
        return TopicHolds(self.settings, self.now, self.encoder.unwritable)

    def alive(self) -> list[Shard]:
        return [shard for shard in self.shards if shard is not None]

    def step_until_idle(self) -> None:
        assert any(self._step_all() for _ in range(30 + 10 * len(self.db.rows))), "it never rests"

    def _step_all(self) -> bool:
        """Whether all are idle."""
        return sum(self._step(shard) for shard in range(self.db.shards)) == self.db.shards

    def _step(self, shard: int) -> bool:
        """Whether it is idle now; it takes a moment. A dead one is taken over first."""
        shard %= self.db.shards
        totals["steps"] += 1
        self.db.now += 0.01
        try:
            if self.shards[shard] is None:
                self.take_over(shard, dies=True)
            alive = self.shards[shard]
            return alive is not None and alive.step().is_idle
        except Died:
            totals["died"] += 1
            self.shards[shard] = None
            return False

    @staticmethod
    def _die() -> None:
        raise Died

    def _intervene(self, data: st.DataObject, shard: int, what: str) -> None:
        if what == "commit" and self.db.running:
            self.db.end(data.draw(st.sampled_from(sorted(self.db.running))), commits=True)
        elif what == "open":
            self.open("b", "x", True)
        elif what == "write":
            self.write([("a", "x"), ("a", "y")])
        elif what == "decide" and self.db.dead():
            self.decide_about(
                data.draw(st.sampled_from(self.db.dead())), mends=True, skips=data.draw(st.integers(0, 2)) > 0
            )
        elif what == "replay":
            self.replay(0, False)
        elif what == "others":
            others = [other for other in range(self.db.shards) if other != shard]
            for _ in range(data.draw(st.integers(1, 3)) if others else 0):
                self.db.now += data.draw(st.sampled_from([0, 0.1]))  # then it settles
                self._step(data.draw(st.sampled_from(others)))

    # People, topics, time

    @precondition(lambda self: self.db.dead())
    @rule(data=st.data(), mends=st.booleans(), skips=st.booleans())
    def decide(self, data: st.DataObject, mends: bool, skips: bool) -> None:
        self.decide_about(data.draw(st.sampled_from(self.db.dead())), mends=mends, skips=skips)

    def decide_about(self, seq: int, *, mends: bool, skips: bool) -> None:
        totals["skipped" if skips else "retried"] += 1
        if mends:
            self.encoder.poison.discard(seq)
        (self.db.skip_dead if skips else self.db.retry_dead)(seq)

    @precondition(lambda self: self.replayed)
    @rule(seconds=st.sampled_from([0, 5]))
    def mend_what_is_replayed(self, seconds: float) -> None:
        self.encoder.poison -= {seq for seq, _ in self.replayed}
        self.db.now += seconds

    @precondition(lambda self: self.seen)
    @rule(since=st.sampled_from([0, 0, 2, 8]), spoils=st.booleans())
    def replay(self, since: int, spoils: bool) -> None:
        """All that may be from a number on; one that can no longer be encoded among them."""
        seqs = self.db.replay({row.seq for row in self.db.rows if row.seq > since}, TOPIC)
        self.replayed |= {(seq, self.db.replays): False for seq in seqs}
        if spoils and seqs:
            self.encoder.poison.add(seqs[len(seqs) // 3])
        totals["replayed"] += len(seqs)

    @rule(topic=st.sampled_from(["X", "X", "Y", DEAD]), seconds=st.sampled_from([0, 0, 5]))
    def refuse_or_mend(self, topic: str, seconds: float) -> None:
        """A topic that is held is tried again after 5 seconds."""
        self.encoder.refusing ^= {topic}
        self.db.now += seconds

    @rule(seconds=st.sampled_from([0.01, 0.06, 0.12, 1, 5]))
    def pass_time(self, seconds: float) -> None:
        """A batch is settled after 0.1."""
        self.db.now += seconds

    # What must hold

    @invariant()
    def holds_true(self) -> None:
        if hasattr(self, "db"):
            self._check_records()
            self._status_is_true()

    def _check_records(self) -> None:
        rows = {row.seq: row for row in self.db.rows}
        for record, at, shard in self.log[self.checked :]:
            row = rows[int(record.value or b"")]
            assert row.due_at <= at + 1e-6, f"{row.seq} came before its time"
            if record.headers:
                self._is_replayed_in_order(row, record)
                continue
            self._is_not_stopped(row, shard)
            if record.topic == DEAD:
                self.letters[row.seq] += 1
                self.stopped_by.add(row.seq)
            elif row.seq not in self.seen or self._is_exact:
                self._is_in_order(row, record.topic)
        self.checked = len(self.log)

    @property
    def _is_exact(self) -> bool:
        return self.settings.relay.delivery is Delivery.EXACTLY_ONCE

    def _is_not_stopped(self, row: Row, shard: int) -> None:
        """By what has died in its shard, nor by what its shard was told when it read the event."""
        topic = TOPIC.get(row.event_type, DEAD)
        if self.settings.relay.on_dead is OnDead.STOP and topic != DEAD:
            told = self.db.stores[shard].told[row.seq].get(topic, row.seq)
            assert told >= row.seq, f"{row.seq} came though {told} stops its topic"
            rows = {other.seq: other for other in self.db.rows}
            stopped_by = [
                seq
                for seq in self.stopped_by - self.db.skipped
                if seq < row.seq and self._shard_of(rows[seq]) == shard and TOPIC.get(rows[seq].event_type) == topic
            ]
            assert not stopped_by, f"{row.seq} came though {stopped_by} stop its topic"

    def _shard_of(self, row: Row) -> int:
        return self.db.shard_of(hash_of(row.key))

    def _is_in_order(self, row: Row, topic: str) -> None:
        assert row.seq not in self.seen, f"{row.seq} is doubled"
        assert row.seq not in self.db.skipped, f"{row.seq} was skipped, then published"
        self.seen.add(row.seq)
        self.stopped_by.discard(row.seq)
        # What waits for its time has no place in the order, nor has a dead event that nobody waits for.
        if row.due_at == 0 and (self.settings.relay.on_dead is not OnDead.SKIP or not self.letters[row.seq]):
            place = Place(topic, hash_of(row.key))
            assert self.last.get(place, 0) < row.seq, f"{row.seq} is out of order"
            self.last[place] = row.seq

    def _is_replayed_in_order(self, row: Row, record: Record) -> None:
        assert row.seq in self.seen, f"{row.seq} was never published"
        replay_id = int(record.headers[0][1] or 0)
        is_repeated = self.replayed[row.seq, replay_id]
        assert not is_repeated or not self._is_exact, f"{row.seq} is doubled in replay {replay_id}"
        self.replayed[row.seq, replay_id] = True
        place = Place(record.topic, hash_of(row.key))
        if record.topic == DEAD:
            totals["refused"] += 1
        elif not is_repeated:
            assert self.last_replayed.get((place, replay_id), 0) < row.seq, f"{row.seq} is replayed out of order"
            self.last_replayed[place, replay_id] = row.seq

    def _status_is_true(self) -> None:
        """What the view says of each event: read and not parked means published."""
        parked, deaths = dict(self.db.parked), Counter(self.db.deaths)
        positions = []
        for store, kafka in zip(self.db.stores, self.kafka, strict=True):
            in_flight = store.ledger.in_flight
            if in_flight is None or kafka.last != store.ledger.control:
                positions.append(store.ledger.position)
                continue
            positions.append(in_flight.position)
            for change in in_flight.changes:
                parked.pop(change.seq, None)
                if change.after is not None:
                    parked[change.seq] = change.after
                    deaths[change.seq] += change.after.state is State.DEAD

        def has_read(row: Row) -> bool:
            return row.seq <= self.db.all_to or positions[row.shard].has_read(row.seq, row.xid)

        running = [row for row in self.db.rows if row.xid in self.db.running]
        early = [row for row in running if has_read(row)]
        assert not early, "an open event counts as read"
        for row in self.db.committed():
            is_left = row.seq in self.db.skipped or (row.seq in parked and parked[row.seq].state not in AGAIN)
            processed = has_read(row) and not is_left
            assert processed <= (row.seq in self.seen), f"{row.seq} is lost: {positions[row.shard]}"
            assert processed == (row.seq in self.seen) or not self._is_exact, f"{row.seq} is not known to be published"
        if self._is_exact:
            assert +deaths == self.letters, f"deaths {deaths}, letters {self.letters}"

    def teardown(self) -> None:
        """All is mended: all is published in the end but for what was skipped, and for no other reason than time."""
        if not hasattr(self, "db"):
            return
        for xid in list(self.db.running):
            self.db.end(xid, commits=True)
        self.encoder.refusing.clear()
        while True:
            self.wait_for_what_may_go()
            if not self.db.dead():
                break
            for seq in self.db.dead():  # one by one would find more, by looking more often
                is_unknown = next(row for row in self.db.rows if row.seq == seq).event_type == "unknown"
                self.decide_about(seq, mends=True, skips=is_unknown)
        self.rest()
        assert all(self.replayed.values()), f"never replayed: {self.replayed}"
        totals["histories"] += 1
        totals["takeovers"] += sum(store.ledger.generation for store in self.db.stores)
        totals["events"] += len(self.db.rows)

    def rest(self) -> None:
        """When nothing is left to do, they do nothing."""
        for _ in range(3):
            self.step_until_idle()
            self.db.now += 0.2
        assert all(shard.look() is News.NONE for shard in self.alive()), "it looks for nothing"

    def wait_for_what_may_go(self) -> None:
        patience = 60 + 3 * len(self.db.rows)
        pauses = cycle([0.05, 0.06, 0.3, 5.1])
        for _ in range(patience):
            if self._step_all():
                self.db.now += next(pauses)
            self.holds_true()
            left = self._left()
            if not left and all(store.ledger.in_flight is None for store in self.db.stores):
                return
        raise AssertionError(f"never published: {left}, {self.db.parked}, {self.db.stores}")

    def _left(self) -> list[int]:
        """Events that wait for nobody's decision."""
        dead = [self.db.parked[seq] for seq in self.db.dead()]
        policy = self.settings.relay.on_dead
        dead_at = {row.place: row.seq for row in sorted(dead, reverse=True) if policy is not OnDead.SKIP}
        stops = {row.place.topic: row.seq for row in sorted(dead, reverse=True) if row.stops}
        aside = self.seen.union(self.db.skipped, (row.seq for row in dead))
        replayed = [row.seq for row in self.db.parked.values() if row.state is State.REPLAYED]
        return replayed + [
            row.seq
            for row in self.db.committed()
            if row.seq not in aside
            and dead_at.get(Place(TOPIC.get(row.event_type, DEAD), hash_of(row.key)), row.seq) >= row.seq
            and stops.get(TOPIC.get(row.event_type, DEAD), row.seq) >= row.seq
        ]
