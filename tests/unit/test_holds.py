"""Held topics: which events wait, for how long, and that others do not."""

from __future__ import annotations

import logging
from collections.abc import Collection

import pytest

from bridge.errors import BrokerUnavailable, IncompatibleSchema, TopicUnwritable
from bridge.event import EVENT_QUEUE, Event, Record
from bridge.settings import Route, Settings, TopicSettings
from bridge.shard.holds import HOLD_SECONDS, TopicHolds

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


def event(event_type: str, key: str = "k", seq: int = 1) -> Event:
    return Event(EVENT_QUEUE, seq, str(seq), event_type, key, "{}", None, 0)


def test_one_topic_is_held_and_the_others_are_not() -> None:
    world = World()
    world.holds.hold("topic a", IncompatibleSchema("old"))
    assert world.holds.holds(event("a"))
    assert not world.holds.holds(event("b"))
    assert world.holds.event_types() == ["a"]
    assert not world.holds.release_due()
    world.now = HOLD_SECONDS
    assert world.holds.release_due()
    assert not world.holds.holds(event("a"))


@pytest.mark.parametrize("is_away", [False, True])
def test_a_topic_that_kafka_refused_is_asked_for_before_it_is_tried(is_away: bool) -> None:
    world = World()
    world.unwritable = {"topic a"}
    world.holds.hold("topic a", TopicUnwritable("no"))
    world.holds.hold("topic b", IncompatibleSchema("old"))
    world.now, world.is_away = HOLD_SECONDS, is_away
    assert world.holds.release_due()
    assert world.holds.event_types() == ["a"]
    world.now, world.unwritable, world.is_away = 2 * HOLD_SECONDS, set(), False
    assert world.holds.release_due()
    assert world.holds.event_types() == []


def test_an_event_that_would_be_a_dead_letter_waits_for_their_topic_and_its_key_with_it() -> None:
    world = World()
    world.holds.hold("dead", TopicUnwritable("no"))
    assert world.holds.holds(event("no such type"))
    assert not world.holds.holds(event("a", seq=4))
    world.holds.wait(event("a", seq=5))
    assert world.holds.holds(event("a", seq=6))
    assert not world.holds.holds(event("a", seq=4))
    assert not world.holds.holds(event("a", "other", seq=6))
    world.now = HOLD_SECONDS
    assert world.holds.release_due()
    assert not world.holds.holds(event("a", seq=6))


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


def test_what_waits_for_the_dead_letters_goes_on_waiting_while_they_are_refused() -> None:
    """Nothing is read again then, so nothing would find out anew that a later event of the key must wait."""
    world = World()
    world.unwritable = {"dead"}
    world.holds.hold("dead", TopicUnwritable("no"))
    world.holds.wait(event("a", seq=7))
    world.now = HOLD_SECONDS
    assert not world.holds.release_due()
    assert world.holds.holds(event("a", seq=8))
    world.now, world.unwritable = 2 * HOLD_SECONDS, set()
    assert world.holds.release_due()
    assert not world.holds.holds(event("a", seq=8))


def test_the_earliest_event_that_waits_counts() -> None:
    """It may be read after a later one, when it was retried."""
    world = World()
    world.holds.hold("dead", TopicUnwritable("no"))
    world.holds.wait(event("a", seq=7))
    world.holds.wait(event("a", seq=5))
    world.holds.wait(event("a", seq=9))
    assert not world.holds.holds(event("a", seq=4))
    assert world.holds.holds(event("a", seq=6))
