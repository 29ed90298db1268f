"""What becomes of the events of a read, and of those that were parked before: the outcomes of one batch."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from bridge.encoding.routing import Router
from bridge.errors import (
    BridgeError,
    EventFailed,
    IncompatibleSchema,
    LimitsUnsure,
    PoisonEvent,
    RegistryUnavailable,
    TopicUnwritable,
)
from bridge.event import ENTITY_EVENTS, EVENT_QUEUE, DeadLetter, Event, Record
from bridge.settings import OnDead, RelaySettings, Route, Settings, TopicSettings
from bridge.shard.batch import Batch, BatchMaker
from bridge.shard.holds import TopicHolds
from bridge.shard.parked import Change, Parked, Place, Released, State
from bridge.shard.policies import Policies
from bridge.shard.ports import Obstacle
from bridge.shard.position import Position
from bridge.shard.suspicion import PATIENCE, Suspicion

DEAD = "dead letters"
SETTINGS = Settings(
    topics=TopicSettings(dead_letters=DEAD),
    routes=(Route("a", "topic a", ""), Route("other a", "topic a", ""), Route("b", "topic b", "")),
)
HASHES = {"k": 7, "other": 8}


def event(seq: int, key: str = "k", event_type: str = "a", payload: str = "", source: str = EVENT_QUEUE) -> Event:
    return Event(source, seq, str(seq), event_type, key, payload, None, seq, HASHES[key])


def parked(event: Event, topic: str = "topic a", state: State = State.WAITING, *, blocks: bool = True) -> Parked:
    return Parked.of(event, topic, state, blocks=blocks)


def behind(topic: str, seq: int) -> Obstacle:
    """Of an event whose key has this as its last parked one that blocks in that topic."""
    return Obstacle(None, {topic: seq}, False)


@dataclass
class Encoder:
    """Fails as the payload says: `poison`, `limits` or `bug`; and for the topics that `refuse`, as they say."""

    refusing: dict[str, Exception] = field(default_factory=dict)
    router: Router = field(default_factory=lambda: Router(SETTINGS.routes))

    def record(self, event: Event) -> Record:
        topic = self.router.route(event.event_type, event.entity_type).topic
        if topic in self.refusing:
            raise self.refusing[topic]
        if event.payload in FAILURES:
            raise FAILURES[event.payload]
        return Record(topic, event.key.encode(), event.id.encode(), [], 0)

    def dead_letter(self, letter: DeadLetter) -> Record:
        if DEAD in self.refusing:
            raise self.refusing[DEAD]
        return Record(DEAD, letter.event.key.encode(), letter.event.id.encode(), [], 0)

    def expect_change(self) -> None:
        pass


FAILURES = {"poison": PoisonEvent("poison"), "limits": LimitsUnsure("too large?"), "bug": ZeroDivisionError("a value")}


class World:
    """All that a batch is made with, and how it was made."""

    def __init__(self, held: str | None = None, *, on_dead: OnDead = OnDead.HOLD) -> None:
        self.encoder, self.suspicion = Encoder(), Suspicion()
        self.policies = Policies(replace(SETTINGS, relay=RelaySettings(on_dead=on_dead)))
        self.holds = TopicHolds(SETTINGS, time.monotonic, lambda _: {})
        if held is not None:
            self.holds.hold(held, TopicUnwritable("no"))

    def make(
        self,
        *events: Event,
        released: Sequence[Released] = (),
        obstacles: Mapping[int, Obstacle] | None = None,
        stops: Mapping[str, int] | None = None,
        unsettled: Sequence[Change] = (),
    ) -> Batch:
        maker = BatchMaker(self.encoder, self.holds, self.suspicion, self.policies)
        return maker.make(released, events, obstacles or {}, stops or {}, unsettled)


def published(batch: Batch) -> list[int]:
    """In the order of its records."""
    return [int(record.value or b"") for record in batch.records if record.topic != DEAD]


def letters(batch: Batch) -> list[int]:
    found = [int(record.value or b"") for record in batch.records if record.topic == DEAD]
    assert found == [letter.event.seq for letter in batch.dead]
    return found


def left(batch: Batch) -> dict[int, State | None]:
    """What it does to parked events; None: they are published."""
    return {change.seq: change.after and change.after.state for change in batch.changes}


def after(batch: Batch, seq: int) -> Parked:
    (change,) = (change for change in batch.changes if change.seq == seq)
    assert change.after is not None
    return change.after


# A topic that is stopped


def test_a_dead_event_stops_its_topic() -> None:
    """For each key and type of it, parked ones among them, in the batch of its death already; no other topic."""
    late = Released(event(8, "other"), parked(event(8, "other")))
    events = [event(9, "other"), event(10, "other", "other a"), event(11, event_type="b")]
    world = World(on_dead=OnDead.STOP)
    batch = world.make(*events, released=[Released(event(5, payload="poison"), parked(event(5))), late])
    assert (published(batch), letters(batch)) == ([11], [5])
    assert left(batch) == {5: State.DEAD, 9: State.WAITING, 10: State.WAITING}
    assert after(batch, 5).stops
    assert not after(batch, 9).stops


def test_a_topic_that_is_stopped_already() -> None:
    events = [event(4, "other"), event(6, "other"), event(7, event_type="b")]
    batch = World(on_dead=OnDead.STOP).make(*events, stops={"topic a": 5})
    assert published(batch) == [4, 7]
    assert left(batch) == {6: State.WAITING}


def test_an_event_whose_letter_cannot_be_published_stops_its_topic_too() -> None:
    batch = World(held=DEAD, on_dead=OnDead.STOP).make(event(1, payload="poison"), event(2, "other"))
    assert left(batch) == {1: State.WAITING, 2: State.WAITING}
    assert after(batch, 1).stops


@pytest.mark.parametrize("policy", OnDead)
def test_a_route_says_what_waits_behind_its_dead_events(policy: OnDead) -> None:
    """Whatever the relay's own policy; and of two routes to one topic the dead event's."""
    world = World(on_dead=OnDead.SKIP if policy is OnDead.HOLD else OnDead.HOLD)
    routes = (Route("a", "topic a", "", on_dead=policy), *SETTINGS.routes[1:])
    world.policies = Policies(replace(SETTINGS, routes=routes))
    batch = world.make(event(1, payload="poison"), event(2), event(3, "other", "other a"))
    assert (after(batch, 1).blocks, after(batch, 1).stops) == (policy is not OnDead.SKIP, policy is OnDead.STOP)
    assert published(batch) == {OnDead.HOLD: [3], OnDead.SKIP: [2, 3], OnDead.STOP: []}[policy]


def test_without_a_route_there_is_no_topic_to_stop() -> None:
    batch = World(on_dead=OnDead.STOP).make(event(1, event_type="unknown"), event(2, "other", "unknown"))
    assert left(batch) == {1: State.DEAD, 2: State.DEAD}
    assert (after(batch, 1).blocks, after(batch, 1).stops) == (True, False)


# A new event that dies


def test_later_events_of_a_dead_one_wait_and_all_others_do_not() -> None:
    """Those of its topic, whatever their type, and its key."""
    events = [event(1), event(2, payload="poison"), event(3, event_type="other a"), event(4, "other")]
    batch = World().make(*events, event(5, event_type="b"))
    assert (published(batch), letters(batch)) == ([1, 4, 5], [2])
    assert left(batch) == {2: State.DEAD, 3: State.WAITING}
    assert batch.seqs == [1, 2, 4, 5]
    dead = after(batch, 2)
    assert (dead.reason, dead.place, dead.blocks, dead.at_us) == ("poison", Place("topic a", 7), True, 2)
    assert after(batch, 3).blocks


def test_nothing_waits_for_a_dead_event_where_keys_are_to_go_on() -> None:
    batch = World(on_dead=OnDead.SKIP).make(event(1), event(2, payload="poison"), event(3))
    assert (published(batch), left(batch)) == ([1, 3], {2: State.DEAD})
    assert not after(batch, 2).blocks


def test_later_events_of_what_is_parked_wait() -> None:
    """Those of its topic alone: the key may have others."""
    world = World()
    obstacles = dict.fromkeys((9, 10), behind("topic a", 5)) | dict.fromkeys((11, 12), behind("topic b", 6))
    events = [event(9), event(10, event_type="b"), event(11, "other"), event(12, "other", "b")]
    batch = world.make(*events, obstacles=obstacles)
    assert (published(batch), left(batch)) == ([10, 11], {9: State.WAITING, 12: State.WAITING})


def test_what_is_suspected_is_a_dead_letter_and_not_tried() -> None:
    world = World()
    for _ in range(PATIENCE):
        world.suspicion.failed([2], "unforeseen: a bug")
    batch = world.make(event(1), event(2), event(3))
    assert (published(batch), letters(batch), after(batch, 2).reason) == ([1], [2], "unforeseen: a bug")


def test_an_event_whose_row_is_gone_dies_and_says_why() -> None:
    """It blocks its place as before; nobody can tell where its type would have gone."""
    gone = Event(EVENT_QUEUE, 5, "5", "", "", "", None, 0, 7)
    batch = World().make(event(9), released=[Released(gone, parked(event(5)))], obstacles={9: behind("topic a", 5)})
    assert (published(batch), letters(batch)) == ([], [5])
    assert left(batch) == {5: State.DEAD, 9: State.WAITING}
    assert after(batch, 5).place == Place("topic a", 7)
    assert after(batch, 5).reason == "it was parked, and somebody has removed its row since"


# What was parked and may be tried


def test_released_ones_go_first_and_then_new_ones_of_their_key() -> None:
    rows = [Released(event(seq), parked(event(seq))) for seq in (5, 7)]
    batch = World().make(event(6, "other"), event(9), released=rows, obstacles={9: behind("topic a", 7)})
    assert published(batch) == [5, 7, 6, 9]
    assert [(change.seq, change.before, change.after) for change in batch.changes] == [
        (row.seq, row, None) for _, row in rows
    ]


def test_a_key_is_not_free_before_its_last_parked_event_is_in_the_batch() -> None:
    """There was no room for 7."""
    batch = World().make(event(9), released=[Released(event(5), parked(event(5)))], obstacles={9: behind("topic a", 7)})
    assert (published(batch), left(batch)) == ([5], {5: None, 9: State.WAITING})


def test_what_is_behind_a_released_event_that_dies_again_stays() -> None:
    retried = parked(event(5), state=State.RETRIED)
    rows = [Released(event(5, payload="poison"), retried), Released(event(7), parked(event(7)))]
    batch = World().make(event(9), event(10, "other"), released=rows, obstacles={9: behind("topic a", 7)})
    assert (published(batch), letters(batch)) == ([10], [5])
    assert left(batch) == {5: State.DEAD, 9: State.WAITING}
    assert next(change.before for change in batch.changes if change.seq == 5) == retried


def test_a_deferred_event_whose_time_has_come_goes_and_frees_nothing() -> None:
    """It waits behind what is dead before it, as others do; what is parked behind it waits for something else."""
    deferred = parked(event(5), state=State.DEFERRED, blocks=False)
    batch = World().make(event(9), released=[Released(event(5), deferred)], obstacles={9: behind("topic a", 3)})
    assert (published(batch), left(batch)) == ([5], {5: None, 9: State.WAITING})
    dying = Released(event(3, payload="poison"), parked(event(3)))
    batch = World().make(released=[dying, Released(event(5), deferred)])
    assert (published(batch), left(batch)) == ([], {3: State.DEAD})


# Held topics


@pytest.mark.parametrize("why", [IncompatibleSchema("old"), TopicUnwritable("no"), RegistryUnavailable("away")])
def test_a_topic_that_gets_held_parks_all_its_later_events(why: BridgeError) -> None:
    world = World()
    world.encoder.refusing["topic a"] = why
    batch = world.make(event(1, event_type="b"), event(2), event(3, "other", "other a"), event(4, event_type="b"))
    assert world.holds.current["topic a"].why is why
    assert (published(batch), left(batch)) == ([1, 4], {2: State.WAITING, 3: State.WAITING})
    assert after(batch, 3).place == Place("topic a", 8)
    assert after(batch, 2).blocks
    assert after(batch, 2).waits_for is None  # it is its own topic that it waits for


def test_a_topic_that_is_held_parks_all_its_events_untried() -> None:
    world = World(held="topic a")
    batch = world.make(event(1), event(2, payload="bug"), event(3, event_type="b"))
    assert (published(batch), left(batch)) == ([3], {1: State.WAITING, 2: State.WAITING})


def test_what_is_released_and_held_at_once_stays_as_it_is() -> None:
    """Nothing is written for it, and what comes behind it waits; also where the topic was found out just now."""
    rows = [Released(event(seq), parked(event(seq), state=State.RETRIED)) for seq in (5, 7)]
    obstacles = {9: behind("topic a", 7)}
    batch = World(held="topic a").make(event(9), event(10, event_type="b"), released=rows, obstacles=obstacles)
    assert (published(batch), left(batch)) == ([10], {9: State.WAITING})
    world = World()
    world.encoder.refusing["topic a"] = TopicUnwritable("no")
    batch = world.make(event(9), event(10, event_type="b"), released=rows, obstacles=obstacles)
    assert (published(batch), left(batch)) == ([10], {9: State.WAITING})


@pytest.mark.parametrize("is_known", [True, False])
def test_what_waits_for_the_dead_letters_topic_is_not_overtaken_by_its_key(is_known: bool) -> None:
    """Not only the event that found it out: those after it, too."""
    world = World(held=DEAD if is_known else None)
    if not is_known:
        world.encoder.refusing[DEAD] = TopicUnwritable("it takes next to nothing")
    batch = world.make(event(1, payload="poison"), event(2, "other", payload="poison"), event(3, "other"), event(4))
    assert (published(batch), letters(batch)) == ([], [])
    assert left(batch) == dict.fromkeys((1, 2, 3, 4), State.WAITING)
    assert [after(batch, seq).waits_for for seq in (1, 2, 3, 4)] == [DEAD, DEAD, None, None]
    assert [after(batch, seq).place.topic for seq in (1, 2)] == ["topic a", "topic a"]
    assert DEAD in world.holds.current


def test_an_event_without_a_route_waits_for_the_dead_letters_topic() -> None:
    """And nobody waits for it but its like."""
    batch = World(held=DEAD).make(event(1, event_type="unknown"), event(2), event(3, event_type="unknown"))
    assert (published(batch), left(batch)) == ([2], {1: State.WAITING, 3: State.WAITING})
    assert after(batch, 1).place == Place(DEAD, 7)


def test_what_has_waited_for_the_dead_letters_topic_dies_when_that_is_there() -> None:
    waiting = parked(event(5))._replace(waits_for=DEAD)
    row = Released(event(5, payload="poison"), waiting)
    batch = World().make(released=[row])
    assert (letters(batch), left(batch), after(batch, 5).waits_for) == ([5], {5: State.DEAD}, None)
    world = World()  # and when it is refused again, that is no news
    world.encoder.refusing[DEAD] = TopicUnwritable("no")
    assert world.make(released=[row]).changes == ()
    retried = Released(row.event, waiting._replace(state=State.RETRIED, waits_for=None))
    assert after(world.make(released=[retried]), 5).waits_for == DEAD


def test_an_event_may_be_mended_while_it_waits_for_the_dead_letters_topic() -> None:
    waiting = parked(event(5))._replace(waits_for=DEAD)
    batch = World(held=DEAD).make(released=[Released(event(5), waiting)])
    assert (published(batch), left(batch)) == ([5], {5: None})


# Replayed ones


def replayed(seq: int, payload: str = "") -> Released:
    row = parked(event(seq), state=State.REPLAYED, blocks=False)
    return Released(event(seq, payload=payload)._replace(replay_id=1), row)


def test_a_replayed_event_that_cannot_be_published_any_more_is_refused_and_holds_nothing_up() -> None:
    batch = World().make(event(9), released=[replayed(3), replayed(4, "poison"), replayed(5)])
    assert (published(batch), letters(batch)) == ([3, 5, 9], [4])
    assert left(batch) == {3: None, 4: State.REFUSED, 5: None}
    assert (after(batch, 4).blocks, after(batch, 4).reason) == (False, batch.dead[0].reason)
    in_flight = batch.in_flight(Position.first())
    assert (in_flight.event_queue, in_flight.dead(EVENT_QUEUE)) == (1, 0)  # each counts once


def test_a_replayed_event_that_waits_for_the_dead_letters_topic_is_passed_by_new_events_alone() -> None:
    world = World(held=DEAD)
    batch = world.make(event(9), released=[replayed(4, "poison"), replayed(5)])
    assert (published(batch), left(batch)) == ([9], {4: State.REPLAYED})
    assert (after(batch, 4).waits_for, after(batch, 4).blocks) == (DEAD, False)
    batch = world.make(event(10), released=[replayed(5)], unsettled=batch.changes)
    assert (published(batch), batch.changes) == ([10], ())


# Events that wait for their time


def test_an_event_that_waits_for_its_time_blocks_nobody() -> None:
    batch = World().make(event(1), event(2), obstacles={1: Obstacle(123, {}, False)})
    assert (published(batch), left(batch)) == ([2], {1: State.DEFERRED})
    assert (after(batch, 1).due_us, after(batch, 1).blocks) == (123, False)


def test_an_event_waits_for_its_time_whatever_else_it_would_wait_for() -> None:
    obstacles = {1: Obstacle(123, {"topic a": 1}, False), 2: Obstacle(9, {}, False)}
    batch = World(held="topic b").make(event(1), event(2, event_type="b"), obstacles=obstacles)
    assert left(batch) == {1: State.DEFERRED, 2: State.DEFERRED}


# The batch in flight, which no read has seen


def test_what_the_batch_in_flight_parks_blocks() -> None:
    dead = parked(event(5), state=State.DEAD)
    batch = World().make(
        event(9),
        event(10, "other"),
        released=[Released(event(seq), parked(event(seq))) for seq in (3, 7)],
        unsettled=[Change(5, parked(event(5), state=State.RETRIED), dead)],
    )
    assert (published(batch), left(batch)) == ([3, 10], {3: None, 9: State.WAITING})


def test_what_the_batch_in_flight_publishes_blocks_nobody() -> None:
    unsettled = [Change(5, parked(event(5)), None)]
    rows = [Released(event(7), parked(event(7)))]
    batch = World().make(event(9), released=rows, obstacles={9: behind("topic a", 7)}, unsettled=unsettled)
    assert published(batch) == [7, 9]
    batch = World().make(event(9), obstacles={9: behind("topic a", 5)}, unsettled=unsettled)
    assert published(batch) == [9]


def test_what_is_in_flight_is_not_tried_again() -> None:
    """The look leaves it out; and if it did not, this would."""
    row = parked(event(5))
    batch = World().make(released=[Released(event(5), row)], unsettled=[Change(5, row, None)])
    assert (published(batch), left(batch)) == ([], {})


def test_the_batch_in_flight_frees_no_key_of_which_a_later_one_is_parked() -> None:
    """By an older batch, as the read saw; or by itself."""
    five, row = Change(5, parked(event(5)), None), parked(event(7))
    batch = World().make(event(9), obstacles={9: behind("topic a", 7)}, unsettled=[five])
    assert left(batch) == {9: State.WAITING}
    batch = World().make(event(9), obstacles={9: behind("topic a", 5)}, unsettled=[five, Change(7, None, row)])
    assert left(batch) == {9: State.WAITING}


# What concerns not the event


def test_what_nobody_foresaw_names_the_event_and_no_value() -> None:
    with pytest.raises(EventFailed, match="ZeroDivisionError in record") as caught:
        World().make(event(1), event(2, payload="bug"))
    assert caught.value.seq == 2
    assert "a value" not in str(caught.value)
    world = World()
    world.encoder.refusing[DEAD] = ZeroDivisionError()
    with pytest.raises(EventFailed) as caught:
        world.make(event(1), event(2, payload="poison"))
    assert caught.value.seq == 2


def test_limits_that_may_have_changed_are_read_again_first() -> None:
    with pytest.raises(LimitsUnsure):
        World().make(event(1, payload="limits"))
    world = World()
    world.encoder.refusing[DEAD] = LimitsUnsure("too large?")
    with pytest.raises(LimitsUnsure):
        world.make(event(1, payload="poison"))


# What is settled


def test_it_counts_by_source_what_it_publishes_and_what_dies() -> None:
    world = World()
    row = Released(event(5, source=ENTITY_EVENTS), parked(event(5, source=ENTITY_EVENTS)))
    batch = world.make(
        event(6),
        event(7, "other", payload="poison"),
        event(8, event_type="b", source=ENTITY_EVENTS),
        event(9, "other"),
        released=[row],
        obstacles={6: behind("topic a", 5)},
    )
    in_flight = batch.in_flight(Position.first())
    assert (in_flight.event_queue, in_flight.entity_events) == (1, 2)
    assert (in_flight.dead(EVENT_QUEUE), in_flight.dead(ENTITY_EVENTS)) == (1, 0)
    assert (in_flight.changes, in_flight.position) == (batch.changes, Position.first())
    assert batch.topics == {"topic a", "topic b", DEAD}
