"""Looks for one record in one partition, within bounds, as a read_committed consumer sees it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from bridge.errors import BrokerUnavailable, ConfigError
from bridge.kafka.client import client_properties
from bridge.kafka.cluster import Partition
from bridge.kafka.properties import reader_properties
from bridge.kafka.reader import LASTING
from bridge.settings import Settings

WAIT_SECONDS = 0.1
STALL_SECONDS = 10.0  # without any progress
Wanted = Callable[[Message], bool]


class Searched(NamedTuple):
    """What came of a search from an offset: the message, or None; how many records were read.

    `latest_ms` is the latest time of a record before the one that was found; `is_complete`: the end was reached.
    """

    message: Message | None
    records: int
    latest_ms: int
    is_complete: bool


def search(settings: Settings, partition: Partition, start: int, end: int, wanted: Wanted, most: int) -> Searched:
    """Read from `start` until a message is wanted, `end` is reached, or `most` records have been read.

    Raises BrokerUnavailable where nothing comes for STALL_SECONDS, ConfigError for a topic that may not be read.
    """
    consumer = Consumer(client_properties(settings) | reader_properties(settings))
    try:
        consumer.assign([TopicPartition(*partition, start)])
        return _search(consumer, partition, (start, end), wanted, most)
    finally:
        consumer.close()


def _search(consumer: Consumer, partition: Partition, span: tuple[int, int], wanted: Wanted, most: int) -> Searched:
    at, end = span
    read, latest, last = 0, 0, time.monotonic()
    while at < end and read < most:
        before = at
        for message in consumer.consume(1000, WAIT_SECONDS):
            if (error := message.error()) is not None:
                at = max(at, _end_of(message, error))
                continue
            read += 1
            if wanted(message):
                return Searched(message, read, latest, False)
            at = max(at, (message.offset() or 0) + 1)
            latest = max(latest, message.timestamp()[1])
        (place,) = consumer.position([TopicPartition(*partition)])  # passes markers and aborted records, too
        at = max(at, place.offset)
        if at > before:
            last = time.monotonic()
        elif time.monotonic() - last > STALL_SECONDS:
            raise BrokerUnavailable(
                f"topic {partition[0]}, partition {partition[1]} could not be read beyond offset {at} within"
                f" {STALL_SECONDS:.0f} s",
                hint="Check the broker, or try again",
            )
    return Searched(None, read, latest, at >= end)


def _end_of(message: Message, error: Any) -> int:
    """The offset of an end that was reached; other trouble passes by itself, or is for the caller."""
    if error.code() == KafkaError._PARTITION_EOF:
        return message.offset() or 0
    if error.code() in LASTING:
        raise ConfigError(f"cannot read topic {message.topic()}: {error.str()}", hint="Grant READ on it")
    return 0
