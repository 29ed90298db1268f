"""What health says of a relay, from what is known of it at one moment: values, and pure decisions.

Nothing here believes what a relay says of itself where it can be measured: whoever has something to publish, and does
not get on with it for longer than a bound, fails, whatever the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from bridge.telemetry.activity import POSTGRES
from bridge.telemetry.sample import MOST, NO_DEAD, DeadSample, JobSample, StoppedTopic
from bridge.text import counted

STILL_LEASES = 3  # so long something may stand still before that is a failure: a takeover takes more than one


class Verdict(StrEnum):
    """The worst counts."""

    OK = "ok"  # what there is gets published
    WAITING = "waiting"  # something waits, and it is known for what; the relay goes on by itself, or a person decides
    FAILING = "failing"  # something is not published that should be, or only a person can help


class Finding(NamedTuple):
    """One thing that is not as it should be."""

    verdict: Verdict
    text: str


@dataclass(frozen=True, slots=True)
class ServerState:
    """Whether a server answers; None: it was not asked yet. `seconds`: for how long it has not."""

    server: str
    reached: bool | None
    why: str | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Something that waits in this process, as `bridge status` shows it; `is_stuck`: it is not expected to get on."""

    kind: str
    shard: int | None
    topic: str | None
    reason: str
    since: str
    seconds: float
    count: int
    is_stuck: bool = False


@dataclass(frozen=True, slots=True)
class ShardState:
    """One shard. `oldest_seconds`: the age of the oldest event that is to be published; None: there is none.

    `still_seconds`: for how long that has been the same event. `activity`: what its thread here does, and how long.
    """

    shard: int
    owner: str | None
    is_ours: bool
    is_held: bool
    stopped: str | None = None
    activity: str | None = None
    waits_for: str | None = None
    activity_seconds: float | None = None
    oldest_seconds: float | None = None
    still_seconds: float | None = None

    @property
    def is_elsewhere(self) -> bool:
        """Whether another relay looks after it."""
        return self.is_held and not self.is_ours


@dataclass(frozen=True, slots=True)
class TopicState:
    """One topic for which one shard has parked events: those `waiting`, and those that wait until a person decides.

    `still_seconds`: for how long the oldest that waits has been the same. Numbers are exact below MOST.
    """

    topic: str
    shard: int
    waiting: int = 0
    behind_dead: int = 0
    oldest_seconds: float | None = None
    still_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class RelayState:
    """All that is known of one relay. `sampled_seconds`: how old that is that the database knows.

    `renewed_seconds`: when it last renewed its leases; None: it has not begun to. `hangs`: threads that do not turn.
    """

    relay: str
    phase: str  # "starting", "running" or "ending"
    renewed_seconds: float | None
    sampled_seconds: float | None
    hangs: tuple[str, ...] = ()
    servers: tuple[ServerState, ...] = ()
    shards: tuple[ShardState, ...] = ()
    topics: tuple[TopicState, ...] = ()
    waits: tuple[Wait, ...] = ()
    dead: DeadSample = NO_DEAD
    stopped_topics: tuple[StoppedTopic, ...] = ()
    keeper: tuple[JobSample, ...] = ()
    notes: tuple[str, ...] = ()  # what else a person should see to


def verdict(findings: Iterable[Finding]) -> Verdict:
    """The worst of them."""
    return max((finding.verdict for finding in findings), key=list(Verdict).index, default=Verdict.OK)


def findings(relay: RelayState, bound: float) -> list[Finding]:
    """All that is not as it should be, the worst first; `bound`: seconds that something may stand still."""
    found = [*_failures(relay, bound), *_waits(relay, bound)]
    return sorted(found, key=lambda finding: finding.verdict is not Verdict.FAILING)


def not_ready(relay: RelayState, lease_seconds: float) -> list[str]:
    """Why it is not ready to carry events; nothing for one that stands by because others hold all shards."""
    if relay.phase != "running":
        return [f"it is {relay.phase}", *(_away(server) for server in relay.servers if server.reached is False)]
    found = [
        _away(server) if server.reached is False else f"{server.server} was not asked yet"
        for server in relay.servers
        if not server.reached
    ]
    found += [_of(wait) for wait in relay.waits if wait.kind in ("server", "refusal") and wait.topic is None]
    if relay.renewed_seconds is None or relay.renewed_seconds > lease_seconds:
        found.append("its leases were not renewed in time")
    free = [shard.shard for shard in relay.shards if not shard.is_held and shard.stopped is None]
    if free and not any(shard.is_ours for shard in relay.shards):
        found.append(f"it holds no shard, although {_named(free)} free")
    return found


def _failures(relay: RelayState, bound: float) -> Iterator[Finding]:
    for hang in relay.hangs:
        yield Finding(Verdict.FAILING, hang)
    if relay.sampled_seconds is None or relay.sampled_seconds > bound:
        postgres = next((server for server in relay.servers if server.server == POSTGRES), None)
        why = "" if postgres is None or postgres.reached else f": {_away(postgres)}"
        if relay.sampled_seconds is not None or (postgres is not None and (postgres.seconds or 0) > bound):
            yield Finding(Verdict.FAILING, f"nobody can tell whether events are published{why}")
    for shard in relay.shards:
        if shard.stopped is not None:
            yield Finding(Verdict.FAILING, f"{shard.stopped}. See bridge recover --dry-run")
        elif not shard.is_elsewhere and (shard.still_seconds or 0) > bound:
            yield Finding(Verdict.FAILING, _stands_still(shard))
    elsewhere = {shard.shard for shard in relay.shards if shard.is_elsewhere}
    for topic in relay.topics:
        if topic.shard not in elsewhere and (topic.still_seconds or 0) > bound:
            yield Finding(Verdict.FAILING, _is_not_published(topic, relay.waits))
    for stopped in relay.stopped_topics:
        if stopped.waiting:
            text = f"topic {stopped.topic} is stopped by event {stopped.event_id}, {_count(stopped.waiting, 'wait')}"
            yield Finding(Verdict.FAILING, f"{text}: {stopped.reason}")
    for wait in relay.waits:
        if wait.is_stuck or (wait.kind == "refusal" and wait.seconds > bound):
            yield Finding(Verdict.FAILING, _of(wait))


def _waits(relay: RelayState, bound: float) -> Iterator[Finding]:
    if relay.phase != "running":
        yield Finding(Verdict.WAITING, f"it is {relay.phase}")
    for server in relay.servers:
        if server.reached is False:
            yield Finding(Verdict.WAITING, _away(server))
    for wait in relay.waits:
        if not wait.is_stuck and not (wait.kind == "refusal" and wait.seconds > bound):
            yield Finding(Verdict.WAITING, _of(wait))
    free = [shard.shard for shard in relay.shards if not shard.is_held and shard.stopped is None]
    if free and relay.phase == "running":
        yield Finding(Verdict.WAITING, f"{_named(free)} free")
    if relay.dead.blocking:
        behind = sum(topic.behind_dead for topic in relay.topics)
        dead, later = counted(relay.dead.blocking, "dead event", "hold"), counted(behind, "later event", "wait")
        yield Finding(Verdict.WAITING, f"{dead} back what comes later, {later}. See bridge dead list")
    for job in relay.keeper:
        why = "nobody has done it for long" if job.is_late else f"it failed {job.failures} times: {job.detail or ''}"
        yield Finding(Verdict.WAITING, f"keeper's job {job.job}: {why}")
    for note in relay.notes:
        yield Finding(Verdict.WAITING, note)


def _stands_still(shard: ShardState) -> str:
    who = "nobody holds it" if not shard.is_ours else f"its thread {shard.activity or 'is not there'}"
    if shard.activity_seconds is not None:
        who += f" for {shard.activity_seconds:.0f} s"
    return (
        f"shard {shard.shard} does not get on: its oldest event has been the same for {shard.still_seconds or 0:.0f} s"
        f" ({shard.oldest_seconds or 0:.0f} s old); {who}"
    )


def _is_not_published(topic: TopicState, waits: Iterable[Wait]) -> str:
    why = next((f": {wait.reason}" for wait in waits if wait.topic == topic.topic), "")
    return (
        f"topic {topic.topic}: the oldest of {_count(topic.waiting)} has waited {topic.oldest_seconds or 0:.0f} s, and"
        f" nothing was published for {topic.still_seconds or 0:.0f} s{why}"
    )


def _of(wait: Wait) -> str:
    whole = {"server": "it waits for a server: ", "refusal": "a server refuses what it asks: "}.get(wait.kind, "")
    about = f"topic {wait.topic}: " if wait.topic else f"shard {wait.shard}: " if wait.shard is not None else whole
    often = f" ({wait.count} times)" if wait.count > 1 else ""
    return f"{about}{wait.reason}{often}"


def _away(server: ServerState) -> str:
    return f"{server.server} has not been reached for {server.seconds or 0:.0f} s: {server.why or 'it does not answer'}"


def _count(events: int, verb: str = "") -> str:
    return counted(events, "event", verb) if events < MOST else f"{events:,} events or more {verb}".rstrip()


def _named(shards: list[int]) -> str:
    return f"shard {shards[0]} is" if len(shards) == 1 else f"shards {', '.join(map(str, shards))} are"
