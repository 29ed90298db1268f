"""What a relay knows of itself and its servers, gathered for health (`telemetry/health.py`) whenever somebody asks.

Whoever asks waits for no server: the database, Kafka and the registry are asked by probes, in threads of their own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from bridge.relay.carriers import Carriers
from bridge.relay.health import Health
from bridge.relay.outages import Outages
from bridge.relay.reach import KafkaReach, RegistryReach, server
from bridge.relay.stills import Stills
from bridge.relay.waits import waits
from bridge.settings import Encoding, Settings
from bridge.telemetry.activity import KAFKA, POSTGRES, REGISTRY, Activities, Activity
from bridge.telemetry.health import STILL_LEASES, RelayState, ShardState, TopicState, Wait
from bridge.telemetry.probe import Probe
from bridge.telemetry.progress import Queue, Standings, advanced, topics_of
from bridge.telemetry.sample import Sample, ShardSample
from bridge.telemetry.sampling import Sampler

HANG_LEASES = 12  # so long a thread may do its own work without coming back; encoding a huge batch takes seconds
SAMPLE_SECONDS = 3.0  # between two looks at the database, or a third of a lease, if that is less
REACH_SECONDS = 5.0  # between two looks whether Kafka and the registry answer
STARTING, RUNNING, ENDING = "starting", "running", "ending"


class Vitals:
    """Filled by the relay's loop, its shards' threads and the probes; `relay()` may be called by any thread."""

    def __init__(
        self, settings: Settings, relay_id: str, outages: Outages, notes: Callable[[], list[str]], *, is_asked: bool
    ) -> None:
        """`notes`: what else a person should see to. Where nobody asks, `stills` are all that is found out."""
        self.activities = Activities()
        self.bound = STILL_LEASES * settings.relay.lease_seconds
        self.lease_seconds = settings.relay.lease_seconds
        self._settings = settings
        self._relay_id = relay_id
        self._outages = outages
        self._notes = notes
        self._loop: int | None = None  # the loop's thread
        self._phase = STARTING
        self._carriers: Carriers | None = None
        self._health: Health | None = None
        self._renewed_at: float | None = None
        self._standings: Standings = {}
        self.stills = Stills(settings)
        seconds = min(SAMPLE_SECONDS, settings.relay.lease_seconds / 3)
        self._database = Probe(POSTGRES, seconds, Sampler(settings), self.activities, self._sampled)
        self._probes: list[Probe[Sample] | Probe[None]] = [self._database]
        if not is_asked:
            return
        self._probes.append(Probe(KAFKA, REACH_SECONDS, KafkaReach(settings), self.activities))
        if any(route.encoding is Encoding.AVRO for route in settings.routes):
            self._probes.append(Probe(REGISTRY, REACH_SECONDS, RegistryReach(settings), self.activities))

    def start(self) -> None:
        """Begin to ask the servers; the calling thread is the relay's loop."""
        self._loop = threading.get_ident()
        self.activities.works("starts")
        for probe in self._probes:
            probe.start()

    def runs(self, carriers: Carriers, health: Health) -> None:
        """The relay has all it needs, and begins."""
        self._carriers, self._health, self._phase = carriers, health, RUNNING

    def renewed(self) -> None:
        """Leases were renewed just now."""
        self._renewed_at = self.activities.now()

    def ends(self) -> None:
        """The relay begins to end."""
        self._phase = ENDING

    def close(self) -> None:
        """Ask nobody any more."""
        for probe in self._probes:
            probe.end()

    def relay(self) -> RelayState:
        """All of it, now."""
        now, last = self.activities.now(), self._database.last
        return self._relay(last.answer or Sample(()), _since(last.answered_at, now), now)

    def _relay(self, sample: Sample, sampled: float | None, now: float) -> RelayState:
        standings = self._standings
        known = self._waits()
        topics = topics_of(sample, standings, now)
        held = {(wait.topic, wait.shard) for wait in known if wait.topic is not None and wait.shard is not None}
        for topic, shard in sorted(held - topics.keys()):
            topics[topic, shard] = TopicState(topic, shard)
        return RelayState(
            relay=self._relay_id,
            phase=self._phase,
            renewed_seconds=_since(self._renewed_at, now),
            sampled_seconds=sampled,
            hangs=tuple(self._hangs(now)),
            servers=tuple(server(probe.name, probe.last, now) for probe in self._probes),
            shards=tuple(self._shard(shard, standings, now, sampled or 0.0) for shard in sample.shards),
            topics=tuple(topics[key] for key in sorted(topics)),
            waits=tuple(known),
            dead=sample.dead,
            stopped_topics=sample.stopped_topics,
            keeper=sample.jobs,
            notes=tuple(self._notes()),
        )

    def hangs(self) -> list[str]:
        """The threads that do not turn any more; asks nobody, and reads nothing that anybody else could hold."""
        return self._hangs(self.activities.now())

    def _sampled(self, sample: Sample) -> None:
        now = self.activities.now()
        self._standings = advanced(self._standings, sample, now)
        self.stills.look(self._relay(sample, 0.0, now), now)

    def _hangs(self, now: float) -> list[str]:
        threads: list[tuple[str, int | None]] = [("the relay's loop", self._loop)]
        if self._carriers is not None and self._phase == RUNNING:
            threads += [(f"the thread of shard {shard}", ident) for shard, ident in self._carriers.threads()]
        bound = HANG_LEASES * self.lease_seconds
        return [
            f"{name} has not turned for {now - activity.since:.0f} s: it {activity.what}"
            for name, ident in threads
            if (activity := self.activities.of(ident)) and not activity.is_wait and now - activity.since > bound
        ]

    def _shard(self, sample: ShardSample, standings: Standings, now: float, old: float) -> ShardState:
        thread = dict(self._carriers.threads()).get(sample.shard) if self._carriers is not None else None
        activity: Activity | None = self.activities.of(thread)
        standing = standings.get(Queue(sample.shard, None, "unread"))
        shard = ShardState(
            shard=sample.shard,
            owner=sample.owner,
            is_ours=sample.owner == self._relay_id,
            is_held=sample.is_held,
            stopped=sample.stopped,
            oldest_seconds=None if sample.age_seconds is None else max(sample.age_seconds + old, 0.0),
            still_seconds=_since(standing.since if standing else None, now),
        )
        if activity is None:
            return shard
        seconds = now - activity.since
        return replace(shard, activity=activity.what, waits_for=activity.server, activity_seconds=seconds)

    def _waits(self) -> list[Wait]:
        healths = {} if self._carriers is None else dict(self._carriers.healths)
        stuck: Mapping[int | None, bool] = {shard: health.is_stuck for shard, health in healths.items()}
        if self._health is not None:
            stuck = {**stuck, None: self._health.is_stuck}
        now = datetime.now(UTC)
        return [
            Wait(
                **wait,
                seconds=max((now - datetime.fromisoformat(wait["since"])).total_seconds(), 0.0),
                is_stuck=wait["kind"] == "unforeseen" and stuck.get(wait["shard"], False),
            )
            for wait in waits(self._health, healths, self._outages)
        ]


def _since(moment: float | None, now: float) -> float | None:
    return None if moment is None else max(now - moment, 0.0)
