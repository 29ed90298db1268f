"""How a relay takes what is wrong: events of all other keys flow, it stays calm, and it ends when it is asked to."""

from __future__ import annotations

import itertools
import re
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

import psutil
import pytest
from fix_relay import Site, eventually
from forked import Process

BOTH_DELIVERIES = pytest.mark.parametrize(
    "relay_lines",
    [
        pytest.param("", id="exactly_once"),
        pytest.param('delivery = "at_least_once"', id="at_least_once", marks=pytest.mark.long),
    ],
)
SECONDS = 30.0  # "within seconds", on a machine that has much else to do
WINDOW_SECONDS = 5.0
MOST_IN_WINDOW = 10  # a back-off of 3 s, two shards, and a line for each attempt and each failure
SETTLING_SECONDS = 20.0  # a back-off grows
MOST_MEGABYTES = 300
_FRESH = "select min('fresh-{n}-' || g) from generate_series(1, 200) g group by bridge.shard_of('fresh-{n}-' || g)"
_PUBLISH = "select bridge.publish_event(%s, %s, %s, %s)::text"
_numbers = itertools.count(1)


def publish(site: Site, *events: Sequence[str]) -> list[str]:
    """Write events (type, key, payload, perhaps headers); returns their ids, which the auditor looks for, too."""
    ids = [site.scalar(_PUBLISH, *(*event, "{}")[:4]) for event in events]
    site.written.update(ids)
    return ids


def publish_everywhere(site: Site, event_type: str = "thing.changed") -> list[str]:
    """An event of a new key in each shard; returns their ids."""
    return publish(site, *((event_type, key, '{"n": 1}') for key in fresh_keys(site)))


def fresh_keys(site: Site) -> list[str]:
    """A new key of each shard."""
    return [key for (key,) in site.rows(_FRESH.format(n=next(_numbers)))]


def left(site: Site, ids: Collection[str]) -> list[tuple[str, str, int]]:
    """Those of `ids` without a decision, with their types and shards."""
    return site.rows(
        "select id::text, event_type, shard from bridge.event_queue where id = any(%s::uuid[]) and status = 'PENDING'",
        list(ids),
    )


def assert_decided(site: Site, ids: Collection[str], seconds: float = SECONDS) -> None:
    """Each of these is published or dead soon."""

    def told() -> str:
        undecided = left(site, ids)
        return f"{len(undecided)} of {len(ids)} events wait: {undecided[:10]}; {last_words(site)}"

    eventually(lambda: not left(site, ids), seconds, told)


def last_words(site: Site) -> str:
    """The end of the log of the relay that was started last."""
    return f"the log ends: {site.log(site.processes[-1])[-1500:]}" if site.processes else "no relay was started"


def status_of(site: Site, id_: str) -> str:
    return str(site.scalar("select status from bridge.event_queue where id = %s::uuid", id_))


def assert_flows(site: Site, event_type: str = "thing.changed", seconds: float = SECONDS) -> None:
    """New events of new keys, in every shard, are published soon."""
    ids = publish_everywhere(site, event_type)
    assert_decided(site, ids, seconds)
    assert {status_of(site, id_) for id_ in ids} == {"PROCESSED"}


@dataclass(frozen=True)
class Effort:
    """What a relay has done so far that must not be done in a loop."""

    lines: int
    takeovers: int
    connections: int

    @classmethod
    def of(cls, site: Site, relay: Process) -> Effort:
        sessions = "select sessions from pg_stat_database where datname = current_database()"
        takeovers = site.scalar("select sum(generation) from bridge.shard")
        return cls(len(site.log(relay).splitlines()), int(takeovers), int(site.scalar(sessions)))

    def since(self, earlier: Effort) -> Effort:
        return Effort(*(now - then for now, then in zip(astuple(self), astuple(earlier), strict=True)))


def assert_calm(site: Site, relay: Process) -> None:
    """Once its back-off has grown, the relay says little, takes shards over seldom, and hardly connects anew."""
    ends = time.monotonic() + SETTLING_SECONDS
    while True:
        before = Effort.of(site, relay)
        time.sleep(WINDOW_SECONDS)  # a window to count in, not synchronisation
        assert relay.poll() is None, site.log(relay)
        effort = Effort.of(site, relay).since(before)
        if max(astuple(effort)) <= MOST_IN_WINDOW:
            return
        assert time.monotonic() < ends, f"in {WINDOW_SECONDS:.0f} s: {effort}; {last_words(site)}"


def assert_says(site: Site, relay: Process, level: str, *words: str) -> None:
    """One line of the log has this level and all of these words, and a person who has read it is not told again."""

    def lines() -> list[str]:
        found = [line for line in site.log(relay).splitlines() if re.search(rf"^\S+ \S+ ({level})\b", line)]
        return [line for line in found if all(word.lower() in line.lower() for word in words)]

    def told() -> str:
        return f"{len(lines())} lines with {words}; {last_words(site)}"

    eventually(lambda: len(lines()) > 0, SECONDS, told)
    assert 1 <= len(lines()) <= 3, told()


def assert_shown(site: Site, *words: str) -> None:
    """`bridge status` has these words, and its exit code says that a person is needed."""
    _assert_status(site, lambda now: now.returncode not in (0, 1) and all(word in now.stdout for word in words))


def assert_all_is_well(site: Site) -> None:
    """`bridge status` needs nobody."""
    _assert_status(site, lambda now: now.returncode == 0)


def _assert_status(site: Site, is_wanted: Callable[[subprocess.CompletedProcess[str]], bool]) -> None:
    """In the end, and once: a relay writes with its next sign of life what has just got well."""
    said: list[subprocess.CompletedProcess[str]] = []

    def asked() -> bool:
        said.append(site.bridge("status"))
        return is_wanted(said[-1])

    eventually(asked, SECONDS, lambda: f"exit code {said[-1].returncode}: {said[-1].stdout}{said[-1].stderr}")


def end(site: Site, relay: Process) -> int:
    """SIGTERM ends the relay soon, whatever it was at; returns its exit code."""
    relay.terminate()
    try:
        return relay.wait(SECONDS)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"SIGTERM is not answered; {last_words(site)}") from None


@contextmanager
def running(site: Site) -> Iterator[Process]:
    """A relay that has carried something before the body begins; the body may harm it, and SIGTERM ends it."""
    relay = site.start()
    assert_flows(site)
    yield relay
    assert end(site, relay) in (0, 5), site.log(relay)
    assert "Traceback" not in site.log(relay), site.log(relay)


def most_memory(pid: int) -> float:
    """The largest resident memory that the process has had so far, in MB; what it has now where nobody keeps that."""
    status = Path(f"/proc/{pid}/status")
    if not Path("/proc/self/status").exists():
        return float(psutil.Process(pid).memory_info().rss / 1e6)
    found = [line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM")]
    return int(found[0]) * 1024 / 1e6 if found else 0.0  # one that has ended has no memory


def assert_small(relay: Process) -> None:
    megabytes = most_memory(relay.pid)
    assert megabytes < MOST_MEGABYTES, f"{megabytes:.0f} MB resident"
