"""The topics that hold a subject's records: which Kafka clears at a tombstone, and when it clears the others."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bridge.encoding.headers import CE_ID, CE_SOURCE, CE_SPECVERSION, CE_TYPE, ce_source
from bridge.encoding.routing import Router
from bridge.errors import ConfigError
from bridge.event import CHANGED, Header
from bridge.kafka.cluster import Cluster, TopicConfig
from bridge.kafka.reader import unknown_topic
from bridge.kafka.tombstones import publish_tombstones
from bridge.kafka.topics import COMPACTED
from bridge.keeping.subject import Subject
from bridge.settings import Settings

ERASURE, ERASED_TYPE = "erasure", "bridge.erased"
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Topics:
    """`compacted` get a tombstone, `kept` do not; `remains` says of each what is in it for how long."""

    compacted: Sequence[str]
    kept: Sequence[str]
    remains: Sequence[str]


def find_topics(
    settings: Settings,
    subject: Subject,
    types: Collection[str],
    named: Collection[str],
    others: Sequence[str],
    *,
    shares_key: bool,
) -> Topics:
    """Those that routes name for these types, and those that a person names; the dead letters' where there are any.

    `others` are manifests of other clusters; with `shares_key` no topic gets a tombstone, which would remove the
    records of others. Raises ConfigError for a topic that does not exist, or is not for events; BrokerUnavailable.
    """
    if settings.topics.control in named:
        raise ConfigError(f"{settings.topics.control} is the control topic, and holds no events")
    router = Router(settings.routes)
    wanted = {CHANGED} if subject.entity_type else types
    routes = {name: router.find(name, subject.entity_type) for name in wanted}
    cluster = Cluster(settings)
    exist = cluster.partition_counts()
    for topic in named:
        if topic not in exist:
            raise unknown_topic(topic, exist)
    routed = {route.topic for route in routes.values() if route is not None}
    found = sorted((routed | set(named)) & exist.keys())
    letters = [settings.topics.dead_letters] if found and settings.topics.dead_letters in exist else []
    configs = cluster.topic_configs([*found, *letters])
    unrouted = sorted(name for name, route in routes.items() if route is None)
    compacted = [topic for topic in configs if COMPACTED in configs[topic].cleanup_policy and not shares_key]
    return Topics(
        compacted,
        [topic for topic in configs if topic not in compacted],
        [
            *(["records of it whose key others share: no tombstone was sent for those"] if shares_key else []),
            *(f"topic {topic}: {_until(config)}" for topic, config in configs.items()),
            *(f"events of type {name}: no route says in which topic; name it with --topic" for name in unrouted),
            *(f"cold files of another cluster or database, which were let be: {path}" for path in others),
        ],
    )


def publish(settings: Settings, topics: Topics, subject: Subject, erasure: str) -> dict[str, str]:
    """The tombstones; returns where each is. Their source is none of events, so `bridge verify` takes them for others.

    Raises BrokerUnavailable.
    """
    headers: list[Header] = [
        (CE_SPECVERSION, b"1.0"),
        (CE_TYPE, ERASED_TYPE.encode()),
        (CE_SOURCE, ce_source(settings.relay.name, ERASURE).encode()),
        (CE_ID, erasure.encode()),
    ]
    return publish_tombstones(settings, topics.compacted, subject.kafka_key.encode(), headers)


def _until(config: TopicConfig) -> str:
    if COMPACTED in config.cleanup_policy:
        return "its records until Kafka compacts it (min.cleanable.dirty.ratio, max.compaction.lag.ms)"
    if config.retention_ms < 0:
        return "its records for ever, for it is neither compacted nor has retention.ms: see kafka-delete-records.sh"
    return f"its records until they are older than retention.ms, {config.retention_ms / DAY_MS:g} days"
