"""What becomes of a scan's events: records to publish, and each event's outcome, decided before the claim."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bridge.encoder import Encoders
from bridge.errors import ConfigError, IncompatibleSchema, PoisonEvent, RegistryUnavailable
from bridge.event import DeadLetter, Event, Record
from bridge.hold import Holds
from bridge.ledger import Outcomes


class Batch(NamedTuple):
    """The records of one Kafka transaction, dead letters included, and the outcomes that the claim writes down."""

    records: Sequence[Record]
    outcomes: Outcomes


def make_batch(events: Sequence[Event], encoders: Encoders, holds: Holds) -> Batch:
    """Encode `events`; one that can never be published becomes a dead letter, one whose topic is held is left out.

    (If outcomes were decided after the claim, a crash in between would let the takeover mark as processed an event that
    was never published.)
    """
    records: list[Record] = []
    good: list[Event] = []
    dead: list[DeadLetter] = []
    for event in events:
        if holds.holds(event):
            continue
        try:
            records.append(encoders.record(event))
            good.append(event)
        except PoisonEvent as poison:
            letter = DeadLetter(event, str(poison))
            records.append(encoders.dead_letter(letter))
            dead.append(letter)
        except (IncompatibleSchema, RegistryUnavailable, ConfigError) as error:
            holds.hold(event, error)
    return Batch(records, Outcomes.of(good, dead))
