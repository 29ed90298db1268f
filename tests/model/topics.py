"""Kafka and the encoder where no server is in disorder: a batch is taken at once or not at all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from bridge.encoding.headers import REPLAYED
from bridge.errors import PoisonEvent, TopicUnwritable, UnroutableEvent
from bridge.event import DeadLetter, Event, Record
from bridge.settings import Route
from bridge.shard.ledger import ControlRecord

DEAD = "dead"
ROUTES = (Route("x", "X", ""), Route("y", "Y", ""), Route("other y", "Y", ""))
TOPIC = {route.event_type: route.topic for route in ROUTES}


class Published(NamedTuple):
    """A record, and when and by which shard it was published."""

    record: Record
    at: float
    shard: int


class Kafka:
    """One shard's producer, over the topics of all: at least once, without the ledger's numbers."""

    def __init__(
        self,
        most: int,
        reached: Callable[[str], None],
        now: Callable[[], float],
        log: list[Published],
        shard: int = 0,
        *,
        is_exact: bool,
    ) -> None:
        self._most, self._is_exact, self._now, self._shard = most, is_exact, now, shard
        self._log = log
        self.last: ControlRecord | None = None
        self._reached = reached

    def open(self) -> ControlRecord | None:
        return self.last

    def publish(self, control: ControlRecord, records: Iterable[Record]) -> None:
        self._reached("publish")
        records = list(records)
        assert len(records) <= self._most, "more than a batch may have"
        self._log += [Published(record, self._now(), self._shard) for record in records]
        if self._is_exact:
            self.last = control
        self._reached("published")

    def commit(self, control: ControlRecord) -> None:
        self.last = control


class Encoder:
    """`poison` cannot be encoded, and nothing can for topics that `refuse`."""

    def __init__(self) -> None:
        self.poison: set[int] = set()
        self.refusing: set[str] = set()

    def record(self, event: Event) -> Record:
        if event.event_type not in TOPIC:
            raise UnroutableEvent("no route")
        if TOPIC[event.event_type] in self.refusing:
            raise TopicUnwritable("no")
        if event.seq in self.poison:
            raise PoisonEvent("poison")
        return self._record(TOPIC[event.event_type], event)

    def dead_letter(self, letter: DeadLetter) -> Record:
        if DEAD in self.refusing:
            raise TopicUnwritable("no")
        return self._record(DEAD, letter.event)

    def expect_change(self) -> None:
        pass

    def unwritable(self, topics: Collection[str]) -> dict[str, TopicUnwritable]:
        return {topic: TopicUnwritable("still") for topic in self.refusing.intersection(topics)}

    @staticmethod
    def _record(topic: str, event: Event) -> Record:
        headers = [] if event.replay_id is None else [(REPLAYED, str(event.replay_id))]
        return Record(topic, event.key.encode(), event.id.encode(), headers, 0)
