"""The relay's parts that decide and do no I/O: shares, emptiness, outages, health."""

from __future__ import annotations

import gc
import logging
import signal
import threading
import weakref
from contextlib import nullcontext
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from bridge.backoff import backoff
from bridge.errors import (
    BrokerUnavailable,
    DatabaseRefuses,
    DatabaseUnavailable,
    IncompatibleSchema,
    KeysBlocked,
    UnforeseenFailure,
)
from bridge.postgres.members import ShardRow
from bridge.relay.emptiness import is_done, raise_if_stuck
from bridge.relay.health import STUCK, Health
from bridge.relay.outages import Outages
from bridge.relay.shard_health import ShardHealth
from bridge.relay.shard_thread import READ_SECONDS, ShardThread
from bridge.relay.sharing import share_out
from bridge.relay.signals import heeded
from bridge.relay.waits import waits
from bridge.settings import Settings
from bridge.shard.holds import TopicHolds
from bridge.shard.ports import Ports
from bridge.shard.shard import News
from bridge.text import place

WELL = Health("relay", "It tries again")


def health(shard: int = 0) -> ShardHealth:
    return ShardHealth(shard, TopicHolds(Settings(), lambda: 0.0, lambda _: {}))


@given(st.integers(1, 9), st.integers(1, 5))
def test_shares_are_fair_and_all_shards_are_taken(count: int, relays: int) -> None:
    owners: dict[int, str | None] = dict.fromkeys(range(count))
    for _ in range(3):
        for relay in range(relays):
            me = f"relay {relay}"
            rows = [ShardRow(shard, owner, owner is None, None, relays) for shard, owner in owners.items()]
            ours = [shard for shard, owner in owners.items() if owner == me]
            shares = share_out(rows, ours, me)
            owners |= dict.fromkeys(shares.take, me) | dict.fromkeys(shares.give_back)
    held = [sum(owner == f"relay {relay}" for owner in owners.values()) for relay in range(relays)]
    assert sum(held) == count
    assert max(held) <= -(-count // relays)


def test_it_is_done_when_nothing_is_left_that_could_move() -> None:
    assert is_done(0, 0, {0: health()}, is_stopped=False)
    assert not is_done(3, 0, {0: health()}, is_stopped=False)
    assert not is_done(3, 0, {0: health()}, is_stopped=True), "another shard's"
    assert is_done(0, 0, {0: health()}, is_stopped=True)
    assert is_done(3, 3, {0: health()}, is_stopped=True)
    with pytest.raises(KeysBlocked):
        is_done(3, 3, {0: health()}, is_stopped=False)


def test_why_it_is_not_done_is_raised() -> None:
    held, stuck = health(), health()
    held.holds.hold("topic", IncompatibleSchema("old"))
    with pytest.raises(IncompatibleSchema):
        is_done(3, 1, {0: held}, is_stopped=False)
    for _ in range(STUCK):
        stuck.failed_unforeseen("KeyError in step")
    with pytest.raises(UnforeseenFailure, match="KeyError in step"):
        is_done(3, 1, {0: stuck}, is_stopped=False)


def test_an_outage_is_said_once_and_ends_when_all_are_back(caplog: pytest.LogCaptureFixture) -> None:
    outages = Outages()
    with caplog.at_level(logging.INFO):
        for who in ("shard 0", "shard 1", "shard 0"):
            outages.began(who, BrokerUnavailable(f"{who}: no route"))
        outages.ended("shard 0", BrokerUnavailable)
        outages.ended("shard 1", BrokerUnavailable)
    assert [record.getMessage() for record in caplog.records] == [
        "Kafka is away; waiting for it: shard 0: no route",
        "Kafka is back",
    ]


def test_nobody_misses_a_server_whose_shard_has_left() -> None:
    """The last one that did was stopped, say, by what it found once Kafka was back: nobody here would end it."""
    outages = Outages()
    for who in ("shard 0", "shard 1"):
        outages.began(who, BrokerUnavailable("no route"))
    outages.forget("shard 0")
    assert [outage.server for outage in outages.current()] == ["Kafka"]
    outages.forget("shard 1")
    assert outages.current() == []


def test_another_reason_of_an_outage_is_said_once_more(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file with a password that has gone since, say: the first reason would send a person elsewhere."""
    outages = Outages()
    outages.began("shard 0", DatabaseUnavailable("the session was ended"))
    outages.began("shard 0", DatabaseUnavailable("connection refused"))
    assert len(caplog.records) == 1, "a server that restarts has many reasons, soon one after another"
    monkeypatch.setattr("bridge.relay.outages.AGAIN_SECONDS", 0.0)
    for _ in range(3):
        for why in ("the session was ended", "the file /run/url is not there"):
            outages.began("shard 0", DatabaseUnavailable(why))
    assert [record.getMessage() for record in caplog.records] == [
        "Postgres is away; waiting for it: the session was ended",
        "Postgres is away; waiting for it: the file /run/url is not there",
    ]
    assert outages.current()[0].why == "the file /run/url is not there"
    for number in range(200):
        outages.began("shard 0", DatabaseUnavailable(f"refused after {number} ms"))
        outages.began("shard 0", DatabaseUnavailable("x" * number))
    assert len(caplog.records) == 100


def test_each_refusal_is_said_for_what_it_is(caplog: pytest.LogCaptureFixture) -> None:
    outages = Outages()
    for why in ("permission denied for table shard", "permission denied for table shard", "read-only transaction"):
        outages.began("shard 0", DatabaseRefuses(why))
    assert [record.getMessage() for record in caplog.records] == [
        "Postgres refuses; trying again: permission denied for table shard",
        "Postgres refuses; trying again: read-only transaction",
    ]


def test_the_back_off_grows_to_its_bound_and_outlives_what_failed() -> None:
    assert backoff(0, 3.0) <= 0.1
    assert 1.5 <= backoff(1000, 3.0) <= 3.0
    ours = health()
    assert [ours.failed_unforeseen("a bug") >= 1.6 for _ in range(9)] == [False] * 5 + [True] * 4


def test_a_bug_is_said_once_and_counted_and_shown(caplog: pytest.LogCaptureFixture) -> None:
    ours = health()
    with caplog.at_level(logging.INFO):
        for _ in range(5):
            ours.batch_failed([7], "ZeroDivisionError in record")
        assert [(wait["kind"], wait["shard"], wait["count"]) for wait in waits(WELL, {0: ours}, Outages())] == [
            ("unforeseen", 0, 5)
        ]
        ours.got_on()
    assert len(caplog.records) == 2
    assert waits(WELL, {0: ours}, Outages()) == []


def test_a_bug_of_the_whole_relay_is_shown_and_is_no_shards() -> None:
    relay = Health("relay", "It tries again")
    for _ in range(STUCK):
        relay.failed_unforeseen("KeyError in _share")
    assert [(wait["kind"], wait["shard"], wait["count"]) for wait in waits(relay, {0: health()}, Outages())] == [
        ("unforeseen", None, STUCK)
    ]
    with pytest.raises(UnforeseenFailure, match="relay does not get on"):
        raise_if_stuck([relay, health()])


class Pauses:
    """A clock that only pauses move, and the pauses."""

    def __init__(self) -> None:
        self.now, self.pauses = 0.0, list[float]()

    def set(self) -> None: ...

    def is_set(self) -> bool:
        return False

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        self.pauses.append(seconds)
        return False


class Idle:
    """A shard for which there is never anything to do."""

    def look(self) -> News:
        return News.NONE


def test_an_idle_shard_looks_after_a_hundredth_of_its_rest() -> None:
    """So what comes then waits hardly longer for it, and a database without writers is left alone."""
    clock: Any = Pauses()
    unused: Any = None
    ports = Ports(unused, unused, unused, unused, unused, make_stop=lambda: clock, now=lambda: clock.now)
    thread = ShardThread(Settings(), 0, ports, Outages(), health())
    idle: Any = Idle()
    most = Settings().relay.poll_max_seconds
    while clock.now < 60:
        before = clock.now
        thread._rest(idle, 0.002, 0.0)
        assert clock.now - before <= READ_SECONDS + most, "it does not read any more"
    assert clock.pauses[0] == 0.002
    assert clock.pauses == sorted(clock.pauses)
    assert clock.pauses[-1] == most
    assert 60 / most < len(clock.pauses) < 60 / most + 550


class Failing:
    """A shard with a batch in hand, of which no step succeeds."""

    in_hand = None

    def step(self) -> None:
        self.batch = self  # as frames of an error hold what they were at
        raise BrokerUnavailable("no route")


def test_an_error_that_is_never_freed_keeps_no_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor what was made to publish it: confluent-kafka keeps some errors for ever, and with them all their frames."""
    kept: list[BaseException] = []
    shards: list[weakref.ref[Failing]] = []
    stop = threading.Event()
    unused: Any = None
    ports = Ports(
        lambda _: nullcontext(unused), lambda _: nullcontext(unused), unused, unused, unused, lambda: stop, lambda: 0.0
    )
    thread = ShardThread(Settings(), 0, ports, Outages(), health())

    def take_over(*_: object) -> Failing:
        shards.append(weakref.ref(shard := Failing()))
        return shard

    def fail(_who: str, error: BaseException) -> None:
        kept.append(error)
        if len(kept) == 2:
            thread.stop()

    monkeypatch.setattr(thread, "_take_over", take_over)
    monkeypatch.setattr(thread._outages, "began", fail)
    thread.run()
    gc.collect()
    assert len(kept) == 2
    assert [shard() for shard in shards] == [None, None]


def test_a_place_says_no_value() -> None:
    with pytest.raises(AttributeError) as caught:
        TopicHolds(Settings(), lambda: 0.0, lambda _: {}).topic_of("S3CR3T")  # type: ignore[arg-type]
    assert "S3CR3T" in str(caught.value) or caught.value.name == "event_type"
    assert place(caught.value).startswith("AttributeError in topic_of, bridge/shard/holds.py:")


def test_what_nohup_ignores_ends_no_relay() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert heeded() == [signal.SIGTERM, signal.SIGINT]
    finally:
        signal.signal(signal.SIGHUP, before)
    assert heeded() == [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
