"""Publishes batches to Kafka; the only module that makes producers of events.

The rules that librdkafka imposes come down to one: whatever did not plainly succeed is in doubt, the producer is thrown
away, and only `init_transactions()` of a new one and the last control record can tell what happened. So nothing here
retries, and nothing aborts: fencing does.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from bridge.encoding.limits import TopicLimits
from bridge.errors import (
    BridgeError,
    BrokerRefuses,
    BrokerUnavailable,
    ProducerFenced,
    PublishUncertain,
    RecordRefused,
)
from bridge.event import Record
from bridge.failpoint import failpoint
from bridge.kafka.client import client_properties, words
from bridge.kafka.connection_watch import ConnectionWatch
from bridge.kafka.control import ControlPartition, arrival_key, arrival_value, control_key, encode
from bridge.kafka.properties import producer_properties, transactional_properties
from bridge.kafka.refusal import refusal_hint
from bridge.settings import Delivery, Settings
from bridge.shard.ledger import ControlRecord

# What a broker says of an ACL that is not about one topic; of a login, `refusal_hint` knows.
REFUSALS = (
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,  # of the control topic
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
# What it says to a producer that another one has replaced, or whose transaction was ended for its age.
FENCED = (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)
TOPICS = "docs/operations.md, What Kafka holds for a bridge"
# What a broker says of the control topic, which is the only one while a shard is taken over, and will say again;
CONTROL_REFUSALS = (
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
    *RECORD_REFUSALS,
)
# and what else is about it then.
OF_THE_CONTROL_TOPIC = (
    *CONTROL_REFUSALS,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.NOT_ENOUGH_REPLICAS,
    KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    KafkaError._MSG_TIMED_OUT,
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
        self._failed: tuple[KafkaError, Message] | None = None
        self._refusal: KafkaError | None = None  # the first that a client told in the background
        self._watch = ConnectionWatch()

    def __enter__(self) -> ShardProducer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._discard()

    def open(self) -> ControlRecord | None:
        """Fence the former owner, end its open transaction, and find the last control record that was committed.

        Returns None when there is none. Raises BrokerUnavailable.
        """
        self._discard()
        properties = client_properties(self._settings) | producer_properties(self._settings, self._limits)
        properties |= {"on_delivery": self._refused, "error_cb": self._note}
        transactional = transactional_properties(self._settings, self._shard) | {"logger": self._watch}
        with self._raising(self._unavailable):
            self._producer = Producer(properties | transactional)
            self._producer.init_transactions(NETWORK_SECONDS)
            failpoint("takeover_fenced")
            last = self._find_last(self._producer)
            failpoint("takeover_found")
            if not self._transactional:
                self._plain = Producer(properties)
        return last

    def publish(self, control: ControlRecord, records: Iterable[Record]) -> None:
        """Publish a batch; on return its records are in Kafka, and committed if delivery is exactly once.

        Raises PublishUncertain when that is not sure, RecordRefused when the broker refused one for what it is;
        either way the producer must be opened anew.
        """
        if self._plain is None:
            self.commit(control, records)
            return
        with self._raising(self._doubt):
            self._raise_refusal(self._plain)
            self._send(self._plain, records)
            left = self._plain.flush(self._seconds + 1)
        if self._failed is not None:
            raise self._doubt(KafkaException(self._failed[0]))
        if left:
            raise PublishUncertain(f"shard {self._shard}: {left} records were not confirmed in time")

    def commit(self, control: ControlRecord, records: Iterable[Record] = ()) -> None:
        """One Kafka transaction: `records`, and the batch's control record. Raises as `publish()`."""
        if self._producer is None:
            raise PublishUncertain(f"shard {self._shard} has no producer")
        with self._raising(self._doubt):
            key = control_key(self._settings.relay.name)
            self._commit(self._producer, records, key, encode(control), self._seconds)

    def _commit(self, producer: Producer, records: Iterable[Record], key: bytes, value: bytes, seconds: float) -> None:
        self._raise_refusal(producer)
        producer.begin_transaction()
        self._send(producer, records)
        record = (self._settings.topics.control, value, key, self._shard)
        try:
            producer.produce(*record)
        except BufferError:
            self._produce_later(producer, *record)
        producer.flush(seconds)
        self._raise_trouble()
        failpoint("flushed")
        producer.commit_transaction(seconds)
        producer.poll(0)
        self._raise_trouble()

    def _discard(self) -> None:
        """Throw the producers away without waiting for anything."""
        for producer in (self._producer, self._plain):
            if producer is not None:
                producer.purge()
        self._producer = self._plain = self._failed = self._refusal = None
        self._watch = ConnectionWatch()

    def _find_last(self, producer: Producer) -> ControlRecord | None:
        arrival = arrival_value()
        with ControlPartition(self._settings, self._shard, self._note) as partition:
            bounds = partition.bounds()
            try:
                self._commit(producer, (), arrival_key(self._settings.relay.name), arrival, NETWORK_SECONDS)
            except PublishUncertain as error:  # no event was published that could be in doubt
                raise BrokerUnavailable(f"cannot start publishing to Kafka: {error}") from error
            failpoint("takeover_arrived")
            return partition.last_before(arrival, bounds)

    def _raise_refusal(self, producer: Producer) -> None:
        """Where a connection was lost while there was nothing to publish, and a login is refused since.

        A client that is made anew may have another, and nobody waits for time-outs until then.
        """
        producer.poll(0)
        if self._refusal is not None and refusal_hint(self._refusal) is not None:
            raise KafkaException(self._refusal)

    def _raise_trouble(self) -> None:
        if self._watch.trouble is not None:
            raise PublishUncertain(f"shard {self._shard}: a request may have been sent twice: {self._watch.trouble}")

    def _send(self, producer: Producer, records: Iterable[Record]) -> None:
        for sent, (topic, key, value, headers, timestamp_ms, _) in enumerate(records):
            try:  # names of parameters would cost a quarter more
                producer.produce(topic, value, key, -1, None, None, timestamp_ms, headers)
            except BufferError:
                self._produce_later(producer, topic, value, key, -1, None, None, timestamp_ms, headers)
            if sent % 1000 == 100:
                producer.poll(0)
                failpoint("produced_some")
        failpoint("produced")

    def _produce_later(self, producer: Producer, *record: Any) -> None:
        """The queue is full: once librdkafka has sent what it holds, there is room."""
        producer.flush(self._seconds)
        try:
            producer.produce(*record)
        except BufferError as error:
            raise PublishUncertain(f"shard {self._shard}: Kafka accepts no more records") from error

    def _refused(self, error: KafkaError, message: Message) -> None:
        if error.code() not in (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT):
            self._failed = self._failed or (error, message)

    def _note(self, error: KafkaError) -> None:
        """What a client tells in the background; without this, a fatal error ends a call with a SystemError."""
        is_login = error.code() == KafkaError._AUTHENTICATION  # also where no token could be had
        if is_login or error.code() in REFUSALS or refusal_hint(error) is not None:
            self._refusal = self._refusal or error

    def _unavailable(self, error: KafkaException) -> BrokerUnavailable:
        said = self._cause(error)
        cause = self._refusal or said
        hint = refusal_hint(cause)
        what = f"cannot start publishing shard {self._shard} to Kafka: {self._told(cause)}"
        if cause.code() == KafkaError.CONCURRENT_TRANSACTIONS:  # after NETWORK_SECONDS of trying
            hint = "It cannot while a partition in it has no leader or too few in-sync replicas"
            return BrokerRefuses(f"Kafka has not ended the last transaction of shard {self._shard}", hint=hint)
        if hint is not None or cause.code() in REFUSALS:
            return BrokerRefuses(what, hint=hint or RIGHTS)
        return BrokerRefuses(what, hint=TOPICS) if cause.code() in CONTROL_REFUSALS else BrokerUnavailable(what)

    def _told(self, cause: KafkaError) -> str:
        """What Kafka said, with the name of what it is about, which it does not say."""
        name = self._settings.relay.name
        about = {
            **dict.fromkeys(OF_THE_CONTROL_TOPIC, f"the control topic {self._settings.topics.control}"),
            KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: f"{name}-{self._shard}",
        }.get(cause.code())
        text = words(KafkaException(cause)).rstrip(".")
        return text if about is None else f"{text} ({about})"

    @contextlib.contextmanager
    def _raising(self, translate: Callable[[KafkaException], BridgeError]) -> Iterator[None]:
        try:
            yield
        except KafkaException as error:
            raise translate(error) from error
        except SystemError as error:  # how the binding tells a fatal error while it is in a call that knows of none
            if not isinstance(error.__cause__, KafkaException):
                raise
            raise translate(error.__cause__) from error

    def _cause(self, error: KafkaException) -> KafkaError:
        """Why a record failed, if one did; a transaction only says that one did."""
        if self._producer is not None:
            with contextlib.suppress(KafkaException):  # a fatal error is raised here again
                self._producer.poll(0)  # delivery reports that explain the failure
        return self._failed[0] if self._failed is not None else error.args[0]

    def _doubt(self, error: KafkaException) -> PublishUncertain | RecordRefused | BrokerRefuses:
        cause = self._cause(error)
        if self._failed is not None and cause.code() in RECORD_REFUSALS:
            return RecordRefused(f"Kafka refuses a record for topic {self._failed[1].topic()}: {cause.name()}")
        refusal = self._refusal or cause
        hint = refusal_hint(refusal)
        if hint is None and refusal.code() in REFUSALS and refusal.code() != KafkaError.TOPIC_AUTHORIZATION_FAILED:
            hint = RIGHTS  # of no topic's
        if hint is not None:
            return BrokerRefuses(f"shard {self._shard} may not publish: {self._told(refusal)}", hint=hint)
        in_doubt = ProducerFenced if cause.code() in FENCED else PublishUncertain
        return in_doubt(f"shard {self._shard}: a Kafka transaction is in doubt: {words(KafkaException(cause))}")
