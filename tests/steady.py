"""A steady stream of events, and how long each takes to a consumer: what a hand-over costs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from fix_relay import Site, beside

INTERVAL = 0.01
KEYS = 40


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


def done(site: Site) -> int:
    return int(site.scalar("select count(*) from bridge.event_queue where status = 'PROCESSED'"))
