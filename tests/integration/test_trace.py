"""`bridge trace`: where an event is, and why it waits; never a payload."""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import UTC
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from fix_command import Run, data_of
from fix_relay import Site, eventually
from reaction import publish

CANARY = "S3CR3T"
HOSTILE = 'k"\n\x1b[2J\u202e:ü'
Traced = Callable[..., str]


@pytest.fixture
def trace(site: Site, run: Run) -> Traced:
    """Runs the command, and returns what it prints."""

    def traced(*arguments: str, code: int = 0) -> str:
        done = run("trace", *arguments, "--config", str(site.config))
        assert done.code == code, done
        assert CANARY not in done.out + done.err
        assert "\x1b" not in done.out
        return done.out

    return traced


def id_at(site: Site, place: dict[str, Any]) -> tuple[str, int]:
    """The event's id and the schema's of the record at this place."""
    consumer = Consumer({"bootstrap.servers": site.settings.kafka.bootstrap_servers, "group.id": "test"})
    try:
        consumer.assign([TopicPartition(place["topic"], place["partition"], place["offset"])])
        message = eventually(lambda: consumer.poll(1))
        assert message.error() is None
        return dict(message.headers())["ce_id"].decode(), int.from_bytes(message.value()[1:5], "big")
    finally:
        consumer.close()


def test_an_event_is_followed_to_its_offset(site: Site, trace: Traced) -> None:
    """Unread, unknown, in an open transaction, published; a change; a hostile key."""
    (early,) = publish(site, ("thing.changed", HOSTILE, f'{{"n": 1, "text": "{CANARY}"}}'))
    unread = trace(early, code=5)
    assert "Waits: no relay is at work" in unread
    assert "bridge run" in unread
    unknown = trace(str(uuid4()), code=1)
    assert unknown.startswith("There is no such event")
    assert "rolled back" in unknown
    with site.connect() as other, other.transaction():
        row = other.execute("select bridge.publish_event('thing.changed', 'late', '{\"n\": 1}', '{}')::text").fetchone()
        assert row is not None
        assert f"process {other.info.backend_pid}" in trace(row[0], code=1)
        site.change(3)
        site.drain()
    assert "Waits: " in trace(row[0], code=5)  # its number is below the cursor, and it was not read
    with site.connect() as db:
        changes = [str(id_) for (id_,) in db.execute("select id from bridge.history").fetchall()]
    for id_ in (early, *changes):
        found = data_of(trace(id_, "--json"))
        place = found["look"]["place"]
        assert id_at(site, place) == (id_, place["schema_id"])
        assert found["outcome"] == "published"
        assert found["published_at"] is not None
    text = trace(early)
    assert text.startswith(f"Published to {site.name}.things[")
    assert "after it was written" in text
    assert "in batch" in text
    assert "schema id" in text
    (line,) = trace("--key", HOSTILE).splitlines()
    assert early in line
    assert "Published" in line
    nobody = trace("--key", "nobody's", code=1)
    assert "No event" in nobody
    assert "<name>:<key>" in nobody
    assert all(any(id_ in trace("--key", f"thing:{n}") for n in (1, 2, 3)) for id_ in changes)


def test_what_waits_is_told_with_what_it_waits_behind(site: Site, trace: Traced, run: Run) -> None:
    """Dead, behind a dead one, deferred, skipped; and in a shard that is stopped."""
    dead, behind = publish(site, ("thing.changed", "a", f'{{"n": "{CANARY}"}}'), ("thing.changed", "a", '{"n": 2}'))
    deferred = str(
        site.scalar(
            "insert into bridge.event_queue (event_type, event_key, payload, available_at)"
            " values ('thing.changed', 'due', '{\"n\": 1}', now() + interval '1 hour') returning id"
        )
    )
    relay = site.start()
    eventually(lambda: site.scalar("select count(*) from bridge.parked") == 3)
    site.wait_for_markers()
    told = trace(dead, code=5)
    assert told.startswith("Dead: ")
    assert "bridge dead show" in told
    assert f"{site.name}.dead_letters[" in told
    told = trace(behind, code=5)
    assert told.startswith("Waits: ")
    assert f"behind event {dead}" in told
    assert "available_at" in trace(deferred)
    latest, first = trace("--key", "a", code=5).splitlines()
    assert behind in latest
    assert dead in latest
    assert "Dead" in first
    assert "No event" in trace("--key", "a", "--topic", "elsewhere", code=1)
    assert run("dead", "skip", dead, "--reason", "tried", "--config", str(site.config)).code == 0
    eventually(lambda: site.pending() == 1)
    skipped = trace(dead)
    assert skipped.startswith("Dead, and given up")
    assert "tried" in skipped
    decided = site.scalar(f"select decided_at from bridge.dead_decision where event_id = '{dead}'")
    assert f"{decided.astimezone(UTC):%H:%M:%S}Z" in skipped.splitlines()[0]
    site.end(relay)
    site.wait_for_markers()
    told = trace(behind)
    assert told.startswith("Published to ")
    assert "after it had waited" in told.splitlines()[0]  # not so soon as its batch was published
    with site.connect() as db:
        db.execute("update bridge.shard set stopped = 'somebody said so'")
    (late,) = publish(site, ("thing.changed", "b", '{"n": 2}'))
    told = trace(late, code=5)
    assert "is stopped: somebody said so" in told
    assert "bridge recover" in told


def test_what_has_left_and_what_kafka_lacks(
    site: Site, trace: Traced, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An erased event, one whose partition was taken out, a topic that is gone, and a Kafka that is away."""
    erased, other = publish(site, ("thing.changed", "a", '{"n": 1}'), ("other.changed", "b", '{"n": 1}'))
    assert site.start(failpoint="published:kill").wait(60) == -signal.SIGKILL
    eventually(lambda: site.scalar("select count(*) from bridge.relay where seen_until >= clock_timestamp()") == 0)
    in_flight = [data_of(trace(id_, "--json", code=5)) for id_ in (erased, other)]
    assert any(found["row"]["is_in_flight"] and "Kafka may have it already" in found["answer"] for found in in_flight)
    assert not any(found["row"]["is_read"] for found in in_flight)
    site.drain()
    assert run("erase", "a", "--yes", "--config", str(site.config)).code == 0
    assert "erased: certificate" in trace(erased)
    admin = AdminClient({"bootstrap.servers": site.settings.kafka.bootstrap_servers})
    admin.delete_topics([f"{site.name}.others"])[f"{site.name}.others"].result(30)
    eventually(lambda: f"{site.name}.others" not in admin.list_topics(timeout=5).topics)
    assert "there is no topic" in trace(other)
    with monkeypatch.context() as changed:
        changed.setenv("BRIDGE_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
        away = trace(erased, code=3)
    assert "Published" in away
    assert "no Kafka broker answers" in away
    leaf = site.scalar("select tableoid::regclass::text from bridge.outbox where id = %s", erased)
    with site.connect() as db:
        db.execute(f"alter table bridge.outbox detach partition {leaf}")
        db.execute(
            "insert into bridge.retired_partition (parent, leaf, relation, range_from, range_to, expiry)"
            " values ('bridge.outbox', %s, %s::regclass, now() - interval '1 day', now() + interval '1 day', 'detach')",
            (leaf, leaf),
        )
    assert "events of that time have left" in trace(erased, code=1)  # rights on the whole are none on what has left it
    with site.connect() as db:
        db.execute(f"grant select on {leaf} to {site.roles.name('reader')}")
    left = trace(erased)
    assert left.startswith("Its row has left the database")
    assert leaf in left
    assert f"Published to {site.name}.things[" in trace(erased, "--topic", f"{site.name}.things")
    with site.connect() as db:
        db.execute(f"drop table {leaf}")
        db.execute("update bridge.retired_partition set state = 'dropped', expiry = 'drop'")
    assert "was taken out" in trace(erased, code=1)
    with site.connect() as db:
        db.execute("update bridge.retired_partition set expiry = 'files', location = '/cold', state = 'dropped'")
    assert ", and dropped" in trace(erased, code=1), "somebody did, before it had cold files"
    with site.connect() as db:
        db.execute("update bridge.retired_partition set checksum = '0'")
    assert "is in cold files at /cold" in trace(erased, code=1)
