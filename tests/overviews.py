"""Looks at a bridge that never was, for what shows them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bridge.admin.dead import Group
from bridge.admin.keeping import JobStatus, Keeping
from bridge.admin.overview import Overview, Running, TopicCounts
from bridge.admin.status import ShardStatus, SourceStatus, Status, Wait

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def shard(number: int = 0, published: int = 0, **more: Any) -> ShardStatus:
    """A shard with a lease, and nothing pending."""
    given: dict[str, Any] = {
        "shard": number,
        "owner": "host:1:abc",
        "lease_until": NOON,
        "lease_seconds": 9.0,
        "generation": 1,
        "batch_no": 1,
        "published": published,
        "stopped": None,
        "pending": 0,
        "behind_dead": 0,
        "oldest_at": None,
        "oldest_age_seconds": None,
    }
    return ShardStatus(**given | more)


def job(name: str) -> JobStatus:
    """One that went well."""
    return JobStatus(name, True, NOON, NOON, NOON, "ok", None, 0, NOON, None, False)


def wait(**more: Any) -> Wait:
    """A shard that holds a topic."""
    given: dict[str, Any] = {
        "shard": 0,
        "topic": "t",
        "kind": "topic",
        "reason": "is missing",
        "since": NOON,
        "count": 1,
    }
    return Wait(**given | more)


def overview(
    seconds: float = 0,
    *,
    shards: tuple[ShardStatus, ...] = (shard(),),
    relays: Mapping[str, Mapping[str, Any]] | None = None,
    **more: Any,
) -> Overview:
    """A look, `seconds` after noon; `relays` by id, with the work that they told `reported` seconds after."""
    at = NOON + timedelta(seconds=seconds)
    reported_at = NOON + timedelta(seconds=more.pop("reported", seconds))
    status: dict[str, Any] = {
        "relays": 1,
        "shards": shards,
        "sources": (SourceStatus("event_queue", sum(one.published for one in shards), 0, 0),),
        "waits": (),
        "undecided_dead": 0,
        "blocking": 0,
        "stopped_topics": (),
        "tracking": (),
        "keeping": Keeping((job("partitions"), job("retention"))),
    }
    topics: tuple[TopicCounts, ...] = more.pop("topics", ())
    dead: tuple[Group, ...] = more.pop("dead", ())
    running = tuple(Running(name, "host", 1, NOON, reported_at, work) for name, work in (relays or {}).items())
    return Overview(at, Status(**status | more), running, topics, dead)
