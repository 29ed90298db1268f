"""How large tables get at a steady rate, while a snapshot is held open and retention takes days out. `make pinned`.

A day passes each minute, for a table partition is of a day: bridge's functions and defaults take their time from
`sim.now()`, as in `tests/keeping/test_years.py`. All else is as it is in production: the relay's own clock, too.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
from fix_house import keep, simulate_clock

from bridge.bench.measured import Measured
from bridge.bench.report import machine
from bridge.bench.scene import Scene, open_scene, text_length
from bridge.configuration.load import load

JOBS = ("partitions", "retention", "archive", "cleanup")
KEEP_FOR = "5 days"
KEEPER_SECONDS = 10
SAMPLE_SECONDS = 10
TICK_SECONDS = 0.05
PAYLOAD_BYTES = 220
SMALL = ("shard", "tick", "parked", "relay", "policy", "keeper", "retired_partition", "maintenance_log")
# The clock begins so long ago that it is still in the past at the end: Kafka takes no record of tomorrow.
CLOCK = """
create or replace function sim.now() returns timestamptz language sql volatile set search_path = pg_catalog, pg_temp
return timestamptz '{began}' - interval '{days} days' + 1440 * (clock_timestamp() - timestamptz '{began}')
"""
POLICY = "update bridge.partition_policy set keep_for = %s where parent = 'bridge.outbox'::regclass"
SIZE = "select pg_total_relation_size(relid), n_dead_tup from pg_stat_user_tables where relid = %s::regclass"
FIGURES = """
select (select sum(pg_total_relation_size(c.oid))::bigint from pg_class as c
         where c.relnamespace = 'bridge'::regnamespace and c.relkind = 'r' and c.relname like 'outbox%'),
       (select count(*) from pg_inherits where inhparent = 'bridge.outbox'::regclass),
       (select coalesce(sum(n_live_tup), 0)::bigint from pg_stat_user_tables where relname like 'outbox%'),
       (select coalesce(sum(n_dead_tup), 0)::bigint from pg_stat_user_tables where relname like 'outbox%'),
       (select count(*) from bridge.retired_partition where state = 'dropped'),
       (select coalesce(sum(rows), 0)::bigint from bridge.retired_partition where state = 'dropped'),
       (select sum(event_queue_processed)::bigint from bridge.shard),
       pg_total_relation_size('bridge.shard'),
       (select n_dead_tup from pg_stat_user_tables where relid = 'bridge.shard'::regclass)
"""
Db = psycopg.Connection[Any]


@dataclass(frozen=True)
class Sample:
    """How it is at one moment; `shard_ms` is what reading the shard's row costs, `cpu` the relay's seconds so far."""

    seconds: float
    written: int
    outbox_bytes: int
    leaves: int
    live: int
    dead: int
    dropped: int
    dropped_rows: int
    published: int
    shard_bytes: int
    shard_dead: int
    shard_ms: float
    cpu: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="a directory for results.md")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=int, default=2000, help="events a second")
    parser.add_argument("--beside", default="", help="what else the machine did meanwhile, for the report")
    arguments = parser.parse_args()
    settings = load(None)
    settings = replace(settings, relay=replace(settings.relay, keep_house=False))
    with open_scene(settings, shards=1) as scene:
        lines = measure(scene, arguments.minutes, arguments.rate, arguments.beside)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "results.md").write_text("\n".join(lines) + "\n")


def measure(scene: Scene, minutes: float, rate: int, beside: str) -> list[str]:
    url, samples, troubles = scene.settings.database.url, list[Sample](), list[str]()
    with scene.connect() as db, ExitStack() as at_work:
        _set_clock(db, days=int(minutes) + 3)
        db.execute(POLICY, (KEEP_FOR,))
        _keep_house(url, troubles)
        relay = at_work.enter_context(scene.relay())
        at_work.enter_context(_again(KEEPER_SECONDS, lambda: _keep_house(url, troubles)))
        writer = at_work.enter_context(_writing(scene, rate))
        before = [_sample(db, relay, writer, 0.0)]
        holder = at_work.enter_context(scene.connect())
        at_work.enter_context(holder.transaction())
        holder.execute("set transaction isolation level repeatable read")
        holder.execute("select count(*) from bridge.shard")
        began = time.monotonic()
        while (now := time.monotonic() - began) < minutes * 60:
            samples.append(_sample(db, relay, writer, now))
            print(samples[-1], flush=True)
            time.sleep(SAMPLE_SECONDS)
        small = _small(db)
        version = db.info.parameter_status("server_version")
    return _report(before + samples, small, sorted(set(troubles)), f"Postgres {version}", rate, beside)


def _set_clock(db: Db, days: int) -> None:
    simulate_clock(db)
    (began,) = db.execute("select now()::text").fetchone() or ("",)
    db.execute(CLOCK.format(began=began, days=days).encode())
    db.execute("update bridge.finished set up_to = date_trunc('day', sim.now() - interval '1 day', 'UTC')")


def _keep_house(url: str, troubles: list[str]) -> None:
    for run in keep(url, *JOBS, owner="bench"):
        troubles += [f"{run.job}: {step.target}: {step.detail}" for step in run.steps if step.outcome != "ok"]


def _sample(db: Db, relay: Measured, writer: _Writer, seconds: float) -> Sample:
    figures = db.execute(FIGURES).fetchone() or ()
    times = []
    for _ in range(20):
        began = time.perf_counter()
        db.execute("select * from bridge.shard where shard = 0").fetchone()
        times.append((time.perf_counter() - began) * 1000)
    return Sample(seconds, writer.written, *figures, statistics.median(times), relay.cost().cpu_seconds)


def _small(db: Db) -> list[tuple[str, int, int]]:
    """Size and dead rows of the tables that are updated, or that take notes."""
    found = []
    for name in SMALL:
        row = db.execute(SIZE, (f"bridge.{name}",)).fetchone() or (0, 0)
        found.append((f"bridge.{name}", *row))
    return found


class _Writer:
    """Writes what has become due, each event in a transaction of its own."""

    def __init__(self, scene: Scene, rate: int, stop: threading.Event) -> None:
        self.written = 0
        self._scene, self._rate, self._stop = scene, rate, stop

    def run(self) -> None:
        with self._scene.connect() as db:
            db.execute("set synchronous_commit = off")
            db.execute("set lock_timeout = '2s'")
            began = time.monotonic()
            while not self._stop.wait(TICK_SECONDS):
                due = int((time.monotonic() - began) * self._rate) - self.written
                db.execute("call public.fill_bridge(%s, %s, %s)", (self.written, due, text_length(PAYLOAD_BYTES)))
                self.written += due


@contextmanager
def _writing(scene: Scene, rate: int) -> Iterator[_Writer]:
    stop = threading.Event()
    writer = _Writer(scene, rate, stop)
    thread = threading.Thread(target=writer.run)
    thread.start()
    try:
        yield writer
    finally:
        stop.set()
        thread.join()


@contextmanager
def _again(seconds: float, do: Callable[[], None]) -> Iterator[None]:
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(seconds):
            do()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _report(
    samples: list[Sample], small: list[tuple[str, int, int]], troubles: list[str], version: str, rate: int, beside: str
) -> list[str]:
    where, last = machine(), samples[-1]
    lines = [
        f"Machine: {where['cores']} cores ({where['cpu']}), {where['memory_gib']} GiB, {where['system']}, all servers"
        f" on it; {version}. {beside}".rstrip(),
        "",
        f"{rate:,} events of {PAYLOAD_BYTES} bytes a second were asked for, each in a transaction of its own; a day"
        f" passes each minute, and the outbox keeps {KEEP_FOR}. The snapshot is held open from the first row on.",
        "",
        "| minute | written | published | behind | outbox, MB | its partitions | its dead rows | partitions dropped"
        " | bridge.shard, MB | its dead rows | to read its row, ms |",
        "| ---: " * 11 + "|",
    ]
    step = max(len(samples) // 15, 1)
    for sample in [*samples[1:-1:step], last]:
        lines.append(
            f"| {sample.seconds / 60:.1f} | {sample.written:,} | {sample.published:,} |"
            f" {max(sample.written - sample.published, 0):,} | {sample.outbox_bytes / 1e6:,.0f} | {sample.leaves} |"
            f" {sample.dead:,} | {sample.dropped} | {sample.shard_bytes / 1e6:.1f} | {sample.shard_dead:,} |"
            f" {sample.shard_ms:.2f} |"
        )
    steady = samples[len(samples) // 3 :]
    seconds = last.seconds - samples[1].seconds
    lines += [
        "",
        f"Written {(last.written - samples[1].written) / seconds:,.0f} a second, published"
        f" {(last.published - samples[1].published) / seconds:,.0f}; the relay took"
        f" {(last.cpu - samples[1].cpu) / seconds:.0%} of a core. In the last two thirds the outbox had between"
        f" {min(s.outbox_bytes for s in steady) / 1e6:,.0f} and {max(s.outbox_bytes for s in steady) / 1e6:,.0f} MB;"
        f" {last.dropped_rows:,} rows had left with {last.dropped} partitions.",
        "",
        "| table at the end | MB | dead rows |",
        "| --- | ---: | ---: |",
        *(f"| {name} | {size / 1e6:.1f} | {dead:,} |" for name, size, dead in small),
        "",
        "What the keeper could not do in a run, and did in a later one: "
        + ("; ".join(troubles) if troubles else "nothing")
        + ".",
    ]
    return lines


if __name__ == "__main__":
    main()
