"""What a topic accepts was raised, and what had died of it is retried: it is tried by what the topic accepts now.

What a relay has read a moment ago says otherwise; a person's decision is what makes it doubt that.
"""

from __future__ import annotations

import json
import signal

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic
from fix_relay import Site, eventually, stop
from kafka_settings import configure, create
from reaction import SECONDS, publish, status_of
from steady import owners

LIMIT, RAISED = "5000", "50000"
LATER = """insert into bridge.event_queue (event_type, event_key, payload, available_at)
           values ('other.changed', 'later', '{"n": 1}', clock_timestamp() + interval '2 s') returning id"""


@pytest.fixture
def kafka(site: Site) -> AdminClient:
    """With the topic, as small as it is at first."""
    admin = AdminClient({"bootstrap.servers": site.settings.kafka.bootstrap_servers})
    create(admin, NewTopic(f"{site.name}.things", 3, 1, config={"max.message.bytes": LIMIT}))
    return admin


def dead_and_mended(site: Site, kafka: AdminClient) -> tuple[str, str]:
    """An event that has died of its size, and the relay that carries its shard."""
    (large,) = publish(site, ("thing.changed", "large", json.dumps({"n": 1, "text": "x" * 10_000})))
    eventually(lambda: status_of(site, large) == "DEAD")
    owner = site.scalar("select s.owner from bridge.parked join bridge.shard as s using (shard) where state = 'dead'")
    configure(kafka, ConfigResource.Type.TOPIC, f"{site.name}.things", "max.message.bytes", RAISED)
    return large, owner


def retry(site: Site, event_id: str) -> None:
    assert site.rows("select bridge.retry_dead(%s)", event_id) == [(True,)]


def test_it_is_retried_before_a_takeover(site: Site, kafka: AdminClient) -> None:
    """The taker has read the limit before it was raised, and knows of no time before the decision."""
    relays = [site.start(), site.start()]
    eventually(lambda: owners(site) == 2)
    large, owner = dead_and_mended(site, kafka)
    (former,) = [relay for relay in relays if f":{relay.pid}:" in owner]
    former.kill()
    retry(site, large)
    eventually(lambda: status_of(site, large) == "PROCESSED", SECONDS)


def test_it_is_found_by_a_look_for_something_else(
    site: Site, kafka: AdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes due is looked for before a read tells of the decision."""
    monkeypatch.setenv("BRIDGE_RELAY_LEASE_SECONDS", "30")
    relay = site.start()
    large, _ = dead_and_mended(site, kafka)
    site.rows(LATER)
    eventually(lambda: site.rows("select from bridge.parked where state = 'deferred'"))
    stop(relay)
    retry(site, large)
    eventually(lambda: site.rows("select from bridge.parked where due_at < clock_timestamp()"))
    relay.send_signal(signal.SIGCONT)
    eventually(lambda: status_of(site, large) == "PROCESSED", SECONDS)
    site.end(relay)
