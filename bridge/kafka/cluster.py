"""The brokers, as an administrator sees them: topics, their settings, their offsets."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclOperation,
    AdminClient,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
    TopicDescription,
)

from bridge.errors import BrokerUnavailable, ConfigError, TopicUnwritable
from bridge.kafka.client import client_properties, words
from bridge.kafka.properties import require_valid
from bridge.kafka.unreachable import Trouble, require_protected
from bridge.log_fields import about
from bridge.settings import Settings
from bridge.text import counted

logger = logging.getLogger(__name__)

Partition = tuple[str, int]  # topic and number

ANSWER_SECONDS = 6.0  # for all brokers together; one of them answers in milliseconds
REFUSAL_SECONDS = 2.0  # where every one of them refuses the connection
REQUEST_SECONDS = 10.0

UNSETTLED = (  # of a topic that was created just now, or whose leader moves
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
)


# What is wrong with one topic, and not with the cluster.
TOPIC_TROUBLE = (*UNSETTLED, KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.TOPIC_EXCEPTION)
PROBE_SECONDS = 3.0
TOPIC_KNOBS = ("max.message.bytes", "cleanup.policy", "retention.ms", "delete.retention.ms")


class TopicConfig(NamedTuple):
    """What is set for a topic: the largest record that it accepts; what becomes of old ones (-1: kept for ever), and of
    tombstones.
    """

    max_bytes: int
    cleanup_policy: str
    retention_ms: int
    tombstones_ms: int


class Cluster:
    """The brokers, as an administrator sees them. All methods raise BrokerUnavailable and ConfigError."""

    def __init__(self, settings: Settings) -> None:
        """Does not connect. Raises ConfigError for properties that librdkafka does not accept."""
        self._settings = settings
        self._trouble = Trouble(settings.kafka)
        properties = client_properties(settings)
        require_valid(settings)
        self._admin = AdminClient(properties | {"error_cb": self._trouble.note})

    def partition_counts(self) -> dict[str, int]:
        """All topics, and how many partitions each has."""
        begun = time.monotonic()
        while True:
            try:
                found = self._admin.list_topics(timeout=1)  # short, so that Ctrl-C is answered
                require_protected(self._settings.kafka, [str(broker.host) for broker in found.brokers.values()])
                return {name: len(topic.partitions) for name, topic in found.topics.items() if topic.error is None}
            except KafkaException as error:
                self._admin.poll(0)
                patience = REFUSAL_SECONDS if self._trouble.all_down else ANSWER_SECONDS
                if self._trouble.is_refusal or time.monotonic() - begun > patience:
                    raise self._trouble.explained(error) from error

    def reach(self) -> None:
        """Ask who the brokers are, and whether we may go to all of them: one that is connected may still not answer."""
        self._trouble.forget()
        try:
            found = self._admin.describe_cluster(request_timeout=PROBE_SECONDS).result()
        except KafkaException as error:
            self._admin.poll(0)  # what the client said in the background
            raise self._trouble.explained(error) from error
        require_protected(self._settings.kafka, [node.host for node in found.nodes])

    def create(self, missing: Mapping[str, int], configs: Mapping[str, dict[str, str]]) -> None:
        """Create topics with these numbers of partitions and configurations, if the settings allow it."""
        topics = self._settings.topics
        if not topics.create_missing:
            listed = ", ".join(f"{name} ({counted(count, 'partition')})" for name, count in missing.items())
            raise ConfigError(
                f"Kafka lacks {'a topic' if len(missing) == 1 else 'topics'} that bridge needs: {listed}",
                hint="Create them, grant DESCRIBE, or set topics.create_missing = true (BRIDGE_TOPICS_CREATE_MISSING)",
            )
        new = [
            NewTopic(name, count, topics.replication_factor, config=configs.get(name, {}))
            for name, count in missing.items()
        ]
        for name, future in self._admin.create_topics(new, request_timeout=REQUEST_SECONDS).items():
            try:
                future.result()
                what = about("topic-created", topic=name)
                logger.info("created topic %s with %s", name, counted(missing[name], "partition"), extra=what)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # another relay was faster
                    raise self._not_done(f"create topic {name}", error) from error

    def extend(self, topic: str, count: int, wanted: int) -> None:
        """Raise a topic's number of partitions from `count`, if the settings allow it."""
        if not self._settings.topics.create_missing:
            raise ConfigError(
                f"the topic {topic} has {counted(count, 'partition')}, and there are {counted(wanted, 'shard')}",
                hint=f"Give it {counted(wanted, 'partition')}, or set topics.create_missing = true",
            )
        changed = self._admin.create_partitions([NewPartitions(topic, wanted)], request_timeout=REQUEST_SECONDS)
        try:
            changed[topic].result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.INVALID_PARTITIONS:  # another relay was faster
                raise self._not_done(f"give {topic} {counted(wanted, 'partition')}", error) from error
        ends = time.monotonic() + ANSWER_SECONDS
        while self.partition_counts().get(topic, 0) < wanted and time.monotonic() < ends:
            self._admin.poll(0.05)
        logger.info("topic %s has %d partitions now", topic, wanted, extra=about("topic-extended", topic=topic))

    def topic_configs(self, names: Iterable[str]) -> dict[str, TopicConfig]:
        """What is set for each topic. One that was made just now may take brokers a moment to know."""
        ends = time.monotonic() + ANSWER_SECONDS
        configs: dict[str, TopicConfig] = {}
        while asked := [ConfigResource(ResourceType.TOPIC, name) for name in names if name not in configs]:
            for resource, future in self._admin.describe_configs(asked, request_timeout=REQUEST_SECONDS).items():
                try:
                    found = future.result()
                    max_bytes, policy, *kept = (found[knob].value for knob in TOPIC_KNOBS)
                    configs[resource.name] = TopicConfig(int(max_bytes), policy, *map(int, kept))
                except KafkaException as error:
                    if error.args[0].code() not in UNSETTLED or time.monotonic() > ends:
                        raise self._not_done(f"read the settings of topic {resource.name}", error) from error
                    self._admin.poll(0.05)
        return configs

    def unwritable(self, names: Collection[str]) -> dict[str, TopicUnwritable]:
        """Which of these topics nobody can write to now, or we may not, and why."""
        if not names:
            return {}
        asked = TopicCollection(sorted(names))
        found = self._admin.describe_topics(asked, include_authorized_operations=True, request_timeout=PROBE_SECONDS)
        reasons = {}
        for name, future in found.items():
            try:
                why = self._why_unwritable(future.result())
            except KafkaException as error:
                if error.args[0].code() not in TOPIC_TROUBLE:
                    raise self._not_done(f"describe topic {name}", error) from error
                why = words(error)
            if why is not None:
                reasons[name] = TopicUnwritable(f"Kafka takes no records for topic {name}: {why}")
        return reasons

    def beginnings(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """The first offset that each partition still has."""
        return self._offsets(partitions, OffsetSpec.earliest(), IsolationLevel.READ_UNCOMMITTED)  # type: ignore[no-untyped-call]

    def since(self, partitions: Iterable[Partition], time_ms: int) -> dict[Partition, int]:
        """The first offset of each partition whose record has this time or a later one; -1 where none has."""
        return self._offsets(partitions, OffsetSpec.for_timestamp(time_ms), IsolationLevel.READ_UNCOMMITTED)

    def ends(self, partitions: Iterable[Partition], *, committed: bool) -> dict[Partition, int]:
        """The offset after the last record of each partition.

        `committed`: only up to the first transaction that is still open, which is as far as read_committed reads.
        """
        isolation = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
        return self._offsets(partitions, OffsetSpec.latest(), isolation)  # type: ignore[no-untyped-call]

    def _offsets(self, partitions: Iterable[Partition], spec: Any, isolation: Any) -> dict[Partition, int]:
        asked = {TopicPartition(*partition): spec for partition in partitions}
        if not asked:
            return {}
        ends = time.monotonic() + ANSWER_SECONDS
        while True:
            found = self._admin.list_offsets(asked, isolation_level=isolation, request_timeout=REQUEST_SECONDS)
            try:
                return {(place.topic, place.partition): future.result().offset for place, future in found.items()}
            except KafkaException as error:
                if error.args[0].code() not in UNSETTLED or time.monotonic() > ends:
                    raise self._not_done("read the topics' offsets", error) from error
                self._admin.poll(0.05)

    def _why_unwritable(self, topic: TopicDescription) -> str | None:
        allowed = topic.authorized_operations
        if allowed is not None and AclOperation.WRITE not in allowed:
            return "we lack the right WRITE on it"
        for partition in topic.partitions:
            if partition.leader is None:
                return f"partition {partition.id} has no leader"
            if len(partition.isr) < len(partition.replicas):
                needed = self._config(topic.name, "min.insync.replicas")
                if len(partition.isr) < needed:
                    return f"partition {partition.id} has {len(partition.isr)} in-sync replicas, and needs {needed}"
        return None

    def _config(self, topic: str, name: str) -> int:
        asked = ConfigResource(ResourceType.TOPIC, topic)
        found = self._admin.describe_configs([asked], request_timeout=PROBE_SECONDS)[asked]
        return int(found.result()[name].value)

    def _not_done(self, what: str, error: KafkaException) -> ConfigError | BrokerUnavailable:
        cause = error.args[0]
        if cause.retriable() or cause.code() in (KafkaError._TIMED_OUT, KafkaError._TRANSPORT):
            return self._trouble.explained(error)
        hint = None
        if cause.code() == KafkaError.INVALID_REPLICATION_FACTOR:
            factor = self._settings.topics.replication_factor
            hint = f"topics.replication_factor is {factor}, and must be at most the number of brokers"
        return ConfigError(f"Kafka does not let us {what}: {words(error)}", hint=hint)
