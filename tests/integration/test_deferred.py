"""Events that are to wait for their time: published when it has come and not before, in nobody's way."""

from __future__ import annotations

import signal

import pytest
from fix_relay import Site, eventually

INSERT = (
    "insert into bridge.event_queue (event_type, event_key, payload, available_at)"
    " values ('thing.changed', %s, '{\"n\": 1}', clock_timestamp() + %s::interval) returning id::text"
)


def defer(site: Site, key: str, interval: str) -> str:
    return str(site.scalar(INSERT, key, interval))


def published(site: Site, key: str) -> list[str]:
    """The ids of a key's records in the topic, in their order."""
    records = site.records()[f"{site.name}.things"]
    return [headers["ce_id"] for _, record_key, headers, _ in records if record_key == key.encode()]


def early(site: Site) -> int:
    """Events that were published before their time, by a clock that is read after the snapshot that shows them."""
    query = "select count(*) from bridge.event_queue where status = 'PROCESSED' and available_at > clock_timestamp()"
    return int(site.scalar(query))


def deferred(site: Site) -> int:
    return int(site.scalar("select count(*) from bridge.parked where state = 'deferred'"))


def wait_for_taken(site: Site) -> None:
    eventually(lambda: site.scalar("select count(owner) = count(*) from bridge.shard"))


@pytest.mark.relay("batch_rows = 10")
def test_are_published_when_due_and_not_before(site: Site) -> None:
    """Whatever order their times are in, each while others flow; an idle relay wakes up for them."""
    relay = site.start()
    wait_for_taken(site)
    ids = [defer(site, f"k{number}", f"{2 + number % 3} seconds") for number in range(40)]
    site.publish(30)
    is_due = "select clock_timestamp() >= max(available_at) from bridge.event_queue"
    while not site.scalar(is_due):
        assert early(site) == 0
    eventually(lambda: site.pending() == 0)
    assert site.scalar("select count(*) from bridge.parked") == 0
    found = site.assert_exactly_once(relay)
    assert found.published == 70
    assert {headers["ce_id"] for _, _, headers, _ in site.records()[f"{site.name}.things"]} >= set(ids)


def test_do_not_block_their_key(site: Site) -> None:
    relay = site.start()
    wait_for_taken(site)
    late = defer(site, "k", "1 hour")
    soon = [str(site.scalar("select bridge.publish_event('thing.changed', 'k', '{\"n\": 2}')::text")) for _ in range(3)]
    eventually(lambda: site.pending() == 1)
    assert deferred(site) == 1
    assert published(site, "k") == soon
    site.come_due()
    eventually(lambda: site.pending() == 0)
    assert published(site, "k") == [*soon, late]
    assert site.assert_exactly_once(relay).published == 4


def test_one_whose_time_has_come_before_it_is_read_keeps_its_place(site: Site) -> None:
    past = defer(site, "k", "-1 second")
    new = str(site.scalar("select bridge.publish_event('thing.changed', 'k', '{\"n\": 2}')::text"))
    site.drain()
    assert published(site, "k") == [past, new]
    assert site.scalar("select count(*) from bridge.parked") == 0


@pytest.mark.parametrize("name", ["claimed", "produced", "published", "settled"])
def test_survive_a_relay_that_is_killed(site: Site, name: str) -> None:
    """Also where the batch that parks them was the one that it was killed in."""
    ids = [defer(site, f"k{number}", "1 hour") for number in range(5)]
    relay = site.start(failpoint=f"{name}:kill")
    site.publish(20)
    assert relay.wait(60) == -signal.SIGKILL, site.log(relay)
    relay = site.start()
    eventually(lambda: deferred(site) == 5)
    assert early(site) == 0
    site.come_due()
    eventually(lambda: site.pending() == 0)
    found = site.assert_exactly_once(relay)
    assert found.published == 25
    assert {headers["ce_id"] for _, _, headers, _ in site.records()[f"{site.name}.things"]} >= set(ids)


def test_survive_a_restart(site: Site) -> None:
    """A relay that does not know when it is due asks at its takeover; one that ends does not wait for it."""

    def is_published() -> bool:
        assert early(site) == 0
        return published(site, "k") == [late]

    late, hour = defer(site, "k", "1 hour"), defer(site, "l", "1 hour")
    relay = site.start()
    eventually(lambda: deferred(site) == 2)
    site.end(relay)
    with site.connect() as db, db.transaction():
        db.execute("update bridge.outbox set available_at = now() + interval '3 seconds' where id = %s", (late,))
        db.execute("update bridge.parked set due_at = now() + interval '3 seconds' where event_id = %s", (late,))
    relay = site.start()
    eventually(is_published)
    eventually(lambda: deferred(site) == 1)
    site.end(relay)
    assert site.scalar("select event_id::text from bridge.parked") == hour
    assert site.audit().is_clean


@pytest.mark.relay("batch_rows = 50")
def test_many_that_come_due_at_once(site: Site) -> None:
    """More than a batch; new events go on meanwhile."""
    insert = (
        "insert into bridge.event_queue (event_type, event_key, payload, available_at)"
        " select 'thing.changed', 'd' || g, '{\"n\": 1}', clock_timestamp() + interval '1 hour'"
        " from generate_series(1, 1000) g"
    )
    relay = site.start()
    wait_for_taken(site)
    with site.connect() as db:
        db.execute(insert)
    eventually(lambda: deferred(site) == 1000)
    site.come_due()
    eventually(lambda: deferred(site) < 1000)
    for _ in range(5):
        site.publish(100)
    eventually(lambda: site.pending() == 0)
    assert site.assert_exactly_once(relay).published == 1500


@pytest.mark.relay("batch_rows = 4")
def test_one_waits_behind_a_dead_event_of_its_key_even_when_due(site: Site) -> None:
    dead = str(site.scalar("select bridge.publish_event('thing.changed', 'k', '{\"n\": \"x\"}')::text"))
    relay = site.start()
    eventually(lambda: site.scalar("select count(*) from bridge.parked where state = 'dead'") == 1)
    late, free = defer(site, "k", "2 seconds"), defer(site, "l", "2 seconds")
    eventually(lambda: published(site, "l") == [free])
    eventually(lambda: site.pending() == 1)
    assert site.bridge("dead", "skip", dead, "--reason", "test").returncode == 0
    eventually(lambda: site.pending() == 0)
    assert published(site, "k") == [late]
    site.end(relay)
