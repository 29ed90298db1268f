"""What must hold all the time: canaries fly, memory stays small, nothing is in a hurry, nothing leaks into output."""

from __future__ import annotations

import threading
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
from fix_relay import Site
from fuzz.report import Report
from fuzz.stage import Stage
from fuzz.values import CANARY
from reaction import MOST_MEGABYTES, most_memory

LATE_SECONDS = 20.0  # "within seconds", on a machine that has much else to do
PAUSE_SECONDS = 0.25
WINDOW_SECONDS = 10.0
LINES, TAKEOVERS, CONNECTIONS = 80, 40, 250  # in a window, and
MORE_FOR_A_HARM = 2  # times as many when something was begun or healed in it
FLY = """select bridge.publish_event('thing.changed', 'canary ' || %s || ' ' || k, '{"n": 1}')::text
           from (select min(g) as k from generate_series(1, 100) g
                  group by bridge.shard_of('canary ' || %s || ' ' || g)) as one_for_each_shard"""
LANDED = "select id::text, status from bridge.event_queue where id = any(%s::uuid[]) and status <> 'PENDING'"


class Watch(threading.Thread):
    """Looks until `ending` is set, and tells the report."""

    def __init__(self, stage: Stage, report: Report) -> None:
        super().__init__(name="watch")
        self.ending = threading.Event()
        self.harms = 0  # counted by whoever does harm
        self.ids: set[str] = set()
        self._stage, self._report = stage, report
        self._flying: dict[str, float] = {}
        self._rates = Rates(stage)

    def run(self) -> None:
        with self._stage.site.connect() as db:
            number = 0
            while not self.ending.wait(PAUSE_SECONDS):
                number += 1
                for (id_,) in db.execute(FLY, (number, number)).fetchall():
                    self._flying[id_] = time.monotonic()
                    self.ids.add(id_)
                self._land(dict(db.execute(LANDED, (list(self._flying),)).fetchall()))
                self._weigh()
                self._report.note_all(self._rates.look(self.harms))

    def _land(self, landed: dict[str, str]) -> None:
        now = time.monotonic()
        if self._stage.waits_for_registry:
            self._stage.well_since = now
        well_since = self._stage.well_since
        for id_, began in list(self._flying.items()):
            seconds = now - max(began, well_since)
            if id_ in landed:
                del self._flying[id_]
                self._report.landed(0.0 if self._stage.disturbed else seconds)
                if landed[id_] != "PROCESSED":
                    self._report.note(f"canary {id_} is {landed[id_]}")
            elif seconds > LATE_SECONDS and not self._stage.disturbed:
                del self._flying[id_]
                self._report.note(f"a canary waits {seconds:.0f} s, during: {self._report.now}")

    def _weigh(self) -> None:
        for relay in self._stage.relays:
            if relay.poll() is None:
                try:
                    workers = psutil.Process(relay.pid).children()
                    self._report.memory.append(max(most_memory(pid) for pid in [relay.pid, *(w.pid for w in workers)]))
                except (OSError, psutil.Error):  # it has ended just now
                    continue
                if self._report.memory[-1] > MOST_MEGABYTES:
                    self._report.note(f"a relay has {self._report.memory[-1]:.0f} MB, during: {self._report.now}")


class Rates:
    """How much relays say, take over and connect in a window."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._at, self._counts, self._harms = time.monotonic(), self._count(), 0

    def look(self, harms: int) -> list[str]:
        """What was too much, once a window is over."""
        if time.monotonic() - self._at < WINDOW_SECONDS:
            return []
        before, self._counts = self._counts, self._count()
        factor = MORE_FOR_A_HARM if harms > self._harms else 1
        self._at, self._harms = time.monotonic(), harms
        return [
            f"{self._counts[what] - before[what]} {what} in {WINDOW_SECONDS:.0f} s"
            for what, most in (("lines", LINES), ("takeovers", TAKEOVERS), ("connections", CONNECTIONS))
            if self._counts[what] - before[what] > most * factor
        ]

    def _count(self) -> dict[str, int]:
        stage = self._stage
        logs = [stage.site.log(process) for process in stage.site.processes]
        proxies = [stage.postgres, *(broker.proxy for broker in stage.broker.brokers)]
        return {
            # each death is a line of its own
            "lines": sum(log.count("\n") - log.count(" is dead, see ") for log in logs),
            "takeovers": int(stage.site.scalar("select sum(generation) from bridge.shard")),
            "connections": sum(proxy.accepted for proxy in proxies) + stage.registry.requests,
        }


@contextmanager
def watching(stage: Stage, report: Report) -> Iterator[Watch]:
    watch = Watch(stage, report)
    watch.start()
    try:
        yield watch
    finally:
        watch.ending.set()
        watch.join()


COMMANDS = [["status"], ["status", "--json"], ["dead", "list"], ["dead", "list", "--json"], ["config", "show"]]


def leaks(what: str, text: str) -> list[str]:
    """Secrets and control characters in an output."""
    found = [f"{what} has a password: {line[:200]!r}" for line in text.splitlines() if CANARY in line]
    odd = sorted({char for char in text if char != "\n" and unicodedata.category(char)[0] == "C"})
    where = next((line for line in text.split("\n") if odd and odd[0] in line), "")
    return found + ([f"{what} has {odd!r}: {where[:300]!r}"] if odd else [])


def outputs(site: Site) -> Iterator[tuple[str, str]]:
    """What people read: the name of the output, and its text."""
    for command in COMMANDS:
        done = site.bridge(*command, environment=site.environment)
        yield f"bridge {' '.join(command)}", done.stdout + done.stderr
    for process in site.processes:
        yield "a log", site.log(process)
