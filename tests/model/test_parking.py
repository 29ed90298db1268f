"""Reading, parking and releasing composed: the real `Shard`, step by step, others between its requests.

The database is `outbox.py`, Kafka takes a batch at once or not at all; the relay dies before or after any request.
`tests/model/test_model.py` has fewer events and more disorder: relays beside each other, and servers that go back in
time.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from itertools import cycle

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from model.histories import run
from model.outbox import Database, Row, hash_of

from bridge.encoding.headers import REPLAYED
from bridge.encoding.routing import all_topics
from bridge.errors import PoisonEvent, TopicUnwritable, UnroutableEvent
from bridge.event import DeadLetter, Event, Record
from bridge.settings import Delivery, OnDead, RelaySettings, Route, Settings, TopicSettings
from bridge.shard.holds import TopicHolds
from bridge.shard.ledger import ControlRecord
from bridge.shard.parked import Place, State
from bridge.shard.releases import LOOK_SECONDS
from bridge.shard.shard import News, Shard
from bridge.shard.suspicion import Suspicion

DEAD = "dead"
ROUTES = (Route("x", "X", ""), Route("y", "Y", ""), Route("other y", "Y", ""))
TOPIC = {route.event_type: route.topic for route in ROUTES}
POINTS = ("free", "read", "drawn", "write", "written", "publish", "published")
AGAIN = (State.REPLAYED, State.REFUSED)  # it was published
totals: Counter[str] = Counter()

keys = st.sampled_from("aab")
types = st.sampled_from(["x", "x", "y", "other y"])


class Died(Exception):
    """The relay is killed."""


class Kafka:
    """One shard's producer, and what it has published, and when: at least once, without the ledger's numbers."""

    def __init__(self, most: int, reached: Callable[[str], None], now: Callable[[], float], *, is_exact: bool) -> None:
        self._most, self._is_exact, self._now = most, is_exact, now
        self.log: list[tuple[Record, float]] = []
        self.last: ControlRecord | None = None
        self._reached = reached

    def open(self) -> ControlRecord | None:
        return self.last

    def publish(self, control: ControlRecord, records: Iterable[Record]) -> None:
        self._reached("publish")
        records = list(records)
        assert len(records) <= self._most, "more than a batch may have"
        self.log += [(record, self._now()) for record in records]
        if self._is_exact:
            self.last = control
        self._reached("published")

    def commit(self, control: ControlRecord) -> None:
        self.last = control


class Encoder:
    """`poison` cannot be encoded, and nothing can for topics that `refuse`."""

    def __init__(self) -> None:
        self.poison: set[int] = set()
        self.refusing: set[str] = set()

    def record(self, event: Event) -> Record:
        if event.event_type not in TOPIC:
            raise UnroutableEvent("no route")
        if TOPIC[event.event_type] in self.refusing:
            raise TopicUnwritable("no")
        if event.seq in self.poison:
            raise PoisonEvent("poison")
        return self._record(TOPIC[event.event_type], event)

    def dead_letter(self, letter: DeadLetter) -> Record:
        if DEAD in self.refusing:
            raise TopicUnwritable("no")
        return self._record(DEAD, letter.event)

    def expect_change(self) -> None:
        pass

    def unwritable(self, topics: Collection[str]) -> dict[str, TopicUnwritable]:
        return {topic: TopicUnwritable("still") for topic in self.refusing.intersection(topics)}

    @staticmethod
    def _record(topic: str, event: Event) -> Record:
        headers = [] if event.replay_id is None else [(REPLAYED, str(event.replay_id))]
        return Record(topic, event.key.encode(), event.id.encode(), headers, 0)


class Parkings(RuleBasedStateMachine):
    """One shard, one relay, writers, and people who decide about dead events."""

    @initialize(
        most=st.integers(1, 4),
        passes=st.sampled_from([2, 1000, 1000]),
        on_dead=st.sampled_from([OnDead.HOLD, OnDead.HOLD, OnDead.SKIP, OnDead.STOP, OnDead.STOP]),
        delivery=st.sampled_from([Delivery.EXACTLY_ONCE] * 3 + [Delivery.AT_LEAST_ONCE]),
    )
    def begin_with(self, most: int, passes: int, on_dead: OnDead, delivery: Delivery) -> None:
        self.settings = Settings(
            relay=RelaySettings(on_dead=on_dead, delivery=delivery, batch_rows=most),
            topics=TopicSettings(dead_letters=DEAD),
            routes=ROUTES,
        )
        self.db = Database(most=most, passes=passes, topics=all_topics(self.settings), reached=self.reached)
        self.kafka, self.encoder = Kafka(most, self.reached, self.now, is_exact=self._is_exact), Encoder()
        self.checked = 0  # records
        self.seen: set[int] = set()
        self.last: dict[Place, int] = {}
        self.letters: Counter[int] = Counter()
        self.stopped_by: set[int] = set()  # events that have died, and are not published or skipped since
        self.replayed: dict[tuple[int, int], bool] = {}  # by number, and replay: whether that has published it
        self.last_replayed: dict[tuple[Place, int], int] = {}
        self.plan: dict[str, Callable[[], object]] = {}  # what comes between, by place
        self.take_over(dies=True)

    def reached(self, point: str) -> None:
        self.plan.pop(point, lambda: None)()

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
    def begin(self, key: str, event_type: str, writes: bool) -> None:
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

    @rule(key=keys, event_type=st.sampled_from(["x", "y", "unknown"]), more=st.integers(0, 2))
    def write_poison(self, key: str, event_type: str, more: int) -> None:
        """And some behind it."""
        xid = self.db.begin()
        if self.db.insert(xid, key, event_type):
            self.encoder.poison.add(self.db.seq)
        for _ in range(more):
            self.db.insert(xid, key, event_type)
        self.db.end(xid, commits=True)

    @rule(key=keys, event_type=types, delay=st.sampled_from([0.1, 1, 7]))
    def write_for_later(self, key: str, event_type: str, delay: float) -> None:
        xid = self.db.begin()
        self.db.insert(xid, key, event_type, self.db.now + delay)
        self.db.end(xid, commits=True)

    # The relay

    @rule(times=st.integers(1, 4), is_busy=st.booleans())
    def step(self, times: int, is_busy: bool) -> None:
        """Some steps; there may be something for the busy key in each of them."""
        for _ in range(times):
            if is_busy:
                self.write([("a", "x")])
            self._step()

    @rule(rounds=st.integers(1, 2))
    def carry(self, rounds: int) -> None:
        """As its thread does: until it is idle, and then until a look has news, or a little later anyway."""
        for _ in range(rounds):
            self._step_until_idle()
            if self.shard.look() is News.NONE:
                self.db.now += 0.25

    @rule(
        data=st.data(),
        point=st.sampled_from(POINTS),
        what=st.sampled_from(["commit", "begin", "write", "decide", "replay", "elsewhere"]),
    )
    def step_beside_others(self, data: st.DataObject, point: str, what: str) -> None:
        """Somebody does something between two of its requests."""
        self._step_beside(data, point, what)

    @rule(
        data=st.data(),
        point=st.sampled_from(POINTS),
        dies=st.booleans(),
        what=st.sampled_from(["nothing", "decide", "elsewhere"]),
    )
    def die(self, data: st.DataObject, point: str, dies: bool, what: str) -> None:
        """Of its process, or of its connections: then held topics are remembered.

        Somebody may do something before the next one's first read.
        """
        self.plan[point] = self._die
        try:
            self._step()
        except Died:
            totals["died"] += 1
        self.plan.clear()
        self.take_over(dies=dies)
        if what != "nothing":
            self._step_beside(data, "read", what)

    def _step_beside(self, data: st.DataObject, point: str, what: str) -> None:
        self.plan[point] = lambda: self._intervene(data, what)
        self._step()
        self.plan.clear()

    def take_over(self, *, dies: bool) -> None:
        if dies:
            self.holds = TopicHolds(self.settings, self.now, self.encoder.unwritable)
        self.shard = Shard.take_over(
            self.settings, self.db, self.kafka, self.encoder, self.holds, Suspicion(), self.now
        )

    def _step_until_idle(self) -> None:
        assert any(self._step() for _ in range(30 + 10 * len(self.db.rows))), "it never rests"

    def _step(self) -> bool:
        """Whether it is idle now; it takes a moment."""
        totals["steps"] += 1
        self.db.now += 0.01
        return self.shard.step().is_idle

    @staticmethod
    def _die() -> None:
        raise Died

    def _intervene(self, data: st.DataObject, what: str) -> None:
        if what == "commit" and self.db.running:
            self.db.end(data.draw(st.sampled_from(sorted(self.db.running))), commits=True)
        elif what == "begin":
            self.begin("b", "x", True)
        elif what == "write":
            self.write([("a", "x"), ("a", "y")])
        elif what == "decide" and self.db.dead():
            self._decide(data.draw(st.sampled_from(self.db.dead())), mends=True, skips=data.draw(st.booleans()))
        elif what == "replay":
            self.replay(0, False)
        elif what == "elsewhere" and self.settings.relay.on_dead is OnDead.STOP:
            self.stop_or_let_go_elsewhere(data.draw(st.sampled_from("XY")), 3, 0)

    # People, topics, time

    @precondition(lambda self: self.db.dead())
    @rule(data=st.data(), mends=st.booleans(), skips=st.booleans())
    def decide(self, data: st.DataObject, mends: bool, skips: bool) -> None:
        self._decide(data.draw(st.sampled_from(self.db.dead())), mends=mends, skips=skips)

    def _decide(self, seq: int, *, mends: bool, skips: bool) -> None:
        totals["skipped" if skips else "retried"] += 1
        if mends:
            self.encoder.poison.discard(seq)
        (self.db.skip_dead if skips else self.db.retry_dead)(seq)

    @precondition(lambda self: self.settings.relay.on_dead is OnDead.STOP)
    @rule(topic=st.sampled_from("XY"), back=st.integers(0, 3), seconds=st.sampled_from([0, 0.2]))
    def stop_or_let_go_elsewhere(self, topic: str, back: int, seconds: float) -> None:
        """An event of another shard dies, or is decided about."""
        if self.db.elsewhere.pop(topic, None) is None:
            self.db.elsewhere[topic] = max(self.db.seq - back, 1)
        self.db.now += seconds

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
        if not hasattr(self, "shard"):
            return
        rows = {row.seq: row for row in self.db.rows}
        for record, at in self.kafka.log[self.checked :]:
            row = rows[int(record.value or b"")]
            assert row.due_at <= at + 1e-6, f"{row.seq} came before its time"
            if record.headers:
                self._is_replayed_in_order(row, record)
            elif record.topic == DEAD:
                self.letters[row.seq] += 1
                self.stopped_by.add(row.seq)
            elif row.seq not in self.seen or self._is_exact:
                self._is_in_order(row, record.topic)
        self.checked = len(self.kafka.log)
        self._status_is_true()

    @property
    def _is_exact(self) -> bool:
        return self.settings.relay.delivery is Delivery.EXACTLY_ONCE

    def _is_in_order(self, row: Row, topic: str) -> None:
        assert row.seq not in self.seen, f"{row.seq} is doubled"
        assert row.seq not in self.db.skipped, f"{row.seq} was skipped, then published"
        self.seen.add(row.seq)
        self.stopped_by.discard(row.seq)
        if self.settings.relay.on_dead is OnDead.STOP:
            rows = {other.seq: other for other in self.db.rows}
            stopped_by = [seq for seq in self.stopped_by - self.db.skipped if TOPIC.get(rows[seq].event_type) == topic]
            assert not [seq for seq in stopped_by if seq < row.seq], (
                f"{row.seq} came though {stopped_by} stop its topic"
            )
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
        ledger, parked, deaths = self.db.ledger, dict(self.db.parked), Counter(self.db.deaths)
        position, in_flight = ledger.position, ledger.in_flight
        if in_flight is not None and self.kafka.last == ledger.control:
            position = in_flight.position
            for change in in_flight.changes:
                parked.pop(change.seq, None)
                if change.after is not None:
                    parked[change.seq] = change.after
                    deaths[change.seq] += change.after.state is State.DEAD
        running = [row for row in self.db.rows if row.xid in self.db.running]
        assert not [row for row in running if position.has_read(row.seq, row.xid)], "an open event counts as read"
        for row in self.db.committed():
            is_left = row.seq in self.db.skipped or (row.seq in parked and parked[row.seq].state not in AGAIN)
            processed = position.has_read(row.seq, row.xid) and not is_left
            assert processed <= (row.seq in self.seen), f"{row.seq} is lost: {position}"
            assert processed == (row.seq in self.seen) or not self._is_exact, f"{row.seq} is not known to be published"
        if self._is_exact:
            assert +deaths == self.letters, f"deaths {deaths}, letters {self.letters}"

    def teardown(self) -> None:
        """All is mended: all is published in the end but for what was skipped, and for no other reason than time."""
        if not hasattr(self, "shard"):
            return
        for xid in list(self.db.running):
            self.db.end(xid, commits=True)
        self.encoder.refusing.clear()
        self.db.elsewhere.clear()
        while True:
            self._wait_for_what_may_go()
            if not self.db.dead():
                break
            for seq in self.db.dead():  # one by one would find more, by looking more often
                is_unknown = next(row for row in self.db.rows if row.seq == seq).event_type == "unknown"
                self._decide(seq, mends=True, skips=is_unknown)
        self._rest()
        assert all(self.replayed.values()), f"never replayed: {self.replayed}"
        totals["histories"] += 1
        totals["takeovers"] += self.db.ledger.generation
        totals["events"] += len(self.db.rows)

    def _rest(self) -> None:
        """When nothing is left to do, it does nothing."""
        for _ in range(3):
            self._step_until_idle()
            self.db.now += 0.2
        assert self.shard.look() is News.NONE, "it looks for nothing"

    def _wait_for_what_may_go(self) -> None:
        patience = 60 + 3 * len(self.db.rows)
        pauses = cycle([0.05, 0.06, 0.3, 5.1])
        for _ in range(patience):
            if self._step():
                self.db.now += next(pauses)
            self.holds_true()
            left = self._left()
            if not left and self.db.ledger.in_flight is None:
                return
        raise AssertionError(f"never published: {left}, {self.db.parked}, {self.db.ledger}")

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


@pytest.mark.timeout(1800)  # the machine may be busy
def test_parking(request: pytest.FixtureRequest) -> None:
    """Nothing is lost, doubled or out of order, nothing that was skipped is published, and the status is the truth."""
    logging.getLogger("bridge").setLevel(logging.CRITICAL)
    request.addfinalizer(lambda: logging.getLogger("bridge").setLevel(logging.NOTSET))
    totals.clear()
    run(Parkings, steps=30)
    print(dict(totals))


def test_a_topic_goes_on_between_the_first_look_and_the_first_read() -> None:
    """The look still saw what stopped it, the read saw nothing; a history comes to that once in some thousand."""
    one = Parkings()
    one.begin_with(most=2, passes=1000, on_dead=OnDead.STOP, delivery=Delivery.EXACTLY_ONCE)
    one.db.elsewhere["X"] = 1
    one.write([("a", "y"), ("a", "x")])
    one.step(times=2, is_busy=False)
    one.pass_time(1)
    one.step(times=2, is_busy=False)
    assert list(one.db.parked) == [2]
    one.take_over(dies=True)
    one.plan["read"] = one.db.elsewhere.clear
    one.step(times=1, is_busy=False)
    assert not one.plan
    one._wait_for_what_may_go()
    assert one.seen == {1, 2}


def test_what_was_mended_by_hand_is_found_without_a_reason_to_look() -> None:
    one = Parkings()
    one.begin_with(most=2, passes=1000, on_dead=OnDead.HOLD, delivery=Delivery.EXACTLY_ONCE)
    one.write_poison("a", "x", more=1)
    one._rest()
    one.encoder.poison.clear()
    one.db.parked[1] = one.db.parked[1]._replace(state=State.RETRIED)
    one._rest()
    one.holds_true()
    assert not one.seen
    one.db.now += LOOK_SECONDS
    assert one.shard.look() is News.WRITTEN
    one.step(times=2, is_busy=False)
    one.holds_true()
    assert one.seen == {1, 2}
