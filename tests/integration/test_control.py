"""Control records on a real broker: what a taker finds, whatever else lies in the partition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic
from kafka_settings import configure, create

from bridge.encoding.limits import TopicLimits
from bridge.errors import BrokerRefuses
from bridge.event import Record
from bridge.kafka.control import WINDOW
from bridge.kafka.producer import ShardProducer
from bridge.settings import KafkaSettings, RelaySettings, Settings, TopicSettings
from bridge.shard.ledger import ControlRecord

NEVER_WRITTEN = ControlRecord(0, None, None)


@pytest.fixture
def settings(kafka: str, unique: str) -> Iterator[Settings]:
    control = f"{unique}.control"
    admin = AdminClient({"bootstrap.servers": kafka})
    create(admin, NewTopic(control, 2, 1, config={"cleanup.policy": "compact"}))
    yield Settings(kafka=KafkaSettings(kafka), relay=RelaySettings(name=unique), topics=TopicSettings(control=control))
    admin.delete_topics([control])[control].result(30)


def found(settings: Settings, shard: int = 0) -> ControlRecord | None:
    with ShardProducer(settings, shard, TopicLimits({})) as producer:
        return producer.open()


def commit(settings: Settings, *records: ControlRecord, shard: int = 0) -> None:
    with ShardProducer(settings, shard, TopicLimits({})) as producer:
        producer.open()
        for record in records:
            producer.commit(record)


def records(count: int) -> list[ControlRecord]:
    ids = [None, *(uuid4() for _ in range(count))]
    return [ControlRecord(number, ids[number + 1], ids[number]) for number in range(count)]


def somebody_else(settings: Settings) -> Producer:
    producer = Producer(
        {"bootstrap.servers": settings.kafka.bootstrap_servers, "transactional.id": f"{settings.relay.name}-other"}
    )
    producer.init_transactions(30)
    return producer


def fill(settings: Settings, producer: Producer, count: int, key: str = "somebody else") -> None:
    """Write into the first partition within a transaction, and leave it open."""
    producer.begin_transaction()
    for _ in range(count):
        producer.produce(settings.topics.control, b"{}", key, partition=0)
    assert producer.flush(30) == 0


def test_nothing_was_ever_published(settings: Settings) -> None:
    assert found(settings) is None
    assert found(settings) is None  # an arrival is none


def test_the_last_of_several(settings: Settings) -> None:
    written = records(5)
    commit(settings, *written)
    assert found(settings) == written[-1]
    assert found(settings) == written[-1]
    assert found(settings, 1) is None


def test_behind_what_was_aborted(settings: Settings) -> None:
    """No record is seen for thousands of offsets."""
    (written,) = records(1)
    commit(settings, written)
    other = somebody_else(settings)
    for _ in range(3):
        fill(settings, other, 2 * WINDOW)
        other.abort_transaction(30)
    assert found(settings) == written


def test_behind_another_bridge(settings: Settings) -> None:
    """Two may share the topic."""
    ours, theirs = records(2), records(WINDOW)
    other = replace(settings, relay=replace(settings.relay, name=f"{settings.relay.name}o"))
    commit(settings, *ours)
    commit(other, *theirs)
    assert found(settings) == ours[-1]
    assert found(other) == theirs[-1]


def test_what_a_former_owner_left_open_does_not_count(settings: Settings) -> None:
    (written,) = records(1)
    commit(settings, written)
    former = Producer(
        {"bootstrap.servers": settings.kafka.bootstrap_servers, "transactional.id": f"{settings.relay.name}-0"}
    )
    former.init_transactions(30)
    fill(settings, former, 1, settings.relay.name)
    assert found(settings) == written


@pytest.mark.parametrize("value", [None, b"", b"[]", b'{"batch_no": 1}', b"\xff"], ids=repr)
def test_what_somebody_else_wrote_under_our_key(settings: Settings, value: bytes | None) -> None:
    commit(settings, *records(2))
    plain = Producer({"bootstrap.servers": settings.kafka.bootstrap_servers})
    plain.produce(settings.topics.control, value, settings.relay.name, partition=0)
    assert plain.flush(30) == 0
    assert found(settings) == NEVER_WRITTEN


def test_a_transaction_that_is_still_open(settings: Settings) -> None:
    """What was committed behind it cannot be seen, so nothing is concluded."""
    first, second = records(2)
    other = somebody_else(settings)
    with ShardProducer(settings, 0, TopicLimits({})) as producer:
        producer.open()
        producer.commit(first)
        fill(settings, other, 1)
        producer.commit(second)
    with pytest.raises(BrokerRefuses, match="a transaction hangs"):
        found(settings)
    other.abort_transaction(30)
    assert found(settings) == second


def test_a_partition_that_begins_late(settings: Settings) -> None:
    """As compaction leaves it: nothing is there before the last control record."""
    written = records(3)
    commit(settings, *written)
    admin = AdminClient({"bootstrap.servers": settings.kafka.bootstrap_servers})
    topic, control = ConfigResource.Type.TOPIC, settings.topics.control
    configure(admin, topic, control, "cleanup.policy", "compact,delete")  # or it may not be done
    for future in admin.delete_records([TopicPartition(control, 0, 6)]).values():  # arrival, marker, and two batches
        future.result(30)
    assert found(settings) == written[-1]


def test_a_queue_that_is_full(settings: Settings) -> None:
    """The control record finds no room behind the events, until they are sent."""
    narrow = replace(settings, kafka=replace(settings.kafka, properties={"queue.buffering.max.messages": "3"}))
    (written,) = records(1)
    event = Record(settings.topics.control, b"an event", b"{}", [], 0)
    with ShardProducer(narrow, 0, TopicLimits({})) as producer:
        producer.open()
        producer.commit(written, [event] * 3)
    assert found(settings) == written


def test_a_control_topic_that_is_not_there(settings: Settings) -> None:
    missing = replace(settings, topics=replace(settings.topics, control=f"{settings.relay.name}.missing"))
    with pytest.raises(BrokerRefuses, match=f"the control topic {settings.relay.name}.missing"):
        found(missing)


def test_a_control_topic_that_takes_no_record(settings: Settings) -> None:
    """Found out before a batch is claimed, so that no event is suspected."""
    admin = AdminClient({"bootstrap.servers": settings.kafka.bootstrap_servers})
    small = f"{settings.relay.name}.small"
    config = {"cleanup.policy": "compact", "max.message.bytes": "200"}
    create(admin, NewTopic(small, 1, 1, config=config))
    try:
        with pytest.raises(BrokerRefuses, match=f"the control topic {small}"):
            found(replace(settings, topics=replace(settings.topics, control=small)))
    finally:
        admin.delete_topics([small])[small].result(30)
