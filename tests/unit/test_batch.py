"""Which events of a scan become a batch, beside dead ones of their keys."""

from __future__ import annotations

import time

from model.process import Encoder, Servers

from bridge.errors import TopicUnwritable, UnroutableEvent
from bridge.event import EVENT_QUEUE, DeadLetter, Event, Record
from bridge.settings import Route, Settings
from bridge.shard.batch import make_batch
from bridge.shard.holds import TopicHolds
from bridge.shard.suspicion import Suspicion

ENCODER = Encoder(Servers())


def event(seq: int, key: str, payload: str = "") -> Event:
    return Event(EVENT_QUEUE, seq, str(seq), "thing.changed", key, payload, None, 0)


def seqs(events: list[Event], blocked: dict[tuple[str, str], int], *, block_keys: bool = True) -> list[int]:
    batch = make_batch(
        events,
        ENCODER,
        TopicHolds(Settings(), time.monotonic, lambda _: {}),
        Suspicion(),
        blocked,
        block_keys=block_keys,
    )
    return batch.outcomes.seqs


def test_later_events_of_a_dead_one_wait_and_all_others_do_not() -> None:
    events = [event(1, "k"), event(2, "k", "poison"), event(3, "k"), event(4, "other")]
    assert sorted(seqs(events, {})) == [1, 2, 4]
    assert sorted(seqs(events, {}, block_keys=False)) == [1, 2, 3, 4]


def test_what_precedes_a_dead_event_in_flight_does_not_wait() -> None:
    """Its topic was held, or it was for later; nothing would find it again once it is passed."""
    blocked = {(EVENT_QUEUE, "k"): 5}
    assert seqs([event(3, "k"), event(7, "k"), event(8, "other")], blocked) == [3, 8]


class NoLetters:
    """An encoder for whose dead letters there is no room; what has the type `unknown` has no route."""

    def record(self, event: Event) -> Record:
        if event.event_type == "unknown":
            raise UnroutableEvent("no route")
        return Record("things", b"", b"", [], 0)

    def dead_letter(self, letter: DeadLetter) -> Record:
        raise TopicUnwritable("it takes next to nothing")


def test_what_waits_for_the_dead_letters_topic_is_not_overtaken_by_its_key() -> None:
    """Not only the event that found it out: those after it, too."""
    holds = TopicHolds(Settings(routes=(Route("thing.changed", "things", "s"),)), time.monotonic, lambda _: {})
    unknown = [event(1, "a")._replace(event_type="unknown"), event(2, "b")._replace(event_type="unknown")]
    batch = make_batch(
        [*unknown, event(3, "b"), event(4, "a"), event(5, "c")], NoLetters(), holds, Suspicion(), {}, block_keys=True
    )
    assert batch.outcomes.seqs == [5]
