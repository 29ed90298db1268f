"""The topics that a bridge needs: that they exist, and how large a record they accept."""

from __future__ import annotations

from bridge.kafka.cluster import Cluster
from bridge.settings import Settings


def ensure_topics(settings: Settings, shard_count: int) -> dict[str, int]:
    """Make sure that every routed topic, the dead letters' and the control topic exist.

    The control topic has a partition for each of `shard_count` shards. Returns the largest record in bytes by topic.
    Raises ConfigError naming what is missing if we may not create it, BrokerUnavailable if no broker answers.
    """
    cluster = Cluster(settings)
    topics = settings.topics
    wanted = {route.topic for route in settings.routes} | {topics.dead_letters, topics.control}
    found = cluster.partition_counts()
    missing = dict.fromkeys(sorted(wanted - found.keys()), topics.partitions)
    if topics.control in missing:
        missing[topics.control] = max(shard_count, 1)
    if missing:
        cluster.create(missing)
    if found.get(topics.control, shard_count) < shard_count:
        cluster.extend(topics.control, found[topics.control], shard_count)
    return cluster.max_bytes(sorted(wanted))
