"""A server goes away and comes back: no restart, nothing lost or doubled, and it is said once."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from at_length import at_length
from confluent_kafka import Producer
from fix_relay import Site, eventually

from bridge.local.stack import Stack


@pytest.fixture(autouse=True)
def all_back(stack: Stack) -> Iterator[None]:
    """Whatever a test stops runs again for the next one."""
    yield
    for server in stack.servers:
        if server.process() is None:
            server.start()


@contextmanager
def running(site: Site) -> Iterator[None]:
    """A relay meanwhile; afterwards everything has been published, and the relay ends gracefully."""
    relay = site.start()
    site.publish(500)
    eventually(lambda: site.pending() == 0)
    yield
    eventually(lambda: site.pending() == 0)
    assert relay.poll() is None, site.log(relay)
    relay.send_signal(signal.SIGTERM)
    assert relay.wait(60) == 0, site.log(relay)
    audit = site.audit()
    assert audit.is_clean, audit


def said(site: Site, words: str) -> int:
    return site.log(site.processes[0]).count(words)


def test_kafka_restarts(site: Site, stack: Stack) -> None:
    with running(site):
        stack.kafka.stop()
        site.publish(3000)
        eventually(lambda: said(site, "Kafka is away") > 0)
        stack.kafka.start()
        site.publish(500)
    assert said(site, "Kafka is back") >= 1
    assert said(site, "Kafka is away") <= 3, site.log(site.processes[0])


@pytest.mark.relay("batch_rows = 300")
def test_kafka_is_killed_while_publishing(site: Site, stack: Stack) -> None:
    with running(site):
        site.publish(20_000)
        eventually(lambda: site.pending() < 20_000)
        stack.kafka.kill()
        site.publish(500)
        stack.kafka.start()


@pytest.mark.long
@pytest.mark.relay("batch_rows = 300", 'delivery = "at_least_once"')
def test_kafka_is_killed_while_publishing_at_least_once(site: Site, stack: Stack) -> None:
    relay = site.start()
    site.publish(20_000)
    eventually(lambda: site.pending() < 20_000)
    stack.kafka.kill()
    site.publish(500)
    eventually(lambda: said(site, "Kafka is away") > 0)
    stack.kafka.start()
    eventually(lambda: site.pending() == 0)
    site.end(relay)
    assert "Traceback" not in site.log(relay)
    audit = site.audit_after_failures()
    assert audit.is_clean, audit


@pytest.mark.relay("batch_rows = 300")
@pytest.mark.parametrize("mode", ["immediate", *at_length("fast")])
def test_postgres_restarts(site: Site, stack: Stack, mode: str) -> None:
    with running(site):
        site.publish(20_000)
        eventually(lambda: site.pending() < 20_000)
        stack.postgres.stop(mode)
        eventually(lambda: said(site, "Postgres is away") > 0)
        stack.postgres.start()
        site.publish(500)
    # A connection that was cut may be noticed only when another has found the server again.
    assert 1 <= said(site, "Postgres is away") <= 3, site.log(site.processes[0])


def test_backends_are_terminated(site: Site) -> None:
    with running(site):
        for _ in range(3):
            site.publish(3000)
            site.scalar(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity"
                " where datname = current_database() and application_name like %s",
                f"{site.name}%",
            )


def test_the_registry_goes_away(site: Site, stack: Stack) -> None:
    """Schema ids are known from the start, so nothing waits for the registry."""
    with running(site):
        stack.registry.stop()
        site.publish(500, event_type="other.changed")
        site.publish(500)
        eventually(lambda: site.pending() == 0)
        stack.registry.start()
    assert len(site.records()[f"{site.name}.others"]) == 500


def test_an_incompatible_schema_holds_its_topic_only(site: Site) -> None:
    site.publish(10, event_type="other.changed")
    site.drain()
    schema = site.config.parent / "schemas" / f"{site.name}.others-test.Thing.avsc"
    original = schema.read_text()
    schema.write_text(original.replace('"long"', '"string"'))
    site.publish(20, event_type="other.changed")
    site.publish(20)
    relay = site.start("--until-empty")
    assert relay.wait(60) == 4, site.log(relay)
    assert "BACKWARD" in site.log(relay)
    assert site.pending() == 20
    schema.write_text(original)
    site.drain()
    assert site.audit().is_clean
    assert len(site.records()[f"{site.name}.others"]) == 30


def test_a_held_topic_goes_on_where_it_stopped(site: Site) -> None:
    """Other events flow and scans move on meanwhile; what was held is not passed by."""
    site.publish(10, event_type="other.changed")
    site.drain()
    schema = site.config.parent / "schemas" / f"{site.name}.others-test.Thing.avsc"
    schema.write_text(schema.read_text().replace('"string"', '"long"'))
    site.publish(20, event_type="other.changed")
    relay = site.start()
    for _ in range(20):  # many batches
        site.publish(20)
        eventually(lambda: site.pending() <= 20)
    assert site.pending() == 20
    site.publish(20, event_type="other.changed")
    set_compatibility(site, f"{site.name}.others-test.Thing", "NONE")
    assert site.assert_exactly_once(relay).published == 10 + 20 + 400 + 20


def set_compatibility(site: Site, subject: str, level: str) -> None:
    request = urllib.request.Request(
        f"{site.settings.registry.url}/config/{subject}",
        data=json.dumps({"compatibility": level}).encode(),
        headers={"Content-Type": "application/vnd.schemaregistry.v1+json"},
        method="PUT",
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def test_the_parent_of_workers_is_killed(site: Site) -> None:
    """Its workers notice that they are orphans, give their leases back and end."""
    parent = site.start("--workers", "2")
    eventually(lambda: site.scalar("select count(*) from bridge.relay") == 2)
    with site.connect() as db:
        pids = [pid for (pid,) in db.execute("select pid from bridge.relay").fetchall()]
    parent.kill()
    parent.wait()
    eventually(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids))
    assert site.scalar("select count(*) from bridge.shard where owner is not null") == 0


def somebody_else_writes(site: Site) -> Producer:
    """A transaction that is still open in both shards' control partitions."""
    hanging = Producer(
        {
            "bootstrap.servers": site.settings.kafka.bootstrap_servers,
            "transactional.id": f"{site.name}-hanging",
            "transaction.timeout.ms": 300_000,  # so that it is the test that ends it
        }
    )
    hanging.init_transactions(10)
    hanging.begin_transaction()
    for shard in range(2):
        hanging.produce(site.settings.topics.control, b"{}", "somebody else", partition=shard)
    assert hanging.flush(30) == 0
    return hanging


def test_a_transaction_hangs(site: Site) -> None:
    """A shard's last batch cannot be known while a transaction in its control partition has no end."""
    site.publish(100)
    site.drain()
    hanging = somebody_else_writes(site)
    site.publish(100)
    relay = site.start()
    eventually(lambda: "a transaction hangs. docs/operations.md" in site.log(relay))
    assert site.pending() > 0
    hanging.abort_transaction(10)
    site.assert_exactly_once(relay)


@pytest.mark.relay("batch_rows = 10")
def test_a_transaction_of_somebody_else_hides_the_last_batch(site: Site) -> None:
    """It was published, and no consumer can see that yet: its successor must not take the one before for the last."""
    site.publish(100)
    site.drain()
    relay = site.start(failpoint="published:kill@4")
    eventually(lambda: site.log(relay).count("is ours") == 2)
    hanging = somebody_else_writes(site)
    site.publish(100)
    assert relay.wait(60) == -signal.SIGKILL
    successor = site.start()
    eventually(lambda: "a transaction hangs. docs/operations.md" in site.log(successor))
    hanging.abort_transaction(10)
    assert site.assert_exactly_once(successor).published == 200
