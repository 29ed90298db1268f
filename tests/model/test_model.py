"""The relay's own code against all disorder that Hypothesis can think of: who runs, what is late, cut, killed, lost.

`BRIDGE_TEST_MODEL_RUNS` sets the number of histories (default 500). A failure prints the shortest history found, and
a seed: `pytest tests/model --hypothesis-seed=...` finds it again. `BRIDGE_TEST_MODEL_SHRINK=0` stops at the first one.
"""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import replace
from typing import Any
from uuid import UUID

import hypothesis.strategies as st
from hypothesis import note
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from model.histories import run
from model.postgres import Postgres
from model.process import Fate, Process, Servers, arrive

from bridge.settings import OnDead, RelaySettings, Route, Settings
from bridge.shard.takeover import adopt

SETTINGS = Settings(
    relay=RelaySettings(lease_seconds=5),
    routes=tuple(Route(event_type, event_type, "") for event_type in ("thing.changed", "other.changed")),
)
RELAYS = 2
REQUESTS = (
    "init_transactions", "read_control", "read", "free", "write", "write answered",
    "produce", "end_transaction", "end_transaction answered",
)  # fmt: skip
totals: Counter[str] = Counter()  # over all histories: shows that they were worth the time

which = st.integers(0, RELAYS - 1)
keys = st.sampled_from("abc")
CHANGES = ("time-out", "mark", "mark", "foreign", "registry", "registry", "limit", "other.changed", "dead")
texts = st.sampled_from(["", "", "", "", "", "poison", "large", "bug"])
types = st.sampled_from(["thing.changed", "thing.changed", "other.changed"])


class History(RuleBasedStateMachine):
    """One database, one shard, two relays that are started again whenever they end."""

    def __init__(self) -> None:
        super().__init__()
        self.servers = Servers()
        self.order: dict[str, int] = {}  # id to its place in the order of writing
        self.seen: Counter[str] = Counter()  # ids, and ids of dead letters with a "+"
        self.last: dict[tuple[str, bytes], int] = {}
        self.checked = 0
        self.backup: Postgres | None = None
        self.was_restored = False
        self.was_set_back = False
        self.given_again_below = 0  # while the sequence is set back: the number that it stood at
        self.started = 0
        self.relays: list[Process] = []

    @initialize(on_dead=st.sampled_from([OnDead.HOLD, OnDead.HOLD, OnDead.STOP]))
    def begin_with(self, on_dead: OnDead) -> None:
        self.settings = replace(SETTINGS, relay=replace(SETTINGS.relay, on_dead=on_dead))
        self.relays = [self.start() for _ in range(RELAYS)]

    def start(self) -> Process:
        self.started += 1
        return Process(self.servers, self.settings, f"relay {self.started}")

    @property
    def db(self) -> Postgres:
        return self.servers.postgres

    def relay(self, number: int) -> Process:
        if not self.relays[number].is_alive:
            self.relays[number] = self.start()
        return self.relays[number]

    def insert(self, xid: int, event_type: str, key: str, text: str = "", due_at: float = 0.0) -> None:
        if self.db.seq + 1 == self.given_again_below:
            return  # from here on nothing would show that it was set back
        id_ = str(len(self.order))
        self.order[id_] = len(self.order)
        self.db.insert(xid, id_, event_type, key, text, due_at)

    # Writers

    @rule(events=st.lists(st.tuples(types, keys, texts), min_size=1, max_size=5), outcome=st.integers(0, 9))
    def write(self, events: list[tuple[str, str, str]], outcome: int) -> None:
        """A short transaction."""
        xid = self.db.begin()
        for event_type, key, text in events:
            if not self.db.is_locked(key):
                self.insert(xid, event_type, key, text)
        if outcome == 0:
            self.db.roll_back(xid)
        else:
            self.db.commit(xid)

    @rule(event_type=types, key=keys, writes_now=st.booleans())
    def begin(self, event_type: str, key: str, writes_now: bool) -> None:
        """A transaction that stays open; it may draw its numbers long after its id."""
        xid = self.db.begin()
        if writes_now and not self.db.is_locked(key):
            self.insert(xid, event_type, key)

    @precondition(lambda self: self.db.running)
    @rule(data=st.data(), event_type=types, key=keys, outcome=st.integers(0, 9))
    def go_on(self, data: Any, event_type: str, key: str, outcome: int) -> None:
        """An open transaction writes, and mostly ends."""
        xid = data.draw(st.sampled_from(sorted(self.db.running)))
        if not self.db.is_locked(key, but_by=xid):
            self.insert(xid, event_type, key)
        if outcome == 0:
            self.db.roll_back(xid)
        elif outcome > 2:
            self.db.commit(xid)

    @rule(seconds=st.integers(1, 8))
    def write_for_later(self, seconds: int) -> None:
        xid = self.db.begin()
        self.insert(xid, "thing.changed", f"later {len(self.order)}", due_at=self.db.now + seconds)
        self.db.commit(xid)

    # Relays

    @rule(number=which, steps=st.integers(1, 60), lease_runs_out=st.booleans())
    def run(self, number: int, steps: int, lease_runs_out: bool) -> None:
        """Let a relay run, mostly one that may take the shard."""
        if lease_runs_out:
            self.db.now += SETTINGS.relay.lease_seconds + 1
        for _ in range(steps):
            if self.relay(number).is_alive:
                self.relay(number).step()

    @rule(number=which, request=st.sampled_from(REQUESTS), lease_runs_out=st.booleans())
    def run_to(self, number: int, request: str, lease_runs_out: bool = False) -> None:
        """Run until just before this request acts, or its answer arrives."""
        if lease_runs_out:
            self.db.now += SETTINGS.relay.lease_seconds + 1
        for _ in range(60):
            relay = self.relay(number)
            if not relay.is_alive or relay.at == request:
                return
            relay.step()

    @rule(number=which, request=st.sampled_from(REQUESTS), fate=st.sampled_from([Fate.CUT, Fate.LATE, Fate.TWICE]))
    def disturb(self, number: int, request: str, fate: Fate) -> None:
        self.run_to(number, request)
        if self.relay(number).is_alive:
            totals[fate.name] += 1
            self.relay(number).step(fate)

    @rule(number=which, request=st.sampled_from(REQUESTS))
    def kill(self, number: int, request: str) -> None:
        self.run_to(number, request)
        totals["killed"] += 1
        self.relay(number).kill()

    @rule(number=which)
    def stop(self, number: int) -> None:
        self.relay(number).stop()

    # Servers and time

    @rule(seconds=st.sampled_from([0.5, 2.0, 6.0, 6.0, 100_000.0]))
    def pass_time(self, seconds: float) -> None:
        self.db.now += seconds

    @precondition(lambda self: self.servers.wire)
    @rule(data=st.data())
    def arrive_late(self, data: Any) -> None:
        totals["late"] += 1
        arrive(self.servers.wire.pop(data.draw(st.integers(0, len(self.servers.wire) - 1))))

    @rule(what=st.sampled_from(CHANGES))
    def change(self, what: str) -> None:
        if what == "time-out":
            self.servers.kafka.time_out()
        elif what == "mark":
            self.servers.kafka.mark()
        elif what == "foreign":
            self.servers.kafka.open_foreign()
        elif what == "registry":
            self.servers.registry_is_away = not self.servers.registry_is_away
        elif what == "limit":
            self.servers.limit_is_lowered = True
        else:
            self.servers.forbidden ^= {what}

    @precondition(lambda self: self.db.dead())
    @rule(data=st.data(), mend=st.booleans(), retry=st.booleans())
    def decide(self, data: Any, mend: bool, retry: bool) -> None:
        """A person retries or skips a dead event."""
        id_ = data.draw(st.sampled_from(sorted(self.db.dead())))
        if mend:
            next(row for row in self.db.rows if row.id == id_).text = ""
        if retry:
            totals["retried"] += 1
            self.db.retry_dead(id_)
        else:
            self.db.skip_dead(id_)

    @rule(action=st.integers(0, 4), is_hidden=st.booleans())
    def crash(self, action: int, is_hidden: bool) -> None:
        """Postgres loses what was settled lazily, never a claim."""
        if action == 0:
            totals["crashed"] += 1
            totals["settled in vain"] += self.db.on_disk is not None
            self.servers.postgres = self.db.crashed(is_hidden=is_hidden)

    @rule(action=st.integers(0, 9), is_hidden=st.booleans())
    def restore(self, action: int, is_hidden: bool) -> None:
        """Now and then the database goes back in time."""
        if action == 0 and self.backup is not None:
            totals["restored"] += 1
            self.servers.postgres = self.db.restored(self.backup, is_hidden=is_hidden)
            self.was_restored = True
            drawn, highest = self.db.numbers()
            self.given_again_below = highest if drawn < highest else 0
        elif self.backup is None:
            self.backup = copy.deepcopy(self.db)

    @rule(action=st.integers(0, 4), by=st.integers(1, 8))
    def set_back(self, action: int, by: int) -> None:
        """Somebody sets the sequence of event numbers back, behind the number of an event."""
        _, highest = self.db.numbers()
        if action == 0 and not self.given_again_below and highest > by:
            totals["set back"] += 1
            self.was_set_back = True
            self.db.seq, self.given_again_below = highest - by, highest

    @rule()
    def recover(self) -> None:
        """A person lets a stopped shard go on, as `bridge recover` does: what Kafka has counts as published."""
        if not self.db.stopped or self.db.running:
            return
        assert self.was_restored or self.db.renumber, self.db.stopped
        kafka = self.servers.kafka
        kafka.init_transactions()
        self.db.settle_found(kafka.last)
        if self.db.renumber:
            totals["renumbered"] += 1
            self.db.repair_numbers()
            self.given_again_below = 0
        totals["recovered"] += 1
        dead_first = sorted(kafka.log, key=lambda record: record.topic != "dead")
        topics = {record.value.decode(): record.topic for record in dead_first if record.value is not None}
        self.db.begin_anew(adopt(self.db.ledger, kafka.last, UUID(int=self.db.ledger.generation)), topics)

    # What must hold

    @invariant()
    def holds(self) -> None:
        rows = {row.id: row for row in self.db.committed()}
        for record in self.servers.kafka.log[self.checked :]:
            assert record.value is not None
            id_ = record.value.decode()
            totals["records"] += 1
            if record.topic == "dead":
                self.seen[id_ + "+"] += 1
                continue
            assert not self.seen[id_], f"event {id_} is doubled"
            self.seen[id_] += 1
            assert self.was_restored or id_ in rows, f"event {id_} is a phantom"
            place = (record.topic, record.key)
            assert self.order[id_] > self.last.get(place, -1), f"event {id_} is out of order"
            self.last[place] = self.order[id_]
        self.checked = len(self.servers.kafka.log)
        assert self.was_restored or not self.db.stopped or (self.was_set_back and self.db.renumber), self.db.stopped
        for row in rows.values():
            assert self.db.status(row) != "PROCESSED" or self.seen[row.id], f"event {row.id} is lost"
            letters, deaths = self.seen[f"{row.id}+"], self.db.deaths.get(row.id, 0)
            assert self.was_restored or deaths <= letters <= deaths + 1, f"dead letters of {row.id}: {letters}"

    def teardown(self) -> None:
        """All is mended: whatever was written must be published now, by whoever is first."""
        if not self.relays:
            return
        while self.servers.wire:
            arrive(self.servers.wire.pop(0))
        self.servers.kafka.mark()
        self.servers.kafka.foreign = None
        for xid in sorted(self.db.running):
            self.db.commit(xid)
        self.servers.registry_is_away = False
        self.servers.forbidden.clear()
        if len(self.order) % 2:  # half of the time the relays that have lived through it go on, and must find it all
            for relay in self.relays:
                relay.kill()
        self.db.now += 10
        for turn in range(1000 + 100 * len(self.order)):
            relay = self.relay(turn // 20 % RELAYS)
            relay.step()
            self.recover()
            self.holds()
            if relay.at in ("waiting", "free"):
                self.db.now += 2 if relay.at == "waiting" else 0.2
                if any(other.owner == self.db.ledger.owner and other.at != "free" for other in self.relays):
                    self.db.lease_until = self.db.now + SETTINGS.relay.lease_seconds  # bridge.relay renews it
                self.servers.kafka.mark()
                for id_ in self.db.dead():
                    self.db.skip_dead(id_)
                if self.db.ledger.in_flight is None and not self.db.pending():
                    break
        else:
            raise AssertionError(f"not published: {self.db.pending()}, {self.db.parked}, {self.db.ledger}")
        totals["histories"] += 1
        totals["takeovers"] += self.db.ledger.generation
        for relay in self.relays:
            relay.kill()
        note(f"log: {[(record.topic, record.key, record.value) for record in self.servers.kafka.log]}")


def test_histories() -> None:
    """Nothing is lost, doubled, out of order or a phantom, and all is published in the end."""
    totals.clear()
    run(History, steps=40)
    print(dict(totals))
