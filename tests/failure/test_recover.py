"""Shards that stop because database and Kafka contradict each other, and how a person lets them go on.

What the tests restore, Postgres copies from a template, which gives it another oid: that a database is a copy is a
reason to stop by itself. A physical backup keeps the oid, and then only Kafka can tell.
"""

from __future__ import annotations

import getpass
import re
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from at_length import at_length
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource
from fix_database import Backup, copy_of
from fix_relay import Site, eventually, open_site
from kafka_settings import configure
from psycopg.conninfo import conninfo_to_dict

from bridge.local.stack import Endpoints

COPY = "of which this one is a copy"
FAR = 1_000_000_000  # transactions


def assert_recovers(site: Site) -> None:
    assert site.bridge("recover", "--yes", "--reason", "restored").returncode == 0
    assert site.bridge("recover", "--yes").stderr == "No shard is stopped.\n"
    with site.connect() as db:
        kept = db.execute("select distinct why, recovered_by, os_user, host from bridge.recovery").fetchall()
        operator = conninfo_to_dict(site.url("operator"))["user"]
        assert kept == [("restored", operator, getpass.getuser(), socket.gethostname())]
    site.drain()


def restore_physical(site: Site, backup: Backup) -> None:
    """As from a physical backup."""
    backup.restore()
    here = "select oid from pg_database where datname = current_database()"
    with site.connect() as db:
        db.execute(f"update bridge.shard set database = ({here}) where database is not null")


def restore_copy(site: Site, backup: Backup) -> None:
    """As from a dump into the same cluster."""
    backup.restore()


def restore_elsewhere(site: Site, backup: Backup) -> None:
    """As from a dump into another cluster, which has had far fewer transactions."""
    backup.restore()
    with site.connect() as db:
        for table in ("outbox", "history"):
            db.execute(f"update bridge.{table} set xid = (xid::text::bigint + {FAR})::text::xid8")
        for shard, snapshot in db.execute("select shard, snapshot::text from bridge.shard").fetchall():
            shifted = re.sub(r"\d+", lambda xid: str(int(xid[0]) + FAR), snapshot)
            moved = "update bridge.shard set snapshot = %s::pg_snapshot, system_identifier = system_identifier - 1"
            db.execute(f"{moved} where shard = %s", (shifted, shard))


@pytest.mark.parametrize(
    ("restore", "words"),
    [(restore_physical, "has gone back in time"), (restore_elsewhere, COPY), *at_length((restore_copy, COPY))],
    ids=["physical", "elsewhere", "copy"],
)
def test_a_restored_database(site: Site, restore: Callable[[Site, Backup], None], words: str) -> None:
    """All that was published after the backup is pending again; nothing is published twice."""
    site.publish(400)
    site.drain()
    site.publish(300)
    with copy_of(site.settings.database.url) as backup:
        site.drain()
        restore(site, backup)
    assert site.pending() == 300
    site.assert_stops(words)
    assert "stopped" in site.bridge("status").stdout
    site.publish(100)

    dry = site.bridge("recover", "--dry-run")
    assert (dry.returncode, dry.stderr) == (0, "")
    assert "pending events are in Kafka: they count as processed" in dry.stdout
    assert site.bridge("recover", answer="n\n" * 4).returncode == 0
    assert site.pending() == 400  # nothing has been done yet
    assert_recovers(site)
    audit = site.audit()
    assert audit.is_clean, audit
    assert audit.published == 800


def test_what_is_replayed_is_told_from_what_was_published_first(site: Site) -> None:
    """Kafka has half of the replay, which the database has forgotten, and each event of it from before, too."""
    site.publish(200)
    site.drain()
    everything = ("--from", "2000-01-01", "--to", "2100-01-01")
    assert site.bridge("replay", *everything, "--key", "k1", "--key", "k2", "--key", "k3").returncode == 0
    with copy_of(site.settings.database.url) as backup:
        site.drain()
        restore_physical(site, backup)
    assert site.scalar("select count(*) from bridge.parked where state = 'replayed'") == 30
    assert site.bridge("run", "--until-empty").returncode == 5
    with site.connect() as db:  # and the rest of what was asked for is parked behind it
        db.execute(
            "insert into bridge.parked"
            "       (seq, source, event_id, at, shard, topic, key_hash, state, blocks, replay_id)"
            " select seq, 'event_queue', id, created_at, shard, %s, hashtextextended(event_key, 0), 'replayed',"
            "        false, 1"
            "   from bridge.outbox where event_key = 'k4'",
            (f"{site.name}.things",),
        )
    assert_recovers(site)
    audit = site.audit()
    assert audit.is_clean, audit
    again = [found.key for found in site.records()[f"{site.name}.things"] if "bridge_replayed" in found.headers]
    assert Counter(again) == {b"k1": 10, b"k2": 10, b"k3": 10, b"k4": 10}


def test_a_running_relay_goes_on_after_a_recovery(site: Site) -> None:
    site.publish(100)
    with copy_of(site.settings.database.url) as backup:
        site.drain()
        backup.restore()
    relay = site.start()
    eventually(lambda: site.scalar("select count(*) from bridge.shard where stopped is null") == 0)
    site.publish(100)
    assert site.bridge("recover", "--yes").returncode == 0
    eventually(lambda: site.pending() == 0)
    site.end(relay)
    assert "is not stopped any more" in site.log(relay)
    assert site.audit().is_clean


def test_events_that_only_kafka_has(site: Site) -> None:
    """Commits were lost with the old database: they are named, and everything else goes on."""
    site.publish(50)
    site.drain()
    with copy_of(site.settings.database.url) as backup:
        site.publish(30)
        site.drain()
        restore_physical(site, backup)
    site.publish(40)
    site.assert_stops("has gone back in time")
    assert_recovers(site)
    audit = site.audit()
    assert len(audit.phantom) == 30
    assert replace(audit, phantom=()).is_clean, audit
    verdict = site.bridge("verify")
    assert verdict.returncode == 6
    assert "phantom" in verdict.stderr


@pytest.mark.parametrize("what", ["topic", "records"])
def test_control_records_that_were_deleted(site: Site, what: str) -> None:
    """The control topic, or what it holds, while a batch is published and not settled yet."""
    site.publish(100)
    site.drain()
    site.publish(100)
    killed = site.start(failpoint="published:kill")
    killed.wait(60)
    delete(site, what)
    site.assert_stops("has no control record")
    assert_recovers(site)
    audit = site.audit()
    assert audit.is_clean, audit
    assert audit.published == 200


@pytest.mark.parametrize("value", [None, b'{"batch_no": "x"}', *at_length(b"{}", b"\xff")], ids=repr)
def test_a_control_record_that_somebody_else_wrote(site: Site, value: bytes | None) -> None:
    """Nothing is concluded from it."""
    site.publish(100)
    site.drain()
    producer = Producer({"bootstrap.servers": site.settings.kafka.bootstrap_servers})
    for shard in range(2):
        producer.produce(site.settings.topics.control, value, site.name, partition=shard)
    producer.flush()
    site.publish(100)
    site.assert_stops("not written by bridge")
    assert_recovers(site)
    audit = site.audit()
    assert audit.is_clean, audit
    assert audit.published == 200


def test_records_of_a_cloned_database_are_not_ours(site: Site, tmp_path: Path) -> None:
    """A copy of our database was published into our topics under a name of its own: the same ids, another source."""
    site.publish(50)
    settings = site.settings
    (directory := tmp_path / "clone").mkdir()
    with copy_of(settings.database.url) as clone:
        endpoints = Endpoints(clone.copy, settings.kafka.bootstrap_servers, settings.registry.url)
        with open_site(endpoints, f"{site.name}c", directory) as other:
            text = other.config.read_text()
            for topic in ("things", "others", "entity_events", "dead_letters"):
                text = text.replace(f'"{other.name}.{topic}"', f'"{site.name}.{topic}"')
            other.config.write_text(text)
            other.drain()
    with site.connect() as db:
        db.execute("update bridge.shard set batch_no = 7, batch_id = gen_random_uuid()")
    site.assert_stops("is stopped")
    assert_recovers(site)
    sources = Counter(record.headers["ce_source"] for record in site.records()[f"{site.name}.things"])
    assert sources == {f"/{other.name}/event_queue": 50, f"/{site.name}/event_queue": 50}


def test_dead_events_stay_dead(site: Site) -> None:
    with site.connect() as db:
        db.execute("select bridge.publish_event('thing.changed', 'k', '{\"n\": \"no number\"}')")
        db.execute("select bridge.publish_event('thing.changed', 'k', '{\"n\": 2}')")
    with copy_of(site.settings.database.url) as backup:
        relay = site.start("--until-empty")
        assert relay.wait(60) == 5  # the second event waits
        backup.restore()
    site.assert_stops("was restored")
    assert site.bridge("recover", "--yes").returncode == 0
    (letter,) = site.records()[f"{site.name}.dead_letters"]
    assert site.scalar("select reason from bridge.parked where state = 'dead'") == letter.headers["bridge_error"]
    assert site.bridge("dead", "skip", "--all", "--yes", "--reason", "test").returncode == 0
    site.drain()
    assert site.audit().is_clean


@pytest.mark.parametrize("is_skipped", [False, True], ids=["left", "given up"])
def test_what_was_retried_and_published_since_is_not_dead(site: Site, is_skipped: bool) -> None:
    """The backup is of before the decision. Who retries it again would publish it twice; who gives it up, lie."""
    with site.connect() as db:
        db.execute("select bridge.publish_event('thing.changed', 'k', '{\"n\": \"no number\"}')")
        db.execute("select bridge.publish_event('thing.changed', 'other', '{\"n\": \"no number\"}')")
    site.drain()
    mend = "update bridge.outbox set payload = '{\"n\": 1}' where event_key = 'k' returning id::text"
    with copy_of(site.settings.database.url) as backup:
        event_id = site.scalar(mend)
        assert site.bridge("dead", "retry", event_id, "--yes").returncode == 0
        site.drain()
        restore_physical(site, backup)
    site.assert_stops("has gone back in time")
    if is_skipped:
        assert site.bridge("dead", "skip", event_id, "--yes", "--reason", "test").returncode == 0
    assert_recovers(site)
    assert site.rows("select status, event_key from bridge.event_queue order by 1") == [
        ("DEAD", "other"),
        ("PROCESSED", "k"),
    ]
    assert site.rows("select state, deaths from bridge.parked order by 1") == [("dead", 1), ("published", 1)]
    counted = "select sum(event_queue_processed)::int, sum(event_queue_dead)::int from bridge.shard"
    assert site.rows(counted) == [(1, 1)]
    site.scalar(mend)
    assert site.bridge("dead", "retry", "--all", "--yes").stdout == "1 will be tried again\n"
    assert site.start("--until-empty").wait(60) == 0
    audit = site.audit()
    assert audit.is_clean, audit


def test_a_reason_that_postgres_cannot_hold(site: Site) -> None:
    """Whoever may write to the dead-letter topic chooses the reason that is kept."""
    with site.connect() as db:
        db.execute("select bridge.publish_event('thing.changed', 'k', '{\"n\": \"no number\"}')")
    with copy_of(site.settings.database.url) as backup:
        site.start("--until-empty").wait(60)
        backup.restore()
    (letter,) = site.records()[f"{site.name}.dead_letters"]
    servers = site.settings.kafka.bootstrap_servers
    producer = Producer({"bootstrap.servers": servers, "partitioner": "murmur2_random"})  # into the same partition
    forged = list({**letter.headers, "bridge_error": b"a\0b\x1b[2J"}.items())
    producer.produce(f"{site.name}.dead_letters", b"{}", "k", headers=forged)
    producer.flush()
    site.assert_stops("was restored")
    done = site.bridge("recover", "--yes")
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0)
    assert site.scalar("select reason from bridge.parked where state = 'dead'") == "a\N{REPLACEMENT CHARACTER}b\x1b[2J"
    assert "\x1b" not in site.bridge("dead", "list").stdout


def test_two_bridges_of_one_name(site: Site) -> None:
    """A new database under an old name; its events must not be taken for published ones."""
    with copy_of(site.settings.database.url) as empty:
        site.publish(100)
        site.drain()
        empty.restore()
    site.written.clear()
    site.publish(60)
    site.assert_stops("share a relay.name")
    assert_recovers(site)
    audit = site.audit()
    assert len(audit.phantom) == 100
    assert replace(audit, phantom=()).is_clean, audit


def delete(site: Site, what: str) -> None:
    admin = AdminClient({"bootstrap.servers": site.settings.kafka.bootstrap_servers})
    control = site.settings.topics.control
    if what == "records":
        configure(
            admin, ConfigResource.Type.TOPIC, control, "cleanup.policy", "compact,delete"
        )  # or it may not be done
        for future in admin.delete_records([TopicPartition(control, shard, -1) for shard in range(2)]).values():
            future.result(30)
        configure(admin, ConfigResource.Type.TOPIC, control, "cleanup.policy", "compact")
    else:
        admin.delete_topics([control], operation_timeout=30)[control].result(30)
        eventually(lambda: control not in admin.list_topics(timeout=10).topics)
