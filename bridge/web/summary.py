"""What the page shows, as one JSON document; made once for each look, however many browsers ask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bridge.admin.overview import Overview
from bridge.admin.pace import ALL, Pace, thinned
from bridge.admin.reasons import all_reasons
from bridge.admin.status import ShardStatus

POINTS = 120  # of a graph; a small one has
FEW_POINTS = 60
MOST_TOPICS = 200
MOST_SHARDS = 64


def summary(seen: Overview, pace: Pace) -> dict[str, Any]:
    """JSON-ready; rates in events a second (None: not known by one look), times of waiting in seconds."""
    status = seen.status
    return {
        "at": seen.at.isoformat(),
        "verdict": seen.verdict,
        "reasons": list(all_reasons(status)),
        "relays": len(seen.relays),
        "rate": pace.rate(ALL),
        "rates": thinned(pace.rates(ALL), POINTS),
        "published": seen.published,
        "pending": seen.pending,
        "is_more": seen.is_more,
        "pendings": thinned(pace.pending, POINTS),
        "oldest_seconds": seen.oldest_seconds,
        "latency": None if seen.latency is None else seen.latency._asdict(),
        "dead": status.undecided_dead,
        "blocking": status.blocking,
        "topics": list(_topics(seen, pace)),
        "shards": [_shard(shard, pace) for shard in status.shards[:MOST_SHARDS]],
        "groups": [group._asdict() for group in seen.dead],
        "jobs": [
            {
                "job": job.job,
                "enabled": job.enabled,
                "started_at": job.started_at,
                "due_at": job.due_at,
                "outcome": job.outcome,
                "detail": job.detail,
                "fails": job.fails,
                "is_late": job.is_late,
            }
            for job in status.keeping.jobs
        ],
    }


def _topics(seen: Overview, pace: Pace) -> Iterator[dict[str, Any]]:
    parked = {counts.topic: counts for counts in seen.topics}
    held = seen.held
    names: Sequence[str] = sorted(
        parked.keys() | held.keys() | pace.topics(),
        key=lambda name: (name not in held, -(pace.rate("topic", name) or 0), name),
    )
    for name in names[:MOST_TOPICS]:
        counts = parked.get(name)
        yield {
            "topic": name,
            "rate": pace.rate("topic", name),
            "rates": thinned(pace.rates("topic", name), FEW_POINTS),
            "waiting": counts.waiting if counts else 0,
            "dead": counts.dead if counts else 0,
            "held": held.get(name),
        }


def _shard(shard: ShardStatus, pace: Pace) -> dict[str, Any]:
    name = str(shard.shard)
    return {
        "shard": name,
        "owner": shard.owner,
        "lease": shard.lease,
        "is_stopped": shard.stopped is not None,
        "rate": pace.rate("shard", name),
        "rates": thinned(pace.rates("shard", name), FEW_POINTS),
        "pending": shard.pending,
        "oldest_seconds": None if shard.oldest_age_seconds is None else max(shard.oldest_age_seconds, 0.0),
    }
