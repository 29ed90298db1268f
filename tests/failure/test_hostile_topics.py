"""A topic that cannot be written to is held by itself: said once, shown, healed without a restart. Others flow."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic
from fix_acl import TOPIC, User, all_rights
from fix_relay import Site, eventually
from kafka_settings import configure
from reaction import (
    BOTH_DELIVERIES,
    assert_all_is_well,
    assert_calm,
    assert_decided,
    assert_flows,
    assert_says,
    assert_shown,
    fresh_keys,
    left,
    publish,
    publish_everywhere,
    running,
    status_of,
)

pytestmark = pytest.mark.long

LATER = """insert into bridge.event_queue (event_type, event_key, payload, available_at)
           values (%s, %s, '{"n": 1}', now() + interval '3 seconds') returning id::text"""


class Kafka:
    """What an administrator does to topics of a site."""

    def __init__(self, site: Site) -> None:
        self.admin = AdminClient({"bootstrap.servers": site.settings.kafka.bootstrap_servers})

    def create(self, topic: str, partitions: int = 3) -> None:
        def created() -> bool:  # a topic of this name may not have gone quite yet
            future = self.admin.create_topics([NewTopic(topic, partitions, 1)])[topic]
            return future.exception(30) is None

        eventually(created)

    def delete(self, topic: str) -> None:
        self.admin.delete_topics([topic], operation_timeout=30)[topic].result(30)

    def configure(self, topic: str, name: str, value: str | None) -> None:
        """None: as it was."""
        configure(self.admin, ConfigResource.Type.TOPIC, topic, name, value)


def assert_holds_one_topic_only(site: Site, topic: str, mend: Callable[[], None]) -> None:
    """Events wait for the topic that was harmed just now, all others flow, and after `mend` those come, too."""
    relay = site.processes[-1]
    waiting = publish_everywhere(site, "other.changed")
    assert_flows(site)
    assert_flows(site)  # again, now that it is known
    assert len(left(site, waiting)) == len(waiting)
    assert_says(site, relay, "WARNING|ERROR", topic)
    assert_shown(site, topic)
    assert_calm(site, relay)
    mend()
    assert_decided(site, waiting)
    assert {status_of(site, id_) for id_ in waiting} == {"PROCESSED"}
    assert_flows(site, "other.changed")
    assert_all_is_well(site)


@BOTH_DELIVERIES
def test_a_topic_is_deleted_while_a_relay_runs(site: Site) -> None:
    kafka, topic = Kafka(site), f"{site.name}.others"
    site.drain()  # makes the topics
    site.config.write_text(site.config.read_text().replace("create_missing = true", "create_missing = false"))
    with running(site):
        kafka.delete(topic)
        assert_holds_one_topic_only(site, topic, lambda: kafka.create(topic))
    audit = site.audit()
    assert audit.is_clean, audit


def test_a_topic_is_missing_while_limits_are_read_again(site: Site) -> None:
    """An event that is too large makes them doubtful; that one topic cannot be asked about stops no other."""
    kafka, topic = Kafka(site), f"{site.name}.others"
    site.drain()
    site.config.write_text(site.config.read_text().replace("create_missing = true", "create_missing = false"))
    with running(site):
        assert_decided(site, publish(site, ("unknown.type", "p", "{}")))
        kafka.delete(topic)
        waiting = publish_everywhere(site, "other.changed")
        assert_flows(site)
        assert site.bridge("dead", "retry", "--all", "--yes").returncode == 0  # may have been for a limit
        large = json.dumps({"n": 1, "text": "x" * 3_000_000})
        ids = publish(site, *(("thing.changed", key, large) for key in fresh_keys(site)))
        assert_decided(site, ids)
        assert {status_of(site, id_) for id_ in ids} == {"DEAD"}
        assert_flows(site)
        kafka.create(topic)
        assert_decided(site, waiting)


@pytest.mark.parametrize("limit", ["0", "600000000", "2147483647"])
def test_a_topic_has_an_extreme_limit(site: Site, limit: str) -> None:
    site.drain()
    Kafka(site).configure(f"{site.name}.others", "max.message.bytes", limit)
    with running(site):
        assert_flows(site)


@BOTH_DELIVERIES
def test_a_topic_refuses_each_record(site: Site) -> None:
    """For its time, as it happens. Each event is dead with what Kafka said, and can be retried; others flow.

    A transaction's end has a time, too: with 0 ms Kafka would refuse that, and never end the transaction.
    """
    kafka, topic = Kafka(site), f"{site.name}.others"
    with running(site) as relay:
        kafka.configure(topic, "message.timestamp.before.max.ms", "2000")
        with site.connect() as db:
            rows = [("other.changed", key) for key in fresh_keys(site)]
            refused = [str(db.execute(LATER, row).fetchone()[0]) for row in rows]
        site.written.update(refused)
        assert_flows(site)
        assert_decided(site, refused)
        assert {status_of(site, id_) for id_ in refused} == {"DEAD"}
        assert "TIMESTAMP" in site.scalar("select min(reason) from bridge.parked where state = 'dead'")
        assert_calm(site, relay)
        kafka.configure(topic, "message.timestamp.before.max.ms", None)
        assert site.bridge("dead", "retry", "--all", "--yes").returncode == 0
        eventually(lambda: site.pending() == 0)
        assert_all_is_well(site)
    audit = site.audit_after_failures()
    assert audit.is_clean, audit


def test_a_run_of_refused_events_is_gone_through_quickly(site: Site) -> None:
    """Each of them is found by failures, but is no reason to wait longer and longer."""
    with running(site):
        Kafka(site).configure(f"{site.name}.others", "message.timestamp.before.max.ms", "2000")
        with site.connect() as db:
            refused = [str(db.execute(LATER, ("other.changed", f"old{n}")).fetchone()[0]) for n in range(40)]
        eventually(lambda: len(left(site, refused)) < len(refused))
        assert_flows(site)
        assert_decided(site, refused)


@pytest.mark.parametrize("partitions", [1, 9])
def test_a_topic_comes_back_with_another_number_of_partitions(site: Site, partitions: int) -> None:
    kafka, topic = Kafka(site), f"{site.name}.others"
    with running(site):
        kafka.delete(topic)
        kafka.create(topic, partitions)
        assert_flows(site, "other.changed")
        assert_flows(site)
        assert_all_is_well(site)


def test_a_topic_gets_more_partitions(site: Site) -> None:
    kafka, topic = Kafka(site), f"{site.name}.others"
    with running(site):
        assert_flows(site, "other.changed")
        kafka.admin.create_partitions([NewPartitions(topic, 9)])[topic].result(30)
        for _ in range(5):
            assert_flows(site, "other.changed")
        assert_flows(site)
    audit = site.audit()
    assert audit.is_clean, audit


@BOTH_DELIVERIES
def test_the_right_to_write_to_a_topic_is_taken_away_for_a_while(secured_site: Site, user: User) -> None:
    site, topic = secured_site, f"{secured_site.name}.others"
    things = [right for right in all_rights(site.name) if right[2] != "WRITE" or right[0] is not TOPIC]
    others = [name for name in [*site.topics, site.settings.topics.control] if name != topic]
    user.grant(*things, *((TOPIC, name, "WRITE") for name in [*others, topic]))
    with running(site):
        assert_flows(site, "other.changed")
        user.revoke((TOPIC, topic, "WRITE"))
        assert_holds_one_topic_only(site, topic, lambda: user.grant((TOPIC, topic, "WRITE")))
    audit = site.audit()
    assert audit.is_clean, audit


def test_the_right_to_write_to_a_topic_is_missing_from_the_start(secured_site: Site, user: User) -> None:
    site, topic = secured_site, f"{secured_site.name}.others"
    rights = [right for right in all_rights(site.name) if right[2] != "WRITE" or right[0] is not TOPIC]
    others = [name for name in [*site.topics, site.settings.topics.control] if name != topic]
    user.grant(*rights, *((TOPIC, name, "WRITE") for name in others))
    with running(site):
        assert_holds_one_topic_only(site, topic, lambda: user.grant((TOPIC, topic, "WRITE")))
    audit = site.audit()
    assert audit.is_clean, audit


def test_the_dead_letter_topic_is_forbidden(secured_site: Site, user: User) -> None:
    """An event that would die waits with its key; all others flow."""
    site, topic = secured_site, secured_site.settings.topics.dead_letters
    rights = [right for right in all_rights(site.name) if right[2] != "WRITE" or right[0] is not TOPIC]
    user.grant(*rights, *((TOPIC, name, "WRITE") for name in [*site.topics, site.settings.topics.control]))
    with running(site) as relay:
        user.revoke((TOPIC, topic, "WRITE"))
        dying = publish_everywhere(site, "unknown.type")
        assert_flows(site)
        assert_flows(site, "other.changed")
        assert_says(site, relay, "WARNING|ERROR", topic)
        assert_shown(site, topic)
        assert_calm(site, relay)
        user.grant((TOPIC, topic, "WRITE"))
        assert_decided(site, dying)
        assert {status_of(site, id_) for id_ in dying} == {"DEAD"}


@BOTH_DELIVERIES
def test_the_dead_letter_topic_takes_next_to_nothing(site: Site) -> None:
    """Not even a cut dead letter: an event that would die waits with its key; all others flow."""
    kafka, topic = Kafka(site), site.settings.topics.dead_letters
    site.drain()
    kafka.configure(topic, "max.message.bytes", "100")
    with running(site) as relay:
        dying = publish_everywhere(site, "unknown.type")
        assert_flows(site)
        assert_flows(site, "other.changed")
        assert_says(site, relay, "WARNING|ERROR", topic, "max.message.bytes is 100")
        assert_shown(site, topic)
        assert_calm(site, relay)
        assert len(left(site, dying)) == len(dying)
