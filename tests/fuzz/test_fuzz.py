"""Hostile rows, servers and settings: every event of every other key flows, and every event gets a decision.

`make fuzz MINUTES=30 SEED=7` leaves its reports and all logs in build/fuzz. A seed repeats which rows and harms come in
which order, not how processes interleave. The third of a minute has one seed; it is `make fuzz` that draws.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import long_run
import pytest
from at_length import at_length
from fix_acl import SecuredBroker
from fix_relay import eventually
from fuzz.harms import Harm, harms
from fuzz.report import Report
from fuzz.settle import close, come_to_rest, decide
from fuzz.stage import Stage, disturbing, staged
from fuzz.watch import LATE_SECONDS, Watch, watching
from fuzz.writers import Writer

from bridge.local.stack import Endpoints

WRITERS = 2
DELIVERIES = ["exactly_once", "at_least_once"]
MOST_PENDING, MOST_DECISIONS = 500, 5  # more wait behind dead ones than a person would leave there
SHOWN_SECONDS = 8.0  # after which status is to name a topic that is held, or soon


def run(stage: Stage, watch: Watch, report: Report) -> None:
    """One harm after the other, until the time is over."""
    ends = time.monotonic() + report.minutes * 60
    deck: list[Harm] = []
    while time.monotonic() < ends:
        deck = deck or harms(stage.random)
        harm = deck.pop()
        seconds = stage.random.uniform(0.5, 10 if harm.is_local else 4)
        report.begin(harm.name, seconds)
        watch.harms += 1
        with nullcontext() if harm.is_local else disturbing(stage), harm.do(stage):
            look(stage, report, time.monotonic() + seconds)
        watch.harms += 1
        report.note_all(stage.revive())
        report.now = "nothing"
        time.sleep(stage.random.uniform(0, 2))  # the harms' own rhythm, not synchronisation
        for _ in range(MOST_DECISIONS):  # each lets one dead event of a key through to the next
            if stage.random.random() < 0.2 or stage.site.pending() > MOST_PENDING:
                decide(stage)


def look(stage: Stage, report: Report, ends: float) -> None:
    """While a harm lasts: relays stay up, and status names a topic that is held and has events."""
    began = time.monotonic()
    while time.monotonic() < ends:
        time.sleep(0.2)
        report.note_all(stage.revive())
    topic = stage.held
    if topic is not None and time.monotonic() - began > SHOWN_SECONDS:
        ends = time.monotonic() + LATE_SECONDS
        while True:
            now = stage.site.bridge("status", environment=stage.site.environment)
            if topic in now.stdout and now.returncode != 0:
                break
            if time.monotonic() > ends:
                report.note(f"status does not name {topic}, which is forbidden: {now.returncode} {now.stdout[-600:]}")
                break


def fuzz(
    broker: SecuredBroker, servers: Endpoints, database: str, name: str, delivery: str, minutes: float, seed: int
) -> Report:
    report = Report(seed, minutes, delivery, long_run.directory("fuzz", f"{seed}-{delivery}"))
    chance = random.Random(seed)
    try:
        with staged(broker, servers, database, name, report, chance) as stage:
            stage.revive()
            eventually(lambda: stage.site.log(stage.relays[0]).count("is ours") >= 2)
            crowd = [Writer(database, seed + number) for number in range(WRITERS)]
            with watching(stage, report) as watch, writing(crowd, report):
                run(stage, watch, report)
            stage.site.written |= watch.ids.union(*(writer.ids for writer in crowd))
            come_to_rest(stage, report)
            close(stage, report)
    finally:
        report.write()
    return report


@contextmanager
def writing(crowd: list[Writer], report: Report) -> Iterator[None]:
    for writer in crowd:
        writer.start()
    try:
        yield
    finally:
        for writer in crowd:
            writer.ending.set()
        for writer in crowd:
            writer.join()
            report.rows += writer.done
            report.refused += writer.refused
            if writer.failure is not None:
                report.note(f"a writer failed: {writer.failure!r}")


@pytest.mark.parametrize("delivery", [DELIVERIES[0], *at_length(*DELIVERIES[1:])])
def test_a_third_of_a_minute(
    secured_broker: SecuredBroker, servers: Endpoints, database: str, unique: str, delivery: str
) -> None:
    report = fuzz(secured_broker, servers, database, unique, delivery, 1 / 3, seed=7)
    assert not report.findings, report.text()


@pytest.mark.fuzz
@pytest.mark.timeout(0)
@pytest.mark.parametrize("delivery", DELIVERIES)
def test_fuzz(secured_broker: SecuredBroker, servers: Endpoints, database: str, unique: str, delivery: str) -> None:
    minutes = long_run.minutes(30) / len(DELIVERIES)
    report = fuzz(secured_broker, servers, database, unique, delivery, minutes, long_run.seed())
    print(report.text())
    assert not report.findings, report.text()
