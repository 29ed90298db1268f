"""`bridge replay` and the relay beside it, killed: each event comes exactly once more, in order, beside new ones."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest
from at_length import at_length
from auditor import Found
from fix_relay import Site, beside, eventually, is_stopped

EVENTS, KILLS = 9000, 4
QUICK = "batch_rows = 150"


def start_replay(site: Site, *arguments: str, failpoint: str = "") -> subprocess.Popen[str]:
    environment = {**os.environ, "BRIDGE_CONFIG": str(site.config), "BRIDGE_FAILPOINT": failpoint}
    command = [sys.executable, "-m", "bridge", "replay", *arguments]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def replay_all(site: Site, **more: str) -> subprocess.Popen[str]:
    return start_replay(site, "--from", "2000-01-01", "--to", "2100-01-01", **more)


def ends(process: subprocess.Popen[str]) -> int:
    process.communicate(timeout=120)
    return process.returncode


def replayed(site: Site) -> list[Found]:
    return [found for found in site.records()[f"{site.name}.things"] if "bridge_replayed" in found.headers]


def assert_replayed(site: Site, count: int) -> None:
    """The auditor compares copies and order within the replay."""
    records = replayed(site)
    assert len({found.headers["ce_id"] for found in records}) == len(records) == count
    found = site.audit()
    assert found.is_clean, found
    assert site.bridge("verify").returncode == 0
    assert site.scalar("select count(*) from bridge.parked") == 0


@pytest.mark.relay(QUICK)
@pytest.mark.parametrize("name", ["claimed", "published", *at_length("read", "claiming", "flushed", "settled")])
def test_the_relay_is_killed_at(site: Site, name: str) -> None:
    site.publish(1500)
    site.drain()
    assert ends(replay_all(site)) == 0
    first = site.start(failpoint=f"{name}:kill@4")
    site.publish(500)
    assert first.wait(60) == -signal.SIGKILL, site.log(first)
    site.drain()
    assert_replayed(site, 1500)


def test_the_command_is_killed_with_slices_parked(site: Site) -> None:
    site.publish(EVENTS)
    site.drain()
    assert ends(replay_all(site, failpoint="replay_parked:kill@2")) == -signal.SIGKILL
    parked = site.scalar("select count(*) from bridge.parked where state = 'replayed'")
    assert 0 < parked < EVENTS
    site.publish(100)  # what is written after it began is none of its
    site.drain()
    process = start_replay(site, "--resume", "1", "--max-open", "100000")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert f"{EVENTS:,} events were handed to the relay" in out
    site.drain()
    assert_replayed(site, EVENTS)


def test_both_are_killed_at_random_places_beside_writers(site: Site) -> None:
    dice, ending = random.Random(14), threading.Event()
    site.publish(EVENTS)
    site.drain()

    def write() -> None:
        while not ending.is_set():
            site.publish(20)
            time.sleep(0.05)

    process = replay_all(site)
    eventually(lambda: site.scalar("select count(*) from bridge.replay"))  # what is written from now on is none of its
    with beside(write, ending):
        relay = site.start()
        for _ in range(KILLS):
            eventually(lambda relay=relay: "is ours" in site.log(relay))
            time.sleep(dice.random())  # any place of what they do
            process.kill()
            process.communicate()
            relay.kill()
            relay.wait()
            process, relay = start_replay(site, "--resume", "1", "--max-open", "3000"), site.start()
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    eventually(lambda: site.scalar("select count(*) from bridge.parked") == 0)
    site.assert_exactly_once(relay)
    assert_replayed(site, EVENTS)


def test_it_waits_while_many_are_open(site: Site) -> None:
    site.publish(EVENTS)
    site.drain()
    process = start_replay(site, "--from", "2000-01-01", "--to", "2100-01-01", "--max-open", "1000")
    assert process.stderr is not None
    assert process.stderr.readline() == "Replay 1; if this ends early: bridge replay --resume 1\n"
    waits = "Waits: 1,000 replayed events or more are still to be published. Is a relay running?\n"
    assert process.stderr.readline() == waits
    assert site.scalar("select count(*) from bridge.parked") < EVENTS / 2
    relay = site.start()
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert f"{EVENTS:,} events were handed" in out
    eventually(lambda: site.scalar("select count(*) from bridge.parked") == 0)
    site.end(relay)
    assert_replayed(site, EVENTS)


@pytest.mark.relay("batch_rows = 100")
def test_new_events_do_not_wait_for_it(site: Site) -> None:
    """There are always more of it than a batch holds; they are written in the middle of it."""
    site.publish(EVENTS)
    site.drain()
    assert ends(start_replay(site, "--from", "2000-01-01", "--to", "2100-01-01", "--max-open", "100000")) == 0
    relay = site.start(failpoint="published:stop@4")
    eventually(lambda: is_stopped(relay.pid))
    former = set(site.written)
    site.publish(200)
    relay.send_signal(signal.SIGCONT)
    eventually(lambda: site.scalar("select count(*) from bridge.parked") == 0)
    site.end(relay)
    last: dict[bytes, list[str]] = {}  # of each key
    for found in site.records()[f"{site.name}.things"]:
        if "bridge_replayed" in found.headers or found.headers["ce_id"] not in former:
            last.setdefault(found.key, []).append("replayed" if "bridge_replayed" in found.headers else "new")
    assert {(kinds.count("new"), kinds[-1]) for kinds in last.values()} == {(10, "replayed")}
    assert_replayed(site, EVENTS)
