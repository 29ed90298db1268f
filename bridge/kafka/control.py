"""Kafka's side of a shard's ledger: the control records in its partition of the compacted control topic.

A batch's control record is committed with its events. Which was committed last is asked with an *arrival record*: once
that can be read as `read_committed`, so can whatever was committed before it. Without it, a transaction of somebody
else (or a follower that lags) could hide the last batch, which would then be published twice. Both have keys of their
own for each bridge, because several may share the topic. (A group's committed offset expires, can be reset by a tool,
and costs a transaction two round trips. Materialize's sink and Connect keep theirs in records, too.)
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from uuid import UUID

import orjson
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from bridge.errors import BrokerRefuses
from bridge.kafka.client import client_properties
from bridge.kafka.cluster import UNSETTLED
from bridge.kafka.properties import control_properties
from bridge.settings import Settings
from bridge.shard.ledger import ControlRecord

ANSWER_SECONDS = 5.0  # to wait for anything to come; then the takeover begins anew
WINDOW = 100  # offsets to look back first; a batch takes two, and so does one that was aborted
WIDER = 100  # times as many, where a window holds no control record of ours


def control_key(relay_name: str) -> bytes:
    """The key of a bridge's control records; compaction leaves the last one in each partition."""
    return relay_name.encode()


def arrival_key(relay_name: str) -> bytes:
    """The key of its arrival records."""
    return f"{relay_name} arrival".encode()


def arrival_value() -> bytes:
    """One that no other has. No control record is longer, so a topic that refuses those refuses this one already."""
    return os.urandom(200)


def encode(record: ControlRecord) -> bytes:
    """A control record's value, JSON."""
    return orjson.dumps({"batch_no": record.batch_no, "batch_id": record.batch_id, "previous_id": record.previous_id})


def decode(value: bytes | None) -> ControlRecord:
    """What we wrote. Without a batch id where it was not us who wrote it."""
    try:
        found = orjson.loads(value or b"")
        previous = found["previous_id"]
        if type(found["batch_no"]) is int:
            return ControlRecord(found["batch_no"], UUID(found["batch_id"]), UUID(previous) if previous else None)
    except (ValueError, TypeError, KeyError, AttributeError):
        pass
    return ControlRecord(0, None, None)


class ControlPartition:
    """One shard's partition of the control topic, to be read by a taker; a context manager."""

    def __init__(self, settings: Settings, shard: int, note: Callable[[KafkaError], None]) -> None:
        """`note` hears what the client tells in the background. Does not connect."""
        self._name = settings.relay.name
        self._shard = shard
        self._partition = TopicPartition(settings.topics.control, shard)
        self._consumer = Consumer(client_properties(settings) | control_properties(settings) | {"error_cb": note})

    def __enter__(self) -> ControlPartition:
        return self

    def __exit__(self, *_: object) -> None:
        closing = threading.Thread(target=self._consumer.close, daemon=True)
        closing.start()
        closing.join(ANSWER_SECONDS)  # it is not used any more, and may never return

    def bounds(self) -> tuple[int, int]:
        """The first offset, and the last stable one: no record that is written from now on is below it.

        Raises KafkaException.
        """
        ends = time.monotonic() + ANSWER_SECONDS
        while True:
            try:
                low, high = self._consumer.get_watermark_offsets(self._partition, ANSWER_SECONDS)
                return low, high
            except KafkaException as error:
                told = self._trouble() or error.args[0]
                if told.code() not in (*UNSETTLED, KafkaError._UNKNOWN_PARTITION) or time.monotonic() > ends:
                    raise KafkaException(told) from error
                self._consumer.poll(0.05)  # it was made just now, or its leader moves

    def _trouble(self) -> KafkaError | None:
        """What is wrong with the topic: to one that may not see it, librdkafka says that there is no such partition."""
        topic = self._partition.topic
        error: KafkaError | None = self._consumer.list_topics(topic, ANSWER_SECONDS).topics[topic].error
        return error

    def last_before(self, arrival: bytes, bounds: tuple[int, int]) -> ControlRecord | None:
        """The last control record that was committed before the arrival record of this value; None: there is none.

        `bounds` from before that was written. Raises BrokerRefuses, KafkaException.
        """
        low, high = bounds
        window = WINDOW
        while True:
            start = max(high - window, low)
            found = self._search(start, arrival)
            if found is not None or start == low:
                return found
            window *= WIDER  # markers and aborted records may fill any number of offsets

    def _search(self, start: int, arrival: bytes) -> ControlRecord | None:
        self._consumer.assign([TopicPartition(self._partition.topic, self._shard, start)])
        last: ControlRecord | None = None
        ours, arrivals = control_key(self._name), arrival_key(self._name)
        ends = time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < ends:
            for message in self._consumer.consume(1000, 0.05):
                if (error := message.error()) is not None:
                    if message.topic() is None:  # of the group, which librdkafka asks after although none is joined
                        continue
                    raise KafkaException(error)
                ends = time.monotonic() + ANSWER_SECONDS
                key = message.key()
                if key == arrivals and message.value() == arrival:
                    return last
                if key == ours:
                    last = decode(message.value())
        raise BrokerRefuses(  # for it has just taken the arrival
            f"Kafka has not shown shard {self._shard}'s last batch within {ANSWER_SECONDS:.0f} s: a transaction hangs",
            hint='docs/operations.md, "A hanging transaction"',
        )
