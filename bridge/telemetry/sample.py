"""What the database says at one moment, as far as health rests on it; ages in seconds."""

from __future__ import annotations

from dataclasses import dataclass

MOST = 1000  # parked events that are looked at, of each shard and kind: what comes to so many may be more


@dataclass(frozen=True, slots=True)
class ShardSample:
    """One shard: who has it (`is_held`: the lease counts), and its oldest event that no settled batch has read."""

    shard: int
    owner: str | None
    is_held: bool
    stopped: str | None
    batch_no: int
    seq: int | None
    age_seconds: float | None


@dataclass(frozen=True, slots=True)
class ParkedSample:
    """Events of one shard that are parked for one topic, and still to be published; exact below MOST.

    `kind` is `waiting`, `due` or `replayed`; `place` grows as they are published.
    """

    shard: int
    topic: str
    kind: str
    is_behind_dead: bool
    events: int
    place: int
    age_seconds: float


@dataclass(frozen=True, slots=True)
class DeadSample:
    """Dead events that nobody has decided about, and those of them that later events wait for; exact below MOST."""

    events: int = 0
    blocking: int = 0
    age_seconds: float | None = None


NO_DEAD = DeadSample()


@dataclass(frozen=True, slots=True)
class StoppedTopic:
    """A topic that an event has stopped, and how many later events wait; exact below MOST."""

    topic: str
    event_id: str
    reason: str
    waiting: int


@dataclass(frozen=True, slots=True)
class JobSample:
    """A job of the keeper with which something is wrong; `is_late`: nobody has done it for long."""

    job: str
    is_late: bool
    failures: int
    detail: str | None


@dataclass(frozen=True, slots=True)
class Sample:
    """All of it."""

    shards: tuple[ShardSample, ...]
    parked: tuple[ParkedSample, ...] = ()
    dead: DeadSample = NO_DEAD
    stopped_topics: tuple[StoppedTopic, ...] = ()
    jobs: tuple[JobSample, ...] = ()
