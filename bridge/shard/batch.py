"""What becomes of a read's events: records to publish, and each event's outcome, decided before the claim."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

from bridge.errors import BridgeError, EventFailed, PoisonEvent
from bridge.event import ENTITY_EVENTS, EVENT_QUEUE, DeadLetter, Event, Record
from bridge.reactions import OF_AN_EVENT, Reaction, reaction
from bridge.settings import OnDead
from bridge.shard.holds import TopicHolds
from bridge.shard.ledger import InFlight
from bridge.shard.parked import Change, Parked, Parking, Place, Released, State, Verdict
from bridge.shard.policies import Policies
from bridge.shard.ports import EncoderPort, Obstacle
from bridge.shard.position import Position
from bridge.shard.suspicion import Suspicion
from bridge.text import place


@dataclass(frozen=True, slots=True)
class Batch:
    """The records of one Kafka transaction, dead letters included, and what the claim writes down.

    `published` are the events of its records, without the `dead`, which include those that a replay cannot publish any
    more; `changes` what it parks and unparks.
    """

    records: Sequence[Record]
    published: Sequence[Event]
    dead: Sequence[DeadLetter]
    changes: tuple[Change, ...]

    @property
    def topics(self) -> frozenset[str]:
        """All topics that it publishes to."""
        return frozenset(record.topic for record in self.records)

    @property
    def seqs(self) -> list[int]:
        """All events that it carries, in order."""
        return sorted([event.seq for event in self.published] + [letter.event.seq for letter in self.dead])

    def in_flight(self, position: Position) -> InFlight:
        """What is settled when it was published; `position` is behind its read."""
        of = Counter(map(itemgetter(0), self.published))
        for _, before, after in self.changes:
            if after is None and before is not None and before.state is State.REPLAYED:  # an event counts once
                of[before.source] -= 1
        return InFlight(position, of[EVENT_QUEUE], of[ENTITY_EVENTS], self.changes)


class BatchMaker:
    """Makes one batch: of what parked events release, first, and then of new events; each in order of seq.

    (If outcomes were decided after the claim, a crash in between would let the takeover count as published what never
    was.) Each method raises EventFailed for what nobody foresaw, and LimitsUnsure.
    """

    def __init__(self, encoder: EncoderPort, holds: TopicHolds, suspicion: Suspicion, policies: Policies) -> None:
        self._encoder = encoder
        self._holds = holds
        self._suspicion = suspicion
        self._policies = policies
        self._records: list[Record] = []
        self._published: list[Event] = []
        self._dead: list[DeadLetter] = []

    def make(
        self,
        released: Sequence[Released],
        events: Sequence[Event],
        obstacles: Mapping[int, Obstacle],
        stops: Mapping[str, int],
        unsettled: Sequence[Change],
    ) -> Batch:
        """`stops` is as in `Read`; `unsettled` are the changes of the batch in flight, which the reads did not see."""
        blocked: dict[Place, int] = {}
        hashes = {event.seq: event.key_hash for event in events} if obstacles else {}
        for seq, obstacle in obstacles.items():
            blocked |= {Place(topic, hashes[seq]): last for topic, last in obstacle.blocked.items()}
        self._parking = Parking(blocked, stops, unsettled)
        for event, row in released:
            self._take_released(event, row)
        self._take_new(events, obstacles)
        return Batch(self._records, self._published, self._dead, tuple(self._parking.changes.values()))

    def _take_released(self, event: Event, row: Parked) -> None:
        topic = self._holds.topic_of(event)
        if self._parking.released(row) is Verdict.LEAVE or topic in self._holds.current:
            self._parking.leave(row)
            return
        letter = self._try(event)
        if letter is None:
            self._parking.published(row)
        elif isinstance(letter, DeadLetter):
            self._bury(letter, row.place.topic, row)
        else:
            self._parking.leave(row)

    def _take_new(self, events: Sequence[Event], obstacles: Mapping[int, Obstacle]) -> None:
        holds, parking, concerns = self._holds, self._parking, self._parking.concerns
        for event in events:
            obstacle = obstacles.get(event.seq)
            if obstacle is not None or holds.current or concerns(event.key_hash):
                topic = holds.topic_of(event)
                if obstacle is not None and obstacle.due_us is not None:
                    row = Parked.of(event, topic, State.DEFERRED, blocks=False)
                    parking.park(row._replace(due_us=obstacle.due_us))
                    continue
                if topic in holds.current or parking.new(Place(topic, event.key_hash), event.seq) is Verdict.WAIT:
                    parking.park(Parked.of(event, topic, State.WAITING, blocks=True))
                    continue
            letter = self._try(event)
            if isinstance(letter, DeadLetter):
                self._bury(letter, holds.topic_of(event), None)
            elif letter is not None:
                parking.park(Parked.of(event, letter, State.WAITING, blocks=True))

    def _try(self, event: Event) -> DeadLetter | str | None:
        """None if its record is in the batch now, the letter if it is dead, the topic if that is held now."""
        try:
            letter = self._suspicion.letter(event)
            if letter is not None:
                return letter
            record = self._encoder.record(event)
        except Exception as error:
            match reaction(error, OF_AN_EVENT):
                case Reaction.PARK if isinstance(error, PoisonEvent):
                    return DeadLetter(event, str(error), error.kind)
                case Reaction.HOLD if isinstance(error, BridgeError):
                    topic = self._holds.topic_of(event)
                    self._holds.hold(topic, error)
                    return topic
                case Reaction.REFRESH:
                    raise
                case _:
                    raise EventFailed(place(error), event.seq) from error
        self._records.append(record)
        if record.tombstone is not None:
            self._records.append(record.tombstone)
        self._published.append(event)
        return None

    def _bury(self, letter: DeadLetter, topic: str, before: Parked | None) -> None:
        """Park a dead event, whose letter goes with this batch; while no letter can be published, it waits for that."""
        event, letters = letter.event, self._holds.dead_letters
        policy = self._policies.of(event.event_type, event.entity_type)
        stops = policy is OnDead.STOP
        if letters not in self._holds.current:
            try:
                record = self._encoder.dead_letter(letter)
            except Exception as error:
                match reaction(error, OF_AN_EVENT):
                    case Reaction.HOLD if isinstance(error, BridgeError):
                        self._holds.hold(letters, error)
                    case Reaction.REFRESH:
                        raise
                    case _:
                        raise EventFailed(place(error), event.seq) from error
            else:
                self._records.append(record)
                self._dead.append(letter)
                if before is not None and before.state is State.REPLAYED:
                    row = before._replace(state=State.REFUSED, waits_for=None)
                else:
                    row = Parked.of(event, topic, State.DEAD, blocks=policy is not OnDead.SKIP, stops=stops)
                self._parking.park(row._replace(reason=letter.reason), before)
                return
        if before is not None and before.waits_for == letters:
            self._parking.leave(before)
            return
        if before is not None and before.state is State.REPLAYED:
            row = before
        else:
            row = Parked.of(event, topic, State.WAITING, blocks=True, stops=stops)
        self._parking.park(row._replace(waits_for=letters), before)
