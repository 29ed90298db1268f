"""The topics that a bridge needs: that they exist, and how large a record they accept."""

from __future__ import annotations

import contextlib

from bridge.errors import ConfigError
from bridge.kafka.cluster import Cluster
from bridge.settings import Settings

COMPACTED = "compact"
# Only a shard's last control record counts: compaction removes the others, but in full segments only. 50 MB are the
# least that some hosted Kafkas let one ask for.
CONTROL_CONFIG = {"cleanup.policy": COMPACTED, "segment.bytes": str(50 << 20)}


def ensure_topics(settings: Settings, shard_count: int) -> dict[str, int]:
    """Make sure that every routed topic, the dead letters' and the control topic exist.

    The control topic has a partition for each of `shard_count` shards, and must be compacted. Returns the largest
    record in bytes by topic. Raises ConfigError naming what is missing if we may not create it, BrokerUnavailable if
    no broker answers.
    """
    cluster = Cluster(settings)
    topics = settings.topics
    wanted = _wanted(settings)
    found = cluster.partition_counts()
    missing = dict.fromkeys(sorted(wanted - found.keys()), topics.partitions)
    if topics.control in missing:
        missing[topics.control] = max(shard_count, 1)
    if missing:
        cluster.create(missing, {topics.control: CONTROL_CONFIG})
    if found.get(topics.control, shard_count) < shard_count:
        cluster.extend(topics.control, found[topics.control], shard_count)
    configs = cluster.topic_configs(sorted(wanted))
    if (policy := configs[topics.control].cleanup_policy) != COMPACTED:
        raise ConfigError(
            f"the control topic {topics.control} has cleanup.policy={policy}: Kafka would forget which batches were"
            " published",
            hint=f"kafka-configs.sh --alter --topic {topics.control} --add-config cleanup.policy={COMPACTED}",
        )
    return {name: config.max_bytes for name, config in configs.items()}


def topic_limits(settings: Settings) -> dict[str, int]:
    """The largest record in bytes of each topic that exists and we may ask about; the others are held by themselves.

    Raises BrokerUnavailable.
    """
    cluster = Cluster(settings)
    limits: dict[str, int] = {}
    for name in sorted(_wanted(settings) & cluster.partition_counts().keys()):
        with contextlib.suppress(ConfigError):
            limits |= {name: config.max_bytes for name, config in cluster.topic_configs([name]).items()}
    return limits


def _wanted(settings: Settings) -> set[str]:
    return {route.topic for route in settings.routes} | {settings.topics.dead_letters, settings.topics.control}
