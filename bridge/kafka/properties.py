"""The properties of each kind of Kafka client: what the protocol needs, what is only tuned; does librdkafka take them?

`RESERVED` (bridge/configuration/kafka_properties.py) names all that is set here but the tuning, which gives way to the
operator; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from confluent_kafka import Consumer, KafkaException
from confluent_kafka.admin import AdminClient

from bridge.configuration.kafka_properties import canonical
from bridge.encoding.limits import NO_LIMITS, TopicLimits
from bridge.errors import ConfigError
from bridge.kafka import connection_watch
from bridge.kafka.client import shared_properties, words
from bridge.settings import Settings

# A request that fails is tried again after 2 ms, not 100: a commit needs several, and took 50 ms instead of 4.
TUNING = {
    "compression.type": "lz4",
    "linger.ms": 5,
    "retry.backoff.ms": 2,
    "retry.backoff.max.ms": 200,
    "queue.buffering.max.messages": 1_000_000,
}
# Otherwise librdkafka waits half of the reconnect back-off between its first two connections, at each takeover.
CONNECT_AT_ONCE = {"enable.sparse.connections": False}
OIDC_URL = "sasl.oauthbearer.token.endpoint.url"
OIDC_SERVICE = "sasl.oauthbearer.metadata.authentication.type"  # of a cloud, which has a known URL


def producer_properties(settings: Settings, limits: TopicLimits) -> dict[str, Any]:
    """For a shard's producer."""
    return {
        **_tuning(settings),
        "partitioner": "murmur2_random",  # where Java's producers put the same key
        "enable.idempotence": True,
        "delivery.report.only.error": True,
        "allow.auto.create.topics": False,  # a topic that was deleted must not come back with other partitions
        "message.max.bytes": min(max(limits.largest, 1000), 1_000_000_000),  # what librdkafka takes
        "batch.size": max(min(limits.smallest, 1_000_000), 1),  # or small records are refused for their batch's size
        "message.timeout.ms": _timeout_ms(settings),
    }


def transactional_properties(settings: Settings, shard: int) -> dict[str, Any]:
    """Beyond those, for one that publishes in transactions."""
    return {
        "transactional.id": f"{settings.relay.name}-{shard}",
        "transaction.timeout.ms": _timeout_ms(settings),
        "socket.timeout.ms": max(_timeout_ms(settings) - 200, 500),
        **CONNECT_AT_ONCE,
        **connection_watch.PROPERTIES,
    }


def control_properties(settings: Settings) -> dict[str, Any]:
    """For the consumer that looks for a shard's last control record, and joins no group."""
    # From the leader: a follower that lags would show the arrival late.
    rack = {"client.rack": ""} if "client.rack" in settings.kafka.properties else {}
    return {**_reader(settings), **CONNECT_AT_ONCE, **rack}


def reader_properties(settings: Settings) -> dict[str, Any]:
    """For a consumer that reads topics, and joins no group."""
    size = {"queued.max.messages.kbytes": 32_768}
    return {
        **{name: value for name, value in size.items() if name not in settings.kafka.properties},
        **_reader(settings),
        "enable.partition.eof": True,
    }


def require_valid(settings: Settings) -> None:
    """Raise ConfigError for properties that librdkafka does not take. Reaches no broker."""
    for name, trouble in property_troubles(settings):
        raise ConfigError(f"the Kafka settings are wrong: {f'{name}: ' if name else ''}{trouble}")


def property_troubles(settings: Settings) -> Iterator[tuple[str, str]]:
    """Each property that librdkafka does not take, and why; without a name: why it takes not all of them together.

    Reaches no broker, because it is told of none.
    """
    wrong = False
    for name, value in settings.kafka.properties.items():
        if trouble := _trouble_alone(name, value):
            wrong = True
            yield name, trouble
    if not wrong and (trouble := _trouble_together(settings)):
        yield "", trouble


def _trouble_alone(name: str, value: str) -> str | None:
    """librdkafka takes one property after the other: where it complains of the second, it has taken the first."""
    second = "bridge.no.such.property"
    try:
        AdminClient({name: value, second: ""})
    except KafkaException as error:
        said = words(error)
        return None if second in said else said
    except (TypeError, ValueError, AttributeError):
        pass
    return "librdkafka's client does not take it"


def _trouble_together(settings: Settings) -> str | None:
    """Makes each kind of client that bridge uses; an AdminClient is a producer to librdkafka."""
    shared = shared_properties(settings)
    if {OIDC_URL, OIDC_SERVICE} & shared.keys():
        shared[OIDC_URL] = "file:///"  # or librdkafka would fetch a token at once; this it refuses without a visit
    producer = producer_properties(settings, NO_LIMITS)
    try:
        AdminClient(shared)
        AdminClient(shared | producer)
        AdminClient(shared | producer | transactional_properties(settings, 0))
        for consumer in (control_properties(settings), reader_properties(settings)):
            Consumer(shared | consumer).close()
    except KafkaException as error:
        return words(error).partition("client: ")[2] or words(error)
    return None


def _reader(settings: Settings) -> dict[str, Any]:
    return {
        "group.id": f"{settings.relay.name}.reader",  # librdkafka wants one; it is never joined
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",  # retention or compaction may overtake us
    }


def _tuning(settings: Settings) -> dict[str, Any]:
    """Without what the operator gives, nor the upper bound of a pause whose length he gives."""
    given = {canonical(name) for name in settings.kafka.properties}
    if "retry.backoff.ms" in given:
        given.add("retry.backoff.max.ms")
    return {name: value for name, value in TUNING.items() if name not in given}


def _timeout_ms(settings: Settings) -> int:
    return int(settings.relay.transaction_timeout_seconds * 1000)
