"""Reads topics as a read_committed consumer does, without joining a group or committing an offset."""

from __future__ import annotations

import difflib
import time
from collections.abc import Collection, Iterator
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from bridge.errors import BrokerUnavailable, ConfigError
from bridge.kafka.client import client_properties
from bridge.kafka.cluster import Cluster, Partition
from bridge.kafka.properties import reader_properties
from bridge.settings import Settings

BATCH_MESSAGES = 10_000
WAIT_SECONDS = 0.2  # for a batch to fill; short, so that Ctrl-C is answered
LASTING = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError._UNKNOWN_TOPIC,
)
STALL_SECONDS = 60.0  # without any progress towards an end, transactions of others included


class Reader:
    """All partitions of some topics; a context manager."""

    def __init__(
        self,
        settings: Settings,
        topics: Collection[str],
        *,
        from_beginning: bool = True,
        since_ms: int | None = None,
    ) -> None:
        """Connect, and note where the partitions begin and end now.

        `since_ms` leaves out what lies before the first record of that time or a later one.

        Raises ConfigError for a topic that does not exist, BrokerUnavailable.
        """
        self._settings = settings
        self._cluster = Cluster(settings)
        counts = self._cluster.partition_counts()
        for topic in topics:
            if topic not in counts:
                raise unknown_topic(topic, counts)
        partitions = [(topic, number) for topic in topics for number in range(counts[topic])]
        self.beginnings = self._cluster.beginnings(partitions)
        self.partition_counts = {topic: counts[topic] for topic in topics}
        self.ends = self._cluster.ends(partitions, committed=True)
        self._consumer = Consumer(client_properties(settings) | reader_properties(settings))
        starts = self.beginnings if from_beginning else self.ends
        if since_ms is not None:  # the ends were asked for before: what has come since is behind them
            found = self._cluster.since(partitions, since_ms)
            starts = {partition: offset if offset >= 0 else self.ends[partition] for partition, offset in found.items()}
        self._consumer.assign([TopicPartition(*partition, offset) for partition, offset in starts.items()])
        self._at = dict(starts)
        self._starts = dict(starts)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()

    def follow(self) -> Iterator[list[Message]]:
        """Batches of messages, without end; an empty one from time to time. Raises ConfigError."""
        while True:
            yield self._batch()

    def up_to(self, ends: dict[Partition, int]) -> Iterator[list[Message]]:
        """Batches of messages until every partition has been read up to its offset in `ends`, and perhaps beyond.

        Raises BrokerUnavailable when nothing comes for STALL_SECONDS, ConfigError.
        """
        last = time.monotonic()
        while left := [partition for partition, end in ends.items() if self._at[partition] < end]:
            before = dict(self._at)
            batch = self._batch()
            yield batch
            self._note_positions(left)
            if self._at != before:
                last = time.monotonic()
            elif time.monotonic() - last > STALL_SECONDS:
                raise self._stalled(left[0])

    def all_ends(self) -> dict[Partition, int]:
        """Where the partitions end now, transactions that are still open included; `up_to` waits for those."""
        return self._cluster.ends(self._at, committed=False)

    def beginnings_now(self) -> dict[Partition, int]:
        """Where the partitions begin by now: retention may have moved that on while they were read."""
        return self._cluster.beginnings(self._at)

    def progress(self, ends: dict[Partition, int]) -> tuple[int, int]:
        """How many offsets have been read, and of how many up to `ends`."""
        total = sum(max(end - self._starts[partition], 0) for partition, end in ends.items())
        return min(sum(offset - self._starts[partition] for partition, offset in self._at.items()), total), total

    def _batch(self) -> list[Message]:
        messages = self._consumer.consume(BATCH_MESSAGES, WAIT_SECONDS)
        failed = [message for message in messages if message.error() is not None]
        for message in failed:
            self._note(message)
        return [message for message in messages if message.error() is None] if failed else messages

    def _note(self, message: Message) -> None:
        """An end was reached, or something is wrong; what passes by itself is left to librdkafka."""
        error = message.error()
        assert error is not None  # noqa: S101 - the caller looked
        if error.code() == KafkaError._PARTITION_EOF:
            self._at[str(message.topic()), message.partition() or 0] = message.offset() or 0
        elif error.code() in LASTING:
            raise ConfigError(f"cannot read topic {message.topic()}: {error.str()}")

    def _note_positions(self, partitions: list[Partition]) -> None:
        for place in self._consumer.position([TopicPartition(*partition) for partition in partitions]):
            if place.offset > self._at[place.topic, place.partition]:
                self._at[place.topic, place.partition] = place.offset

    def _stalled(self, partition: Partition) -> BrokerUnavailable:
        return BrokerUnavailable(
            f"topic {partition[0]}, partition {partition[1]} cannot be read beyond offset {self._at[partition]}: for "
            f"{STALL_SECONDS:.0f} seconds the broker was away, or a transaction stayed open",
            hint="Check the broker, and kafka-transactions.sh find-hanging",
        )


def unknown_topic(topic: str, known: Collection[str]) -> ConfigError:
    """Names the nearest topics, or how many there are."""
    near = difflib.get_close_matches(topic, known, 3) or sorted(name for name in known if topic.lower() in name.lower())
    visible = [name for name in near if not name.startswith("__")] or sorted(n for n in known if not n.startswith("__"))
    return ConfigError(
        f"there is no topic {topic!r}",
        hint=f"{'Did you mean' if near else 'There are'} {', '.join(visible[:10])}"
        if visible
        else "There are none yet",
    )
