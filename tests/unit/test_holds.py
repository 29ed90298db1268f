"""Held topics: which, for how long, and what is said of it; `test_batch.py` has what becomes of their events."""

from __future__ import annotations

import logging
from collections.abc import Collection

import pytest

from bridge.errors import BrokerUnavailable, IncompatibleSchema, TopicUnwritable
from bridge.event import EVENT_QUEUE, Event, Record
from bridge.settings import Route, Settings, TopicSettings
from bridge.shard.holds import HOLD_SECONDS, TRIAL_SECONDS, TopicHolds

SETTINGS = Settings(
    topics=TopicSettings(dead_letters="dead"), routes=(Route("a", "topic a", ""), Route("b", "topic b", ""))
)


class World:
    """A clock and a Kafka for one TopicHolds."""

    def __init__(self) -> None:
        self.now = 0.0
        self.unwritable: set[str] = set()
        self.is_away = False
        self.holds = TopicHolds(SETTINGS, lambda: self.now, self._ask)

    def _ask(self, topics: Collection[str]) -> dict[str, TopicUnwritable]:
        if self.is_away:
            raise BrokerUnavailable("away")
        return {topic: TopicUnwritable("still") for topic in topics if topic in self.unwritable}


def event(event_type: str) -> Event:
    return Event(EVENT_QUEUE, 1, "1", event_type, "k", "{}", None, 0)


def test_one_topic_is_held_and_the_others_are_not() -> None:
    world = World()
    why = IncompatibleSchema("old")
    world.holds.hold("topic a", why)
    assert world.holds.current.keys() == {"topic a"}
    assert world.holds.current["topic a"].why is why
    assert not world.holds.release_due()
    world.now = HOLD_SECONDS
    assert world.holds.release_due()
    assert not world.holds.current
    assert not world.holds.release_due()  # nothing more to try


def test_where_an_event_goes() -> None:
    """Without a route, to the dead letters: it waits for their topic."""
    holds = World().holds
    assert [holds.topic_of(event(kind)) for kind in ("a", "b", "no such type", "")] == [
        "topic a", "topic b", "dead", "dead"
    ]  # fmt: skip


def test_a_hold_that_is_found_again_began_when_it_began() -> None:
    world = World()
    world.holds.hold("topic a", IncompatibleSchema("old"))
    since = world.holds.current["topic a"].since
    world.now = 3.0
    world.holds.hold("topic a", TopicUnwritable("no"))
    assert world.holds.current["topic a"].since == since
    world.now = HOLD_SECONDS
    assert not world.holds.release_due()
    world.now = HOLD_SECONDS + 3.0
    assert world.holds.release_due()


@pytest.mark.parametrize("is_away", [False, True])
def test_a_topic_that_kafka_refused_is_asked_for_before_it_is_tried(is_away: bool) -> None:
    world = World()
    world.unwritable = {"topic a"}
    world.holds.hold("topic a", TopicUnwritable("no"))
    world.holds.hold("topic b", IncompatibleSchema("old"))
    world.now, world.is_away = HOLD_SECONDS, is_away
    assert world.holds.release_due()
    assert world.holds.current.keys() == {"topic a"}
    world.now, world.unwritable, world.is_away = 2 * HOLD_SECONDS, set(), False
    assert world.holds.release_due()
    assert not world.holds.current


def test_it_is_said_once_and_again_after_it_was_mended(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            world.holds.hold("topic a", IncompatibleSchema("old"))
            world.now += HOLD_SECONDS
            world.holds.release_due()
        world.holds.published([Record("topic b", b"", None, [], 0)])
        world.holds.published([Record("topic a", b"", None, [], 0)])
        world.holds.hold("topic a", IncompatibleSchema("old"))
    said = [record.getMessage() for record in caplog.records]
    assert [line.split(",")[0] for line in said] == [
        "topic topic a is held",
        "topic topic a is not held any more",
        "topic topic a is held",
    ]


def test_a_topic_that_goes_on_being_refused_releases_nothing() -> None:
    """Or its events would be looked for every few seconds, for nothing."""
    world = World()
    world.unwritable = {"dead"}
    world.holds.hold("dead", TopicUnwritable("no"))
    world.now = HOLD_SECONDS
    assert not world.holds.release_due()
    assert world.holds.current.keys() == {"dead"}
    world.now, world.unwritable = 2 * HOLD_SECONDS, set()
    assert world.holds.release_due()


def test_an_idle_shard_can_ask_whether_one_is_due() -> None:
    world = World()
    assert not world.holds.is_due()
    world.holds.hold("a", IncompatibleSchema("old"))
    world.now = HOLD_SECONDS - 0.1
    assert not world.holds.is_due()
    world.now = HOLD_SECONDS
    assert world.holds.is_due()
    assert world.holds.release_due()
    assert not world.holds.is_due()


def test_what_is_found_long_after_a_topic_was_let_go_is_another_matter(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing was published to it since: its events had died meanwhile, say, and nothing tells that it is well."""
    world = World()
    world.holds.hold("topic a", IncompatibleSchema("old"))
    since = world.holds.current["topic a"].since
    world.now = HOLD_SECONDS
    assert world.holds.release_due()
    world.now += TRIAL_SECONDS - 1
    world.holds.hold("topic a", IncompatibleSchema("old"))
    assert (world.holds.current["topic a"].since, len(caplog.records)) == (since, 1)
    world.now += HOLD_SECONDS
    assert world.holds.release_due()
    world.now += TRIAL_SECONDS
    world.holds.hold("topic a", IncompatibleSchema("old"))
    assert world.holds.current["topic a"].since > since
    assert len(caplog.records) == 2
