"""Idle for longer than Kafka keeps offsets, transactional ids and producer ids: a week elsewhere, a minute here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from fix_database import copy_of
from fix_relay import Site, eventually, open_site
from reaction import end

from bridge.local.stack import Endpoints


def offsets(site: Site) -> int:
    """How many of the two shards have a committed offset."""
    settings = site.settings
    consumer = Consumer({"bootstrap.servers": settings.kafka.bootstrap_servers, "group.id": settings.relay.name})
    try:
        found = consumer.committed([TopicPartition(settings.topics.control, shard) for shard in range(2)], 30)
    finally:
        consumer.close()
    return sum(part.offset >= 0 for part in found)


@pytest.fixture
def other_site(forgetful_site: Site, tmp_path: Path) -> Iterator[Site]:
    """Another bridge on the same servers, with a database of its own."""
    settings = forgetful_site.settings
    directory = tmp_path / "other"
    directory.mkdir()
    with copy_of(settings.database.url) as fresh:
        endpoints = Endpoints(fresh.copy, settings.kafka.bootstrap_servers, settings.registry.url)
        with open_site(endpoints, f"{forgetful_site.name}o", directory) as site:
            yield site


@pytest.fixture
def busy_site(forgetful_site: Site, tmp_path: Path) -> Iterator[Site]:
    """A third one, at least once, which has so much to do, one by one, that it is idle at no time."""
    settings = forgetful_site.settings
    directory = tmp_path / "busy"
    directory.mkdir()
    lines = 'delivery = "at_least_once"\nheartbeat_hours = 0.001\nbatch_rows = 1'
    with copy_of(settings.database.url) as fresh:
        endpoints = Endpoints(fresh.copy, settings.kafka.bootstrap_servers, settings.registry.url)
        with open_site(endpoints, f"{forgetful_site.name}b", directory, relay=lines) as site:
            site.publish(100_000)
            yield site


@pytest.mark.relay("heartbeat_hours = 0.001")
def test_idle_for_longer_than_kafka_remembers(forgetful_site: Site, other_site: Site, busy_site: Site) -> None:
    """A relay that runs keeps its offsets alive; without one they expire, which is found out at the next start."""
    busy = busy_site.start()
    relay = forgetful_site.start()
    for site in (other_site, forgetful_site):
        site.publish(100)
    other_site.drain()
    eventually(lambda: forgetful_site.pending() == 0)
    eventually(lambda: offsets(other_site) == 0, 150)  # nobody keeps these alive
    assert offsets(forgetful_site) == 2
    assert busy_site.pending() > 0
    busy.kill()
    busy.wait()
    successor = busy_site.start()
    eventually(lambda: busy_site.log(successor).count("is ours") == 2)  # neither is stopped
    assert end(busy_site, successor) == 0
    for site in (other_site, forgetful_site):
        site.publish(100)
    other_site.assert_stops("has no committed offset")
    assert other_site.bridge("recover", "--yes").returncode == 0
    other_site.drain()
    eventually(lambda: forgetful_site.pending() == 0)
    forgetful_site.end(relay)
    for site in (other_site, forgetful_site):
        audit = site.audit()
        assert audit.is_clean, audit
        assert audit.published == 200
