"""Which events of a scan become a batch, beside dead ones of their keys."""

from __future__ import annotations

import time

from model.process import Encoder, Servers

from bridge.event import EVENT_QUEUE, Event
from bridge.settings import Settings
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
