"""What becomes of a scan's events: records to publish, and each event's outcome, decided before the claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.errors import BridgeError, EventFailed
from bridge.event import DeadLetter, Event, Record
from bridge.reactions import OF_AN_EVENT, Reaction, reaction
from bridge.shard.holds import Key, TopicHolds
from bridge.shard.ledger import Outcomes
from bridge.shard.ports import EncoderPort
from bridge.shard.suspicion import Suspicion
from bridge.text import place


@dataclass(frozen=True, slots=True)
class Batch:
    """The records of one Kafka transaction, dead letters included, and the outcomes that the claim writes down.

    `blocked` are the keys of its `dead` events with their seqs: later events wait.
    """

    records: Sequence[Record]
    dead: Sequence[DeadLetter]
    outcomes: Outcomes
    blocked: Mapping[Key, int]

    @property
    def topics(self) -> frozenset[str]:
        """All topics that it publishes to."""
        return frozenset(record.topic for record in self.records)


def make_batch(
    events: Sequence[Event],
    encoder: EncoderPort,
    holds: TopicHolds,
    suspicion: Suspicion,
    blocked: Mapping[Key, int],
    *,
    block_keys: bool,
) -> Batch:
    """Encode `events`; one that can never be published becomes a dead letter, one whose topic is held is left out.

    With `block_keys`, events behind a dead one of their key are left out too. `blocked` are the keys of dead events
    that are not marked yet; for those that are, the scan leaves them out. Only later ones: an earlier event can come
    last, when its topic was held, and it must not wait behind what it precedes. (If outcomes were decided after the
    claim, a crash in between would let the takeover mark as processed an event that was never published.)

    Raises EventFailed for what nobody foresaw, and LimitsUnsure.
    """
    records: list[Record] = []
    good: list[Event] = []
    dead: list[DeadLetter] = []
    newly_blocked: dict[Key, int] = {}
    for event in events:
        key = (event.source, event.key)
        if key in newly_blocked or event.seq > blocked.get(key, event.seq):
            continue
        if holds.current and holds.holds(event):
            if holds.topic_of(event) == holds.dead_letters:
                holds.wait(event)
            continue
        try:
            letter = suspicion.letter(event)
            if letter is None:
                records.append(encoder.record(event))
                good.append(event)
                continue
        except Exception as error:
            letter = _react(error, event, holds)
        if letter is None:
            continue
        if holds.holds_dead_letters():
            holds.wait(event)
            continue
        try:
            records.append(encoder.dead_letter(letter))
        except Exception as error:
            _react_to_letter(error, event, holds)
            continue
        dead.append(letter)
        if block_keys:
            newly_blocked[key] = event.seq
    return Batch(records, dead, Outcomes.of(good, dead), newly_blocked)


def _react(error: Exception, event: Event, holds: TopicHolds) -> DeadLetter | None:
    """The letter if the event is dead, None if its topic is held now."""
    match reaction(error, OF_AN_EVENT):
        case Reaction.PARK:
            return DeadLetter(event, str(error))
        case Reaction.HOLD if isinstance(error, BridgeError):
            holds.hold(holds.topic_of(event), error)
            return None
        case Reaction.REFRESH:
            raise error
        case _:
            raise EventFailed(place(error), event.seq) from error


def _react_to_letter(error: Exception, event: Event, holds: TopicHolds) -> None:
    match reaction(error, OF_AN_EVENT):
        case Reaction.HOLD if isinstance(error, BridgeError):
            holds.hold(holds.dead_letters, error)
            holds.wait(event)
        case Reaction.REFRESH:
            raise error
        case _:
            raise EventFailed(place(error), event.seq) from error
