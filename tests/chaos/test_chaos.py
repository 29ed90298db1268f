"""Writers write, relays relay, one thing after another breaks, for as long as one likes; then the account is checked.

`make chaos MINUTES=30 SEED=7` leaves a report and all logs in build/chaos/7. A seed repeats which faults come in which
order and for how long, not how processes interleave.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import long_run
import psutil
import psycopg
import pytest
from chaos.account import count_gaps
from chaos.faults import FAULTS, Fault, Stage
from chaos.report import Report
from chaos.writers import KEYS, SET_UP, Writer
from fix_kafka import Cluster
from fix_relay import eventually, open_site
from proxy import Proxy
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from roles import Roles

from bridge.local.stack import Endpoints, Stack

WRITERS = 4
PAUSE_SECONDS = 0.01
SOURCES = ("event_queue", "entity_events")
LONGEST = (
    "select coalesce(max(extract(epoch from clock_timestamp() - xact_start)), 0)::float from pg_stat_activity "
    "where application_name like %s and xact_start is not null"
)


def run(stage: Stage, minutes: float, report: Report) -> None:
    """Faults one after another, at times two of different targets at once, until the time is over."""
    ends = time.monotonic() + minutes * 60
    deck: list[Fault] = []
    while time.monotonic() < ends:
        time.sleep(stage.random.uniform(0, 2))  # the faults' own rhythm, not synchronisation
        deck = deck or stage.random.sample(FAULTS, len(FAULTS))  # all of them come, in any order
        faults = [deck.pop()]
        if deck and deck[-1].target != faults[0].target and stage.random.random() < 0.3:
            faults.append(deck.pop())
        seconds = max(stage.random.uniform(*fault.seconds) for fault in faults)
        report.begin(faults, seconds)
        with ExitStack() as harm:
            for fault in faults:
                harm.enter_context(fault.harm(stage))
            harmed = time.monotonic()
            if faults[0].leaves_a_relay and len(faults) == 1:
                report.recovered(faults, recovery(stage))
            time.sleep(max(0.0, harmed + seconds - time.monotonic()))
        stage.revive()
        if not (faults[0].leaves_a_relay and len(faults) == 1):
            report.recovered(faults, recovery(stage, stage.revive))
        report.memory.extend(psutil.Process(relay.pid).memory_info().rss for relay in stage.relays)


def recovery(stage: Stage, meanwhile: Callable[[], None] = lambda: None) -> float:
    """Seconds until everything that waits now has been published."""
    began = time.monotonic()
    waiting = {
        source: stage.site.scalar(f"select array_agg(seq) from bridge.{source} where status = 'PENDING'") or []
        for source in SOURCES
    }

    def is_done() -> bool:
        meanwhile()
        return not any(left(stage, source, seqs) for source, seqs in waiting.items())

    eventually(is_done, 120)
    return time.monotonic() - began


def left(stage: Stage, source: str, seqs: list[int]) -> int:
    return int(
        stage.site.scalar(
            f"select count(*) from bridge.{source} where status = 'PENDING' and seq = any(%s)"
            " and shard = any(array(select shard from bridge.shard))",
            seqs,
        )
    )


@contextmanager
def writing(url: str, seed: int, report: Report) -> Iterator[list[Writer]]:
    writers = [Writer(url, seed + number, PAUSE_SECONDS) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    try:
        yield writers
    finally:
        for writer in writers:
            writer.ending.set()
        for writer in writers:
            writer.join()
            report.transactions.update(writer.committed)


@contextmanager
def watching(url: str, name: str, report: Report) -> Iterator[None]:
    """Notes the longest transaction that the relays leave open."""
    ending = threading.Event()

    def watch() -> None:
        while not ending.wait(0.2):
            with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url, connect_timeout=5) as db:
                while not ending.wait(0.1):
                    (seconds,) = db.execute(LONGEST, (f"{name}%",)).fetchone()
                    db.rollback()
                    report.longest_transaction = max(report.longest_transaction, seconds)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def proxied(url: str, proxy: Proxy) -> str:
    return make_conninfo(url, host="127.0.0.1", port=proxy.port)


def chaos(
    cluster: Cluster, stack: Stack, database: str, servers: Endpoints, roles: Roles, name: str, minutes: float
) -> Report:
    seed = long_run.seed()
    directory = long_run.directory("chaos", seed)
    report = Report(seed, minutes, directory)
    port = int(conninfo_to_dict(database)["port"])
    proxy = Proxy(lambda: port, speaks_kafka=False)
    endpoints = replace(servers, database_url=database, kafka_bootstrap_servers=cluster.bootstrap_servers)
    try:
        lines = "batch_rows = 200"
        with open_site(endpoints, name, directory, roles=roles, relay=lines, replication_factor=3) as site:
            with site.connect() as db:
                db.execute("select bridge.set_shard_count(4)")  # for more takeovers
                db.execute(SET_UP.format(last=KEYS - 1))
            site.environment["BRIDGE_DATABASE_URL"] = proxied(site.url("relay"), proxy)
            stage = Stage(site, stack, cluster, proxy, random.Random(seed))
            stage.revive()
            with writing(database, seed, report) as writers, watching(database, name, report):
                run(stage, minutes, report)
            eventually(lambda: site.pending() == 0, 120)
            site.end(*stage.relays)
            failures = [writer.failure for writer in writers if writer.failure]
            assert not failures, failures
            report.audited(site.audit(), count_gaps(site, writers))
    finally:
        proxy.close()
        report.write()
    return report


def test_a_minute_of_chaos(
    cluster: Cluster, stack: Stack, database: str, servers: Endpoints, roles: Roles, unique: str
) -> None:
    """Times are promised where nothing else runs, as in a long run; here other tests may."""
    report = chaos(cluster, stack, database, servers, roles, unique, minutes=1.0)
    assert report.is_clean, report.text()


@pytest.mark.chaos
@pytest.mark.timeout(0)
def test_chaos(cluster: Cluster, stack: Stack, database: str, servers: Endpoints, roles: Roles, unique: str) -> None:
    report = chaos(cluster, stack, database, servers, roles, unique, long_run.minutes(30))
    print(report.text())
    assert report.is_clean, report.text()
    assert report.is_in_time, report.text()
