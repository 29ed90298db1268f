"""One run of the benchmark: which measurements, in which order. Systems take turns within each round."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import LiteralString

import psycopg
from confluent_kafka import Consumer, TopicPartition

from bridge.bench import ceiling, costs, debezium, growth, latency, sustained, typed, writers
from bridge.bench.costs import Costs
from bridge.bench.debezium import open_debezium
from bridge.bench.drain import Drained, drain_backlog
from bridge.bench.latency import Latency
from bridge.bench.measured import Measured
from bridge.bench.plan import LONG_PARTS, Plan
from bridge.bench.scene import PARTITIONS, PROCEDURE, WRITE, Scene, text_length
from bridge.bench.sustained import Sustained
from bridge.bench.typed import Carried
from bridge.bench.writers import Writers
from bridge.kafka.client import client_properties
from bridge.kafka.cluster import Cluster
from bridge.settings import Delivery

HISTORY = (0, 1_000_000, 5_000_000, 20_000_000)
LEAVES = (10, 100, 1_000, 3_000)
SHARDS = (1, 2, 4, 8, 16)
BYTES = (200, 2_000, 20_000, 100_000)


@dataclass
class Results:
    """By system and delivery, for example `bridge exactly_once`; one entry a round."""

    drained: dict[str, list[Drained]] = field(default_factory=dict)
    read: list[float] = field(default_factory=list)
    publish: list[float] = field(default_factory=list)
    latencies: dict[str, dict[int, list[Latency]]] = field(default_factory=dict)  # by rate, too
    sustained: dict[str, list[Sustained]] = field(default_factory=dict)  # all rates tried, the best last
    costs: Costs | None = None
    writers: Writers | None = None
    by_shards: dict[int, list[Drained]] = field(default_factory=dict)
    by_bytes: dict[int, list[Drained]] = field(default_factory=dict)
    by_history: dict[int, list[Drained]] = field(default_factory=dict)  # processed events before
    by_leaves: dict[int, list[Drained]] = field(default_factory=dict)  # past table partitions
    by_snapshot: dict[str, list[Drained]] = field(default_factory=dict)
    by_form: dict[str, list[Carried]] = field(default_factory=dict)  # of the records of a tracked table

    def ceilings(self) -> list[float]:
        """Events a second of both alone, one after the other, by round."""
        return [1 / (1 / read + 1 / send) for read, send in zip(self.read, self.publish, strict=True)]


@dataclass(frozen=True)
class System:
    """Something that carries events: how to run it, what writes events for it, and where they come out.

    `prepare` comes before the first event of a run; `procedure` writes many events, and the statement `write` one.
    """

    name: str
    topic: str
    running: Callable[[], AbstractContextManager[Measured]]
    procedure: str
    write: LiteralString
    prepare: Callable[[], None] = lambda: None
    only_latency: bool = False


def run(scene: Scene, plan: Plan, say: Callable[[str], None], before_peer: Callable[[], None]) -> Results:
    """Measure what `plan` asks for; `before_peer` is called before a peer starts. Raises Unavailable, ConfigError."""
    results = Results()
    if "costs" in plan.parts:
        say("costs")
        results.costs = costs.measure(scene, plan.events // 10, plan.payload_bytes)
    if plan.peer:
        before_peer()
    with ExitStack() as resources:
        _compare(scene, list(_systems(scene, plan, resources)), plan, results, say)
    if "writers" in plan.parts:
        results.writers = _writers(scene, plan, say)
    _watch_growth(scene, plan, results, say)
    if "typed" in plan.parts:
        results.by_form = typed.by_form(scene, plan.events, plan.rounds, say)
    return results


def _compare(scene: Scene, systems: Sequence[System], plan: Plan, results: Results, say: Callable[[str], None]) -> None:
    whole = [system for system in systems if not system.only_latency]
    if "drain" in plan.parts:
        for system in whole:
            say(f"warming up: {system.name}")
            _drain(scene, system, plan.events // 2, plan.payload_bytes)
        for number in range(plan.rounds):
            say(f"round {number + 1} of {plan.rounds}")
            _drain_all(scene, whole, plan, results, say)
    if "latency" in plan.parts:  # in rounds, too: of 5,000 events the slowest hundredth is what one hiccup delays
        for number in range(plan.rounds):
            say(f"round {number + 1} of {plan.rounds}")
            for system in systems:
                by_rate = results.latencies.setdefault(system.name, {})
                for one in _latencies(scene, system, plan, say):
                    by_rate.setdefault(one.rate, []).append(one)
    if "sustained" in plan.parts:
        for system in whole:
            results.sustained[system.name] = _sustained(scene, system, plan, say)


def _watch_growth(scene: Scene, plan: Plan, results: Results, say: Callable[[str], None]) -> None:
    events, size, rounds, shards = plan.events, plan.payload_bytes, plan.rounds, scene.shards()
    if not set(LONG_PARTS).isdisjoint(plan.parts):
        say("warming up")
        drain_backlog(scene, events, size)
    if "shards" in plan.parts:
        results.by_shards = growth.by_shards(scene, SHARDS, events, size, rounds, say)
        scene.set_shards(shards)
    if "bytes" in plan.parts:
        results.by_bytes = growth.by_bytes(scene, BYTES, events * size, rounds, say)
    if "snapshot" in plan.parts:
        before, after = growth.under_snapshot(scene, plan.minutes, events, size, rounds, say)
        results.by_snapshot = {"before": before, "after": after}
    if "growth" in plan.parts:
        results.by_history = growth.after_history(scene, HISTORY, events, size, rounds, say)
    if "leaves" in plan.parts:
        results.by_leaves = growth.after_leaves(scene, LEAVES, events, size, rounds, say)


def _writers(scene: Scene, plan: Plan, say: Callable[[str], None]) -> Writers:
    found = writers.measure(scene, plan.rounds, max(plan.seconds // 3, 1))
    for arm, rates in found.single_rate.items():
        kept, cost = found.kept(arm), found.cost(arm)
        say(f"{arm}: {statistics.median(rates):,.0f} transactions/s, {kept:.0%} of untracked, costs {cost:.2f} x")
    for arm, times in found.bulk_ms.items():
        say(f"{arm}: {statistics.median(times):,.0f} ms for {writers.BULK_ROWS:,} rows, {found.bulk_cost(arm):.2f} x")
    return found


def _systems(scene: Scene, plan: Plan, resources: ExitStack) -> Iterator[System]:
    for delivery in Delivery:
        running = partial(scene.relay, delivery=delivery)
        yield System(f"bridge {delivery}", scene.topic, running, PROCEDURE, WRITE)
        if plan.peer:
            peer = resources.enter_context(open_debezium(scene, delivery))
            system = System(
                f"Debezium {delivery}", peer.topic, peer.running, debezium.PROCEDURE, debezium.WRITE, peer.prepare
            )
            yield system
            quick = partial(peer.running, debezium.QUICK_POLL_MS)
            name = f"{system.name}, polling every {debezium.QUICK_POLL_MS} ms"
            yield replace(system, name=name, running=quick, only_latency=True)


def _drain(scene: Scene, system: System, events: int, payload_bytes: int) -> Drained:
    system.prepare()
    return drain_backlog(scene, events, payload_bytes, system.running, system.topic, system.procedure)


def _drain_all(
    scene: Scene, systems: Sequence[System], plan: Plan, results: Results, say: Callable[[str], None]
) -> None:
    for system in systems:
        found = _drain(scene, system, plan.events, plan.payload_bytes)
        results.drained.setdefault(system.name, []).append(found)
        say(
            f"{system.name}: {found.rate:,.0f} events/s, {found.cpu_seconds:.1f} CPU s a million,"
            f" {found.memory_bytes / 1e6:,.0f} MB"
        )
    scene.fill(plan.events, plan.payload_bytes)
    results.read.append(ceiling.read(scene))
    results.publish.append(ceiling.publish(scene, plan.events))
    say(
        f"alone: Postgres {results.read[-1]:,.0f}, librdkafka {results.publish[-1]:,.0f},"
        f" one after the other {results.ceilings()[-1]:,.0f} events/s"
    )


def _latencies(scene: Scene, system: System, plan: Plan, say: Callable[[str], None]) -> list[Latency]:
    def write(conn: psycopg.Connection, n: int) -> None:
        conn.execute(system.write, {"n": n, "text": text_length(plan.payload_bytes)}, prepare=True)

    found: list[Latency] = []
    scene.clear()
    system.prepare()
    with system.running(), _consumer(scene, system.topic) as consumer:
        for rate in (plan.rates[-1], *plan.rates):  # the first time warms up, the broker too
            first = scene.reserve(int(rate * plan.seconds)) + 1
            found.append(latency.measure(scene.connect, write, consumer, first=first, rate=rate, seconds=plan.seconds))
    for one in found[1:]:
        say(
            f"{system.name} at {one.rate}/s: average {one.from_commit.average:.1f} ms, p50 {one.from_commit.p50:.1f},"
            f" p99 {one.from_commit.p99:.1f}, p99.9 {one.from_commit.p999:.1f}"
            f" (from the schedule: p99 {one.from_schedule.p99:.1f})"
        )
    return found[1:]


def _sustained(scene: Scene, system: System, plan: Plan, say: Callable[[str], None]) -> list[Sustained]:
    scene.clear()
    system.prepare()
    with system.running(), _consumer(scene, system.topic) as consumer, sustained.counting(consumer) as arrived:

        def write(count: int) -> None:
            scene.write(count, plan.payload_bytes, system.procedure)

        found = sustained.search(lambda rate: sustained.measure(write, arrived, rate, plan.seconds))
    for one in found:
        verdict = "sustained" if one.is_sustainable else "too much" if one.writer_kept_up else "too much for the writer"
        say(f"{system.name} at {one.rate:,}/s: {verdict}, {one.backlog_after:,.0f} events on their way")
    return found


@contextmanager
def _consumer(scene: Scene, topic: str) -> Iterator[Consumer]:
    """A read_committed consumer at the end of `topic`."""
    consumer = Consumer(
        client_properties(scene.settings)
        | {
            "group.id": scene.name,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 5,
            "auto.offset.reset": "latest",
        }
    )
    ends = Cluster(scene.settings).ends([(topic, n) for n in range(PARTITIONS)], committed=False)
    consumer.assign([TopicPartition(*partition, end) for partition, end in ends.items()])
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        consumer.poll(0.1)
    try:
        yield consumer
    finally:
        consumer.close()
