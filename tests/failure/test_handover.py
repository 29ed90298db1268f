"""A clean hand-over: a relay that is asked to stop gives its shards back, and another goes on at once."""

from __future__ import annotations

import signal
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from fix_relay import Site, beside, eventually

INTERVAL = 0.01
KEYS = 40
LEASE_SECONDS = 10


@contextmanager
def steady_writer(site: Site) -> Iterator[None]:
    """Events of many keys, so of all shards, all the time."""
    ending = threading.Event()

    def write() -> None:
        with site.connect() as db:
            number = 0
            while not ending.wait(INTERVAL):
                number += 1
                db.execute(
                    "select bridge.publish_event('thing.changed', %s, jsonb_build_object('n', %s::int))",
                    (f"k{number % KEYS}", number),
                )

    with beside(write, ending):
        yield


def owners(site: Site) -> int:
    """How many relays share the shards; 0 while one is free."""
    return int(
        site.scalar(
            "select case when bool_and(owner is not null) then count(distinct owner) else 0 end from bridge.shard"
        )
    )


@contextmanager
def delays(site: Site) -> Iterator[list[float]]:
    """Seconds from the writing of each event to its arrival at a read_committed consumer, on the same clock."""
    found: list[float] = []
    ending = threading.Event()
    consumer = Consumer(
        {
            "bootstrap.servers": site.settings.kafka.bootstrap_servers,
            "group.id": f"{site.name}-delays",
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 10,
        }
    )

    def read() -> None:
        while not ending.is_set():
            for message in consumer.consume(1000, timeout=0.05):
                assert message.error() is None, message.error()
                found.append(time.time() - message.timestamp()[1] / 1000)

    consumer.assign([TopicPartition(f"{site.name}.things", part, OFFSET_BEGINNING) for part in range(3)])
    try:
        with beside(read, ending):
            yield found
    finally:
        consumer.close()


def test_a_rolling_restart_hardly_interrupts(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_RELAY_LEASE_SECONDS", str(LEASE_SECONDS))
    relays = [site.start(), site.start()]
    eventually(lambda: owners(site) == 2)
    longest = []
    with delays(site) as waits, steady_writer(site):
        eventually(lambda: len(waits) > 100)
        for restart in range(4):
            waits.clear()
            relay = relays[restart % 2]
            relay.send_signal(signal.SIGTERM)
            assert relay.wait(30) == 0, site.log(relay)
            relays[restart % 2] = site.start()
            eventually(lambda: owners(site) == 2)
            so_far = len(waits)
            eventually(lambda n=so_far: len(waits) > n + 100)
            longest.append(max(waits))
    eventually(lambda: site.pending() == 0)
    print("longest wait of an event, by restart:", [f"{seconds:.3f} s" for seconds in longest])
    # Far from waiting for a lease to run out; a median, because the machine has other things to do.
    assert statistics.median(longest) < LEASE_SECONDS / 3
    assert site.audit().is_clean


def test_two_relays_that_are_restarted_for_ever(site: Site) -> None:
    """Both start at once and are killed again and again, as a broken deployment does; what they manage counts."""
    with steady_writer(site):
        for _ in range(6):
            so_far = done(site)
            relays = [site.start(), site.start()]
            eventually(lambda n=so_far: done(site) > n + 20)
            for relay in relays:
                relay.kill()
                relay.wait()
    site.drain()
    assert site.audit().is_clean


def done(site: Site) -> int:
    return int(site.scalar("select count(*) from bridge.event_queue where status = 'PROCESSED'"))
