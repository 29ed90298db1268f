"""Records of partitions that go to another consumer while Kafka is asked for more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from bridge.consumer.feed import Feed

FIRST = KafkaMessage("t", 0, 7, b"k", b"v", [])


class Kafka:
    """Has one record; `meanwhile` happens when it is asked for more."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        self._meanwhile = meanwhile

    def poll(self, _seconds: float) -> KafkaMessage:
        return FIRST

    def consume(self, _count: int, _seconds: float) -> list[KafkaMessage]:
        self._meanwhile()
        return []

    def resume(self, _partitions: list[TopicPartition]) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def feed() -> Iterator[Feed]:
    with closing(Feed("127.0.0.1:1", "g", ["t"], {}, allow_insecure=True)) as feed:
        feed._is_member = True
        yield feed


def asked_of(feed: Feed, meanwhile: Callable[[], object]) -> list[int]:
    feed._kafka.close()
    fake: Any = Kafka(meanwhile)
    feed._kafka = fake
    return [record.offset for record in feed.next(10)]


def test_a_partition_that_goes_takes_its_records_along(feed: Feed) -> None:
    """They are the next owner's; and an offset that we commit of them would be a step back."""
    unused: Any = None
    assert asked_of(feed, lambda: feed._revoked(unused, [TopicPartition("t", 0)])) == []


def test_what_came_is_kept_where_asking_for_more_fails(feed: Feed) -> None:
    """Kafka would give what is behind it next, and what is committed then would pass it over."""

    def fail() -> None:
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))

    assert asked_of(feed, fail) == [7]
