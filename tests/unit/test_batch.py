"""Which events of a scan become a batch, beside dead ones of their keys."""

from __future__ import annotations

from typing import cast

from model.process import Encoders, Servers

from bridge.encoding.encoder import Encoders as RealEncoders
from bridge.event import EVENT_QUEUE, Event
from bridge.settings import Settings
from bridge.shard.batch import make_batch
from bridge.shard.hold import Holds

ENCODERS = cast(RealEncoders, Encoders(Servers()))


def event(seq: int, key: str, payload: str = "") -> Event:
    return Event(EVENT_QUEUE, seq, str(seq), "thing.changed", key, payload, None, 0)


def seqs(events: list[Event], dying: dict[tuple[str, str], int], *, hold_keys: bool = True) -> list[int]:
    batch = make_batch(events, ENCODERS, Holds(Settings()), dying, hold_keys=hold_keys)
    return batch.outcomes.seqs


def test_later_events_of_a_dead_one_wait_and_all_others_do_not() -> None:
    events = [event(1, "k"), event(2, "k", "poison"), event(3, "k"), event(4, "other")]
    assert sorted(seqs(events, {})) == [1, 2, 4]
    assert sorted(seqs(events, {}, hold_keys=False)) == [1, 2, 3, 4]


def test_what_precedes_a_dead_event_in_flight_does_not_wait() -> None:
    """Its topic was held, or it was for later; nothing would find it again once it is passed."""
    dying = {(EVENT_QUEUE, "k"): 5}
    assert seqs([event(3, "k"), event(7, "k"), event(8, "other")], dying) == [3, 8]
