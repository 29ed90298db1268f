"""Publishes batches to Kafka; the only module that makes producers.

The rules that librdkafka imposes come down to one: whatever did not
plainly succeed is in doubt, the producer is thrown away, and only `init_transactions()` of a new one and the committed
offset can tell what happened. So nothing here retries, and nothing aborts: fencing does.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any
from uuid import UUID

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from bridge.encoding.limits import TopicLimits
from bridge.errors import BrokerRefuses, BrokerUnavailable, PublishUncertain, RecordRefused
from bridge.event import Record
from bridge.failpoint import failpoint
from bridge.kafka.client import client_properties, words
from bridge.kafka.connection_watch import ConnectionWatch
from bridge.kafka.deadline import within
from bridge.kafka.properties import offset_properties, producer_properties, transactional_properties
from bridge.settings import Delivery, Settings
from bridge.shard.takeover import Committed

# What a broker says of a login or an ACL that is not about one topic.
REFUSALS = (
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,  # of the control topic
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError._AUTHENTICATION,
)
# What a broker says of a record; it will say the same again.
RECORD_REFUSALS = (
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.RECORD_LIST_TOO_LARGE,
    KafkaError.INVALID_MSG,
    KafkaError.INVALID_RECORD,
    KafkaError.INVALID_TIMESTAMP,
    KafkaError.POLICY_VIOLATION,
    KafkaError.UNSUPPORTED_FOR_MESSAGE_FORMAT,
    KafkaError._INVALID_ARG,
)
RIGHTS = "Rights: docs/operations.md, Roles and rights"
NETWORK_SECONDS = 5.0  # for an answer while taking over; then it begins anew


class ShardProducer:
    """One shard's producer, transactional or only idempotent."""

    def __init__(self, settings: Settings, shard: int, limits: TopicLimits) -> None:
        self._settings = settings
        self._limits = limits
        self._shard = shard
        self._seconds = settings.relay.transaction_timeout_seconds  # for a transaction, and each call in it
        self._transactional = settings.relay.delivery is Delivery.EXACTLY_ONCE
        self._producer: Producer | None = None
        self._plain: Producer | None = None
        self._group: Any = None
        self._failed: tuple[KafkaError, Message] | None = None
        self._refusal: KafkaError | None = None  # the first that a client told in the background
        self._watch = ConnectionWatch()

    def __enter__(self) -> ShardProducer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._discard()

    def open(self) -> Committed | None:
        """Fence the former owner, end its open transaction, and read what it committed last.

        Returns None when nothing was ever committed. Raises BrokerUnavailable.
        """
        self._discard()
        properties = client_properties(self._settings) | producer_properties(self._settings, self._limits)
        properties |= {"on_delivery": self._refused, "error_cb": self._note}
        transactional = transactional_properties(self._settings, self._shard) | {"logger": self._watch}
        try:
            self._producer = Producer(properties | transactional)
            self._producer.init_transactions(NETWORK_SECONDS)
            failpoint("takeover_fenced")
            committed = self._read_committed_offset()
            failpoint("takeover_offset_read")
            if not self._transactional:
                self._plain = Producer(properties)
        except KafkaException as error:
            ours = self._unavailable(error)
            self._discard()
            raise ours from error
        return committed

    def publish(self, number: int, batch_id: UUID, records: Iterable[Record]) -> None:
        """Publish batch `number`; on return its records are in Kafka, and committed if delivery is exactly once.

        Raises PublishUncertain when that is not sure, RecordRefused when the broker refused one for what it is;
        either way the producer must be opened anew.
        """
        if self._plain is None:
            self.commit(number, batch_id, records)
            return
        with self._in_doubt():
            self._send(self._plain, records)
            left = self._plain.flush(self._seconds + 1)
        if self._failed is not None:
            raise self._doubt(KafkaException(self._failed[0]))
        if left:
            raise PublishUncertain(f"shard {self._shard}: {left} records were not confirmed in time")

    def commit(self, number: int, batch_id: UUID, records: Iterable[Record] = ()) -> None:
        """One Kafka transaction: `records`, and the offset `number` with the batch id in its metadata.

        Raises as `publish()`.
        """
        if self._producer is None:
            raise PublishUncertain(f"shard {self._shard} has no producer")
        offset = TopicPartition(self._settings.topics.control, self._shard, number, metadata=str(batch_id))
        with self._in_doubt():
            self._producer.begin_transaction()
            self._send(self._producer, records)
            self._producer.flush(self._seconds)
            self._raise_trouble()
            self._send_offset(self._producer, offset)
            failpoint("offsets_sent")
            self._producer.commit_transaction(self._seconds)
        self._producer.poll(0)
        self._raise_trouble()

    def _discard(self) -> None:
        """Throw the producers away without waiting for anything."""
        for producer in (self._producer, self._plain):
            if producer is not None:
                producer.purge()
        self._producer = self._plain = self._failed = self._refusal = None
        self._watch = ConnectionWatch()

    def _read_committed_offset(self) -> Committed | None:
        control = TopicPartition(self._settings.topics.control, self._shard)
        properties = client_properties(self._settings) | offset_properties(self._settings)
        consumer = Consumer(properties | {"error_cb": self._note})
        try:
            self._group = consumer.consumer_group_metadata()
            (found,) = consumer.committed([control], NETWORK_SECONDS)
        except KafkaException as error:
            if (message := consumer.poll(0)) is not None and (told := message.error()) is not None:
                self._note(told)  # what explains it
            if error.args[0].code() == KafkaError._TIMED_OUT and self._refusal is None:
                raise BrokerUnavailable(
                    f"Kafka has not told shard {self._shard}'s committed offset within {NETWORK_SECONDS:.0f} s: it is"
                    ' away, or a transaction hangs (docs/operations.md, "A hanging transaction")'
                ) from error
            raise
        finally:
            with contextlib.suppress(TimeoutError):  # it is not used any more
                within(NETWORK_SECONDS, consumer.close)
        if found.error is not None:
            raise KafkaException(found.error)
        return None if found.offset < 0 else Committed(found.offset, _batch_id(found.metadata))

    def _send_offset(self, producer: Producer, offset: TopicPartition) -> None:
        """May never return, and knows no time-out, when the group's coordinator has left (librdkafka#5456, #5511)."""
        try:
            within(self._seconds, lambda: producer.send_offsets_to_transaction([offset], self._group))
        except TimeoutError as error:
            raise PublishUncertain(f"shard {self._shard}: Kafka took no offset: {error}") from error

    def _raise_trouble(self) -> None:
        if self._watch.trouble is not None:
            raise PublishUncertain(f"shard {self._shard}: a request may have been sent twice: {self._watch.trouble}")

    def _send(self, producer: Producer, records: Iterable[Record]) -> None:
        for sent, record in enumerate(records):
            try:
                _produce(producer, record)
            except BufferError:  # the queue is full: once librdkafka has sent what it holds, there is room
                producer.flush(self._seconds)
                try:
                    _produce(producer, record)
                except BufferError as error:
                    raise PublishUncertain(f"shard {self._shard}: Kafka accepts no more records") from error
            if sent % 1000 == 100:
                producer.poll(0)
                failpoint("produced_some")
        failpoint("produced")

    def _refused(self, error: KafkaError, message: Message) -> None:
        if error.code() not in (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT):
            self._failed = self._failed or (error, message)

    def _note(self, error: KafkaError) -> None:
        """What a client tells in the background; without this, a fatal error ends a call with a SystemError."""
        if error.code() in REFUSALS:
            self._refusal = self._refusal or error

    def _unavailable(self, error: KafkaException) -> BrokerUnavailable:
        cause = self._refusal or error.args[0]
        what = f"cannot start publishing shard {self._shard}: {self._told(cause)}"
        if cause.code() == KafkaError.CONCURRENT_TRANSACTIONS:  # after NETWORK_SECONDS of trying
            hint = "It cannot while a partition in it has no leader or too few in-sync replicas"
            return BrokerRefuses(f"Kafka has not ended the last transaction of shard {self._shard}", hint=hint)
        return BrokerRefuses(what, hint=RIGHTS) if cause.code() in REFUSALS else BrokerUnavailable(what)

    def _told(self, cause: KafkaError) -> str:
        """What Kafka said, with the name of what it is about, which it does not say."""
        name = self._settings.relay.name
        forbidden = {
            KafkaError.TOPIC_AUTHORIZATION_FAILED: self._settings.topics.control,
            KafkaError.GROUP_AUTHORIZATION_FAILED: name,
            KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: f"{name}-{self._shard}",
        }.get(cause.code())
        text = words(KafkaException(cause)).rstrip(".")
        return text if forbidden is None else f"{text} ({forbidden})"

    @contextlib.contextmanager
    def _in_doubt(self) -> Iterator[None]:
        try:
            yield
        except KafkaException as error:
            raise self._doubt(error) from error
        except SystemError as error:  # how the binding tells a fatal error while it is in a call that knows of none
            if not isinstance(error.__cause__, KafkaException):
                raise
            raise self._doubt(error.__cause__) from error

    def _doubt(self, error: KafkaException) -> PublishUncertain | RecordRefused | BrokerRefuses:
        if self._producer is not None:
            with contextlib.suppress(KafkaException):  # a fatal error is raised here again
                self._producer.poll(0)  # delivery reports that explain the failure
        if self._failed is not None and self._failed[0].code() in RECORD_REFUSALS:
            cause, message = self._failed
            return RecordRefused(f"Kafka refuses a record for topic {message.topic()}: {cause.name()}")
        cause = self._failed[0] if self._failed is not None else error.args[0]
        refusal = self._refusal or cause
        if refusal.code() in REFUSALS and refusal.code() != KafkaError.TOPIC_AUTHORIZATION_FAILED:  # of no topic's
            return BrokerRefuses(f"shard {self._shard} may not publish: {self._told(refusal)}", hint=RIGHTS)
        return PublishUncertain(f"shard {self._shard}: a Kafka transaction is in doubt: {words(KafkaException(cause))}")


def _produce(producer: Producer, record: Record) -> None:
    topic, key, value, headers, timestamp_ms = record
    producer.produce(topic, value, key, -1, None, None, timestamp_ms, headers)  # names would cost a quarter more


def _batch_id(metadata: str | None) -> UUID | None:
    """What we wrote with an offset; None where a tool has set the offset."""
    try:
        return UUID(metadata)
    except (TypeError, ValueError):
        return None
