"""Where an event is in Kafka: a look into the one partition that its key goes to, from its time on, within bounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from confluent_kafka import Message

from bridge.admin.event_row import EventRow
from bridge.encoding.headers import CE_ID, CE_SOURCE, REPLAYED, ce_source
from bridge.encoding.wire_format import split
from bridge.event import SOURCES
from bridge.kafka.cluster import Cluster, Partition
from bridge.kafka.control import control_key, decode
from bridge.kafka.headers import headers_of
from bridge.kafka.partitioner import key_hash
from bridge.kafka.reader import unknown_topic
from bridge.kafka.search import search
from bridge.settings import Settings

MOST_RECORDS = 100_000  # in one span of a partition, of which there are four at most: a few seconds
SKEW = timedelta(minutes=1)  # between the clocks of Postgres and of who wrote control records


@dataclass(frozen=True, slots=True)
class Place:
    """A record; `schema_id` is None where its value is not in Confluent's format."""

    topic: str
    partition: int
    offset: int
    schema_id: int | None

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"


@dataclass(frozen=True, slots=True)
class Look:
    """What came of looking: the place, or why there is none; how many records were read.

    `not_before`: records that lie before it in its partition were written then, so that it was published later.
    """

    place: Place | None
    records: int
    why_not: str | None = None
    not_before: datetime | None = None


class Finder:
    """Looks into topics. Methods raise BrokerUnavailable, and ConfigError for a topic that is not there."""

    def __init__(self, settings: Settings) -> None:
        """Does not connect. Raises ConfigError."""
        self._settings = settings
        self._cluster = Cluster(settings)
        name = settings.relay.name
        self._sources = {ce_source(name, source).encode() for source in SOURCES}

    def find(self, row: EventRow, topic: str, published_by: datetime | None) -> Look:
        """The record of an event, or its dead letter, in the partition of its key.

        `published_by`, if that is known, tells where to look in a topic that has too many records since.
        """
        key = row.key.encode("utf-8", "surrogatepass")
        partition = (topic, key_hash(key) % self._partitions(topic))
        return self._look(str(row.id), [partition], (row.written_at, published_by), MOST_RECORDS)

    def find_by_time(self, event_id: str, topic: str, written_at: datetime) -> Look:
        """The same for one whose row has left, so that its key is not known: in all partitions."""
        count = self._partitions(topic)
        partitions = [(topic, number) for number in range(count)]
        return self._look(event_id, partitions, (written_at, None), MOST_RECORDS // count)

    def batch_time(self, shard: int, batch_no: int, after: datetime) -> datetime | None:
        """When a batch was published, by its control record; None where that is not there any more."""
        partition = (self._settings.topics.control, shard)
        key = control_key(self._settings.relay.name)

        def is_ours(message: Message) -> bool:
            return message.key() == key and decode(_value(message)).batch_no == batch_no

        start, end = self._since(partition, after - SKEW), self._end(partition)
        found = search(self._settings, partition, start, end, is_ours, MOST_RECORDS).message
        return None if found is None else _time(found.timestamp()[1])

    def _look(
        self, event_id: str, partitions: list[Partition], times: tuple[datetime, datetime | None], most: int
    ) -> Look:
        replays: list[int] = []
        matches = self._matcher(event_id, replays)
        read, is_whole = 0, True
        for partition in partitions:
            spans, all_of_it = self._spans(partition, *times, most)
            is_whole &= all_of_it
            for start, end in spans:
                found = search(self._settings, partition, start, end, matches, most)
                read += found.records
                if found.message is not None:
                    before = _time(found.latest_ms) if found.latest_ms else None
                    return Look(_place(found.message, partition), read, not_before=before)
        return Look(None, read, self._why_not(partitions, read, replays, is_whole=is_whole))

    def _matcher(self, event_id: str, replays: list[int]) -> Callable[[Message], bool]:
        """Whether a message is the event's first; offsets of a replay's copies are noted."""
        wanted = event_id.encode()

        def matches(message: Message) -> bool:
            headers = dict(headers_of(message))
            if headers.get(CE_ID) != wanted or headers.get(CE_SOURCE) not in self._sources:
                return False
            if REPLAYED in headers:
                replays.append(message.offset() or 0)
            return REPLAYED not in headers

        return matches

    def _why_not(self, partitions: list[Partition], read: int, replays: list[int], *, is_whole: bool) -> str:
        topic = partitions[0][0]
        where = f"{topic}[{partitions[0][1]}]" if len(partitions) == 1 else topic
        if replays:
            return f"of {where} only a replay's copy is left, at offset {replays[0]}"
        if not is_whole:
            return f"{read:,} records of {where} around its time do not hold it; more were not read"
        gone = " (its first records are gone)" if any(self._cluster.beginnings(partitions).values()) else ""
        return (
            f"{where} does not hold it{gone}: retention or compaction may have removed it, or its route named another"
            " topic then (--topic), or the topic had fewer partitions"
        )

    def _partitions(self, topic: str) -> int:
        counts = self._cluster.partition_counts()
        if topic not in counts:
            raise unknown_topic(topic, counts)
        return counts[topic]

    def _spans(
        self, partition: Partition, since: datetime, published_by: datetime | None, most: int
    ) -> tuple[Sequence[tuple[int, int]], bool]:
        start, end = self._since(partition, since), self._end(partition)
        ends = [end] if published_by is None else [min(self._since(partition, published_by + SKEW), end), end]
        found, is_whole = windows(start, ends, most)
        skewed = max(self._since(partition, since - SKEW), start - most)  # a relay's clock may have been behind
        return [*found, (skewed, start)], is_whole

    def _since(self, partition: Partition, time: datetime) -> int:
        """The first record of that time or a later one. Its own has its event's time, so that it is not before this."""
        found = self._cluster.since([partition], max(int(time.timestamp() * 1000), 0))[partition]
        return self._end(partition) if found < 0 else found

    def _end(self, partition: Partition) -> int:
        return self._cluster.ends([partition], committed=True)[partition]


def windows(start: int, ends: Sequence[int], most: int) -> tuple[list[tuple[int, int]], bool]:
    """Spans of at most `most` offsets: what follows `start`, and what comes before each end; and if that is all."""
    found: list[tuple[int, int]] = []
    at, is_whole = start, True
    for low, high in [(start, min(start + most, ends[-1])), *((end - most, end) for end in ends)]:
        is_whole &= low <= at or high <= at
        if high > at:
            found.append((max(low, at), high))
            at = high
    return found, is_whole


def _place(message: Message, partition: Partition) -> Place:
    parts = split(_value(message) or b"")
    return Place(*partition, message.offset() or 0, None if parts is None else parts[0])


def _value(message: Message) -> bytes | None:
    value: Any = message.value()
    return value if isinstance(value, bytes) else None


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
