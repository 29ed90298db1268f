"""Whether what is to be published gets less old, from sample to sample: measured, whatever the relay says of itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from bridge.telemetry.health import TopicState
from bridge.telemetry.sample import Sample


class Queue(NamedTuple):
    """Events that are published in order: those of a shard that are unread, or that are parked for one topic.

    For unread ones `topic` is None, and `kind` is `unread`.
    """

    shard: int
    topic: str | None
    kind: str


class Standing(NamedTuple):
    """The place of a queue's oldest event, and when it last moved, on a monotonic clock."""

    place: int
    since: float


Standings = Mapping[Queue, Standing]


def advanced(before: Standings, sample: Sample, now: float) -> dict[Queue, Standing]:
    """The queues of this sample. One that is new, or whose oldest event is a later one, has moved just now.

    An earlier one is no progress: what commits late, or is retried, comes before what did not move.
    """
    after = {}
    for queue, place in _places(sample):
        known = before.get(queue)
        after[queue] = Standing(place, now if known is None or place > known.place else known.since)
    return after


def topics_of(sample: Sample, standings: Standings, now: float) -> dict[tuple[str, int], TopicState]:
    """By topic and shard, what is parked for it, and for how long its oldest event has been the same."""
    topics: dict[tuple[str, int], TopicState] = {}
    for parked in sample.parked:
        key = parked.topic, parked.shard
        topic = topics.get(key, TopicState(*key))
        if parked.is_behind_dead:
            topics[key] = replace(topic, behind_dead=topic.behind_dead + parked.events)
            continue
        standing = standings.get(Queue(parked.shard, parked.topic, parked.kind))
        still = 0.0 if standing is None else now - standing.since
        topics[key] = replace(
            topic,
            waiting=topic.waiting + parked.events,
            oldest_seconds=max(topic.oldest_seconds or 0.0, parked.age_seconds),
            still_seconds=max(topic.still_seconds or 0.0, still),
        )
    return topics


def _places(sample: Sample) -> Iterator[tuple[Queue, int]]:
    for shard in sample.shards:
        if shard.seq is not None:
            yield Queue(shard.shard, None, "unread"), shard.seq
    for parked in sample.parked:
        if not parked.is_behind_dead:  # a person is to decide, and nothing is to move
            yield Queue(parked.shard, parked.topic, parked.kind), parked.place
