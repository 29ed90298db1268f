"""What one batch did, for those who count or trace: made once a batch, with little work for each of its events."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from operator import itemgetter
from typing import NamedTuple

from bridge.event import ENTITY_EVENTS, EVENT_QUEUE
from bridge.shard.batch import Batch
from bridge.shard.ledger import InFlight
from bridge.shard.parked import State

SOURCE_OF, WRITTEN_OF = itemgetter(0), itemgetter(7)  # of an event; a third of the time that a comprehension takes
TOPIC_OF, VALUE_OF = itemgetter(0), itemgetter(2)  # of a record
# In the JSON of an event's headers: W3C's, of a trace that is sampled.
TRACEPARENT = re.compile(r'"traceparent"\s*:\s*"(00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f][13579bdf])"').search
ON_PURPOSE = (State.DEFERRED, State.REPLAYED)  # come late because somebody wants that


class Outcome(StrEnum):
    """What a batch did with an event; one that waited is published by a later one, and counts there, too."""

    PUBLISHED = "published"
    REPLAYED = "replayed"  # published once more
    DEAD = "dead"
    REFUSED = "refused"  # to be published once more, but it cannot be
    WAITING = "waiting"  # for its topic, or behind a parked one
    DEFERRED = "deferred"


PARKED = {
    State.DEAD: Outcome.DEAD,
    State.REFUSED: Outcome.REFUSED,
    State.WAITING: Outcome.WAITING,
    State.DEFERRED: Outcome.DEFERRED,
}


class Stage(StrEnum):
    """What a step does one after the other."""

    READ = "read"
    ENCODE = "encode"
    CLAIM = "claim"
    PUBLISH = "publish"


class Lap(NamedTuple):
    """What went by for one stage, by the shard's clock."""

    stage: Stage
    began: float
    ended: float


class Sort(NamedTuple):
    """What events are counted by."""

    source: str
    topic: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Work:
    """What one batch did: `counts` of events, `deaths` by kind, `value_bytes` of its records, seconds by stage.

    `written_us`: when the events that it published were written, ascending, in microseconds since 1970 by the
    database's clock; without those that are late on purpose. `published_at`: when Kafka had them, by the shard's clock.
    `laps`: the stages in their order, one of them maybe twice. `traceparents`: of its events' writers, each once, as
    many as were asked for.
    """

    counts: Mapping[Sort, int]
    deaths: Mapping[str, int]
    value_bytes: int
    written_us: Sequence[int]
    published_at: float
    seconds: Mapping[Stage, float]
    laps: Sequence[Lap] = ()
    batch_no: int = 0
    traceparents: Sequence[str] = ()

    @property
    def events(self) -> int:
        """All that it decided about."""
        return sum(self.counts.values())


class Stopwatch:
    """Adds up the seconds of each stage."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.seconds: dict[Stage, float] = {}
        self.laps: list[Lap] = []
        self.at = now()
        self._now = now

    def lap(self, stage: Stage) -> None:
        """What went by since the last lap was this stage's."""
        before, self.at = self.at, self._now()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + self.at - before
        self.laps.append(Lap(stage, before, self.at))


def work_of(
    batch: Batch,
    in_flight: InFlight,
    dead_letters: str,
    published_at: float,
    seconds: Mapping[Stage, float],
    laps: Sequence[Lap] = (),
    batch_no: int = 0,
    most_traces: int = 0,
) -> Work:
    """Of a batch that was published; `dead_letters` is the topic that only dead letters go to."""
    return Work(
        _published(batch, in_flight, dead_letters) + _parked(batch),
        Counter([letter.kind for letter in batch.dead]),
        sum([len(value) for value in map(VALUE_OF, batch.records) if value is not None]),
        _written(batch),
        published_at,
        seconds,
        laps,
        batch_no,
        _traceparents(batch, most_traces) if most_traces else (),
    )


def _published(batch: Batch, in_flight: InFlight, dead_letters: str) -> Counter[Sort]:
    events, records = batch.published, batch.records
    if len(records) != len(events):  # an event's tombstone follows its record, and letters are among them
        records = [record for record in records if record.value is not None and record.topic != dead_letters]
    for source, count in ((EVENT_QUEUE, in_flight.event_queue), (ENTITY_EVENTS, in_flight.entity_events)):
        if count == len(events):  # all from one source and none replayed, as usual: a third of the time
            of_topics = Counter(map(TOPIC_OF, records)).items()
            return Counter({Sort(source, topic, Outcome.PUBLISHED): number for topic, number in of_topics})
    again = [event.replay_id is not None for event in events]
    counts: Counter[Sort] = Counter()
    # Not strict: what counts must never be what fails.
    for (source, topic, replayed), number in Counter(
        zip(map(SOURCE_OF, events), map(TOPIC_OF, records), again, strict=False)
    ).items():
        counts[Sort(source, topic, Outcome.REPLAYED if replayed else Outcome.PUBLISHED)] = number
    return counts


def _parked(batch: Batch) -> Counter[Sort]:
    """Those that were parked in another state before, or not at all."""
    return Counter(
        [
            Sort(row.source, row.place.topic, PARKED[row.state])
            for _, before, row in batch.changes
            if row is not None and row.state in PARKED and (before is None or before.state is not row.state)
        ]
    )


def _traceparents(batch: Batch, most: int) -> list[str]:
    """Of the writers whose traces are recorded: others there is nothing to see of."""
    found: dict[str, None] = {}
    last: str | None = None
    for event in chain(batch.published, [letter.event for letter in batch.dead]):
        headers = event.headers
        if headers is None or headers == last:  # those of one transaction have the same
            continue
        last = headers
        if (given := TRACEPARENT(headers)) is not None:
            found[given[1]] = None
            if len(found) == most:
                break
    return list(found)


def _written(batch: Batch) -> list[int]:
    late = {
        change.seq
        for change in batch.changes
        if change.after is None and change.before is not None and change.before.state in ON_PURPOSE
    }
    if late:
        return sorted([event.created_us for event in batch.published if event.seq not in late])
    return sorted(map(WRITTEN_OF, batch.published))
