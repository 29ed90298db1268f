"""What the brokers say of themselves and of topics, asked without any effect, for `bridge doctor`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined]

from bridge.kafka.client import client_properties, words
from bridge.kafka.cluster import Cluster
from bridge.settings import Settings

SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Brokers:
    """The cluster; `config` is one broker's settings, None where they may not be asked for: `trouble` says why."""

    cluster_id: str
    addresses: Mapping[int, tuple[str, int]]
    config: Mapping[str, str] | None
    trouble: str | None


@dataclass(frozen=True, slots=True)
class TopicState:
    """One topic; `allowed` are operations that we have a right to (None: the cluster does not tell).

    `replicas` and `in_sync` are the fewest of any partition, `leaderless` the partitions without a leader. `config` is
    None where it may not be asked for. `trouble`: why nothing is known; `is_missing`: because there is no such topic.
    """

    name: str
    partitions: int = 0
    replicas: int = 0
    in_sync: int = 0
    leaderless: tuple[int, ...] = ()
    allowed: frozenset[str] | None = None
    config: Mapping[str, str] | None = None
    trouble: str | None = None
    is_missing: bool = False


class Inspection:
    """Raises BrokerUnavailable where nobody answers, ConfigError for properties that librdkafka does not take."""

    def __init__(self, settings: Settings) -> None:
        Cluster(settings).partition_counts()
        self._admin = AdminClient(client_properties(settings))

    def brokers(self) -> Brokers:
        """All of them."""
        found = self._admin.describe_cluster(request_timeout=SECONDS).result()
        addresses = {node.id: (node.host, node.port) for node in found.nodes}
        one = str(min(addresses))
        try:
            config = self._configs([ConfigResource(ResourceType.BROKER, one)])[one]
        except KafkaException as error:
            return Brokers(found.cluster_id, addresses, None, words(error))
        return Brokers(found.cluster_id, addresses, config, None)

    def topics(self, names: Collection[str]) -> list[TopicState]:
        """Each of these, in order."""
        if not names:
            return []
        asked = TopicCollection(sorted(names))
        found = self._admin.describe_topics(asked, include_authorized_operations=True, request_timeout=SECONDS)
        return [self._topic(name, future) for name, future in found.items()]

    def _topic(self, name: str, future: Any) -> TopicState:
        try:
            topic = future.result()
        except KafkaException as error:
            missing = error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART
            return TopicState(name, trouble=words(error), is_missing=missing)
        allowed = topic.authorized_operations
        try:
            config = self._configs([ConfigResource(ResourceType.TOPIC, name)])[name]
        except KafkaException:  # told by `allowed`
            config = None
        return TopicState(
            name,
            len(topic.partitions),
            min((len(one.replicas) for one in topic.partitions), default=0),
            min((len(one.isr) for one in topic.partitions), default=0),
            tuple(one.id for one in topic.partitions if one.leader is None),
            None if allowed is None else frozenset(operation.name for operation in allowed),
            config,
        )

    def _configs(self, asked: list[ConfigResource]) -> dict[str, dict[str, str]]:
        found = self._admin.describe_configs(asked, request_timeout=SECONDS)
        return {
            resource.name: {name: entry.value for name, entry in future.result().items()}
            for resource, future in found.items()
        }
