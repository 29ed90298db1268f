"""What becomes of a scan's events: records to publish, and each event's outcome, decided before the claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bridge.errors import ConfigError, IncompatibleSchema, PoisonEvent, RegistryUnavailable
from bridge.event import DeadLetter, Event, Record
from bridge.shard.holds import TopicHolds
from bridge.shard.ledger import Outcomes
from bridge.shard.ports import EncoderPort

Key = tuple[str, str]  # source and event key


class Batch(NamedTuple):
    """The records of one Kafka transaction, dead letters included, and the outcomes that the claim writes down.

    `blocked` are the keys of its dead letters with their seqs: later events wait.
    """

    records: Sequence[Record]
    outcomes: Outcomes
    blocked: Mapping[Key, int]


def make_batch(
    events: Sequence[Event], encoder: EncoderPort, holds: TopicHolds, blocked: Mapping[Key, int], *, block_keys: bool
) -> Batch:
    """Encode `events`; one that can never be published becomes a dead letter, one whose topic is held is left out.

    With `block_keys`, events behind a dead one of their key are left out too. `blocked` are the keys of dead events
    that are not marked yet; for those that are, the scan leaves them out. Only later ones: an earlier event can come
    last, when its topic was held, and it must not wait behind what it precedes.
    (If outcomes were decided after the claim, a crash in between would let the takeover mark as processed an event that
    was never published.)
    """
    records: list[Record] = []
    good: list[Event] = []
    dead: list[DeadLetter] = []
    newly_blocked: dict[Key, int] = {}
    for event in events:
        key = (event.source, event.key)
        if holds.holds(event) or key in newly_blocked or event.seq > blocked.get(key, event.seq):
            continue
        try:
            records.append(encoder.record(event))
            good.append(event)
        except PoisonEvent as poison:
            letter = DeadLetter(event, str(poison))
            records.append(encoder.dead_letter(letter))
            dead.append(letter)
            if block_keys:
                newly_blocked[key] = event.seq
        except (IncompatibleSchema, RegistryUnavailable, ConfigError) as error:
            holds.hold(event, error)
    return Batch(records, Outcomes.of(good, dead), newly_blocked)
