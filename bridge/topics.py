"""Topics: that they exist, and how large a record they accept. Also the properties that all Kafka clients share."""

from __future__ import annotations

import logging
import time
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from bridge.errors import BrokerUnavailable, ConfigError
from bridge.settings import Settings

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 6.0  # for all brokers together; one of them answers in milliseconds
REQUEST_SECONDS = 10.0

# These make librdkafka load a library or run a command, so a configuration file must not be able to set them.
REFUSED_PROPERTIES = ("plugin.library.paths", "ssl.engine.location", "sasl.kerberos.kinit.cmd")


def _quietly(record: logging.LogRecord) -> bool:
    record.levelno, record.levelname = logging.DEBUG, "DEBUG"
    return librdkafka.isEnabledFor(logging.DEBUG)


# librdkafka says every few milliseconds that a broker is away; we say it once, in our own words.
librdkafka = logging.getLogger("bridge.librdkafka")
librdkafka.addFilter(_quietly)


def client_properties(settings: Settings) -> dict[str, Any]:
    """What every Kafka client of bridge is made with.

    Raises ConfigError when no server is given, or a property is refused.
    """
    kafka = settings.kafka
    if not kafka.bootstrap_servers:
        raise ConfigError(
            "no Kafka is given",
            hint="Set BRIDGE_KAFKA_BOOTSTRAP_SERVERS, or kafka.bootstrap_servers in the configuration",
        )
    for name in REFUSED_PROPERTIES:
        if name in kafka.properties:
            raise ConfigError(f"kafka.properties must not set {name!r}: it makes librdkafka run code of its own")
    return {
        "client.id": settings.relay.name,
        **kafka.properties,
        "bootstrap.servers": kafka.bootstrap_servers,
        "logger": librdkafka,
    }


def ensure_topics(settings: Settings, shard_count: int) -> dict[str, int]:
    """Make sure that every routed topic, the dead letters' and the control topic exist, and how large records may be.

    The control topic has a partition for each of `shard_count` shards. Returns max.message.bytes by topic.
    Raises ConfigError naming what is missing if we may not create it, BrokerUnavailable if no broker answers.
    """
    admin = AdminClient(client_properties(settings))
    control = settings.topics.control
    wanted = {route.topic for route in settings.routes} | {settings.topics.dead_letters, control}
    found = partition_counts(admin, settings)
    missing = sorted(wanted - found.keys())
    if missing:
        _create(admin, settings, missing, shard_count)
    if control in found and found[control] < shard_count:
        _extend(admin, settings, found[control], shard_count)
    return _max_bytes(admin, settings, sorted(wanted))


def partition_counts(admin: AdminClient, settings: Settings) -> dict[str, int]:
    """All topics of the cluster, and how many partitions each has. Raises BrokerUnavailable."""
    ends = time.monotonic() + ANSWER_SECONDS
    while True:
        try:
            topics = admin.list_topics(timeout=1).topics  # short, so that Ctrl-C is answered
            return {name: len(topic.partitions) for name, topic in topics.items() if topic.error is None}
        except KafkaException as error:
            if time.monotonic() > ends:
                raise unreachable(error, settings) from error


def unreachable(error: KafkaException, settings: Settings) -> BrokerUnavailable:
    """Say in one line that Kafka did not answer, and which servers were tried."""
    return BrokerUnavailable(
        f"no Kafka broker answers at {settings.kafka.bootstrap_servers}: {words(error)}",
        hint="Check BRIDGE_KAFKA_BOOTSTRAP_SERVERS, kafka.properties and that the broker runs",
    )


def words(error: KafkaException) -> str:
    """librdkafka's words, or its code's name where it has none."""
    cause = error.args[0]
    return cause.str() or cause.name() if isinstance(cause, KafkaError) else str(cause)


def _create(admin: AdminClient, settings: Settings, missing: list[str], shard_count: int) -> None:
    topics = settings.topics
    partitions = {name: shard_count if name == topics.control else topics.partitions for name in missing}
    if not topics.create_missing:
        listed = ", ".join(f"{name} ({count} partitions)" for name, count in partitions.items())
        raise ConfigError(
            f"Kafka lacks {'a topic' if len(missing) == 1 else 'topics'} that bridge needs: {listed}",
            hint="Create them, or set topics.create_missing = true (BRIDGE_TOPICS_CREATE_MISSING=true)",
        )
    new = [
        NewTopic(name, num_partitions=max(count, 1), replication_factor=topics.replication_factor)
        for name, count in partitions.items()
    ]
    for name, future in admin.create_topics(new, request_timeout=REQUEST_SECONDS).items():
        try:
            future.result()
            logger.info("created topic %s with %d partitions", name, partitions[name])
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # another relay was faster
                raise _not_done(f"create topic {name}", error, settings) from error


def _extend(admin: AdminClient, settings: Settings, count: int, shard_count: int) -> None:
    control = settings.topics.control
    if not settings.topics.create_missing:
        raise ConfigError(
            f"the topic {control} has {count} partitions, and there are {shard_count} shards",
            hint=f"Give it {shard_count} partitions, or set topics.create_missing = true",
        )
    change = admin.create_partitions([NewPartitions(control, shard_count)], request_timeout=REQUEST_SECONDS)
    try:
        change[control].result()
    except KafkaException as error:
        if partition_counts(admin, settings)[control] < shard_count:  # not if another relay was faster
            raise _not_done(f"give {control} {shard_count} partitions", error, settings) from error


def _max_bytes(admin: AdminClient, settings: Settings, names: list[str]) -> dict[str, int]:
    asked = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    sizes = {}
    for resource, future in admin.describe_configs(asked, request_timeout=REQUEST_SECONDS).items():
        try:
            sizes[resource.name] = int(future.result()["max.message.bytes"].value)
        except KafkaException as error:
            raise _not_done(f"read the settings of topic {resource.name}", error, settings) from error
    return sizes


def _not_done(what: str, error: KafkaException, settings: Settings) -> ConfigError | BrokerUnavailable:
    cause = error.args[0]
    if cause.retriable() or cause.code() in (KafkaError._TIMED_OUT, KafkaError._TRANSPORT):
        return unreachable(error, settings)
    return ConfigError(f"Kafka does not let us {what}: {words(error)}")
