"""What becomes of a scan's events: records to publish, and each event's outcome, decided before the claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bridge.encoding.encoder import Encoders
from bridge.errors import ConfigError, IncompatibleSchema, PoisonEvent, RegistryUnavailable
from bridge.event import DeadLetter, Event, Record
from bridge.shard.hold import Holds
from bridge.shard.ledger import Outcomes

Key = tuple[str, str]  # source and event key


class Batch(NamedTuple):
    """The records of one Kafka transaction, dead letters included, and the outcomes that the claim writes down.

    `held` are the keys of its dead letters with their seqs: later events wait.
    """

    records: Sequence[Record]
    outcomes: Outcomes
    held: Mapping[Key, int]


def make_batch(
    events: Sequence[Event], encoders: Encoders, holds: Holds, dying: Mapping[Key, int], *, hold_keys: bool
) -> Batch:
    """Encode `events`; one that can never be published becomes a dead letter, one whose topic is held is left out.

    With `hold_keys`, events behind a dead one of their key are left out too. `dying` are the keys of dead events that
    are not marked yet; for those that are, the scan leaves them out. Only later ones: an earlier event can come last,
    when its topic was held, and it must not wait behind what it precedes.
    (If outcomes were decided after the claim, a crash in between would let the takeover mark as processed an event that
    was never published.)
    """
    records: list[Record] = []
    good: list[Event] = []
    dead: list[DeadLetter] = []
    held: dict[Key, int] = {}
    for event in events:
        key = (event.source, event.key)
        if holds.holds(event) or key in held or event.seq > dying.get(key, event.seq):
            continue
        try:
            records.append(encoders.record(event))
            good.append(event)
        except PoisonEvent as poison:
            letter = DeadLetter(event, str(poison))
            records.append(encoders.dead_letter(letter))
            dead.append(letter)
            if hold_keys:
                held[key] = event.seq
        except (IncompatibleSchema, RegistryUnavailable, ConfigError) as error:
            holds.hold(event, error)
    return Batch(records, Outcomes.of(good, dead), held)
