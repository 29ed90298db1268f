"""Dead events: the later events of their key wait for a person's decision, and arrive in order after it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import Any
from uuid import uuid4

import pytest
from at_length import at_length
from fix_command import data_of
from fix_relay import Site, eventually

QUICK = "batch_rows = 4"
TOO_LATE = '{"n": "no number"}'


def write(site: Site, key: str, *payloads: str) -> list[str]:
    statement = "select bridge.publish_event('thing.changed', %s, %s::jsonb)::text"
    return [site.scalar(statement, key, payload) for payload in payloads]


def published(site: Site, key: str) -> list[str]:
    """The ids of a key's records in the topic, in their order."""
    records = site.records()[f"{site.name}.things"]
    return [headers["ce_id"] for _, record_key, headers, _ in records if record_key == key.encode()]


def dead_ones(site: Site) -> int:
    return int(site.scalar("select count(*) from bridge.parked where state = 'dead'"))


def status(site: Site) -> dict[str, Any]:
    return dict(data_of(site.bridge("status", "--json").stdout))


def drain_held(site: Site) -> str:
    relay = site.start("--until-empty")
    assert relay.wait(60) == 5, site.log(relay)
    return site.log(relay)


def retry_with_number(site: Site, event_id: str) -> None:
    """What was wrong with the event is mended, and it is retried."""
    with site.connect() as db:
        db.execute("update bridge.outbox set payload = '{\"n\": 1}' where id = %s", (event_id,))
    assert site.bridge("dead", "retry", event_id).returncode == 0


@pytest.mark.relay(QUICK)
@pytest.mark.parametrize("gap", [0, 30], ids=["same batch", "later batches"])
def test_later_events_of_the_key_wait_until_it_is_retried(site: Site, gap: int) -> None:
    first, dead = write(site, "k", '{"n": 1}', TOO_LATE)
    site.publish(gap)
    later = write(site, "k", '{"n": 3}', '{"n": 4}')
    assert "2 events wait behind dead events of their keys" in drain_held(site)
    assert published(site, "k") == [first]
    assert site.pending() == 2
    (listed,) = data_of(site.bridge("dead", "list", "--json").stdout)
    assert (listed["event_id"], listed["event_key"], listed["waits_behind"]) == (dead, "k", "key")
    retry_with_number(site, dead)
    site.drain()
    assert published(site, "k") == [first, dead, *later]
    assert dead_ones(site) == 0


@pytest.mark.relay(QUICK)
def test_an_idle_relay_notices_a_retry(site: Site) -> None:
    (dead,) = write(site, "k", TOO_LATE)
    relay = site.start()
    eventually(lambda: dead_ones(site) == 1)
    later = write(site, "k", '{"n": 2}')
    site.publish(100)
    eventually(lambda: site.pending() == 1)
    retry_with_number(site, dead)
    eventually(lambda: site.pending() == 0)
    assert published(site, "k") == [dead, *later]
    site.end(relay)


@pytest.mark.relay(QUICK)
def test_events_written_around_a_retry_stay_in_order(site: Site) -> None:
    """What waits and what is new become visible in one snapshot; the new one must not go first."""
    (dead,) = write(site, "k", TOO_LATE)
    relay = site.start()
    eventually(lambda: dead_ones(site) == 1)
    ids = write(site, "k", *['{"n": 1}'] * 20)
    site.publish(50)
    eventually(lambda: site.pending() == 20)
    with site.connect() as db, db.transaction():
        db.execute("update bridge.outbox set payload = '{\"n\": 1}' where id = %s", (dead,))
        db.execute("select bridge.retry_dead(%s)", (dead,))
        (new,) = db.execute("select bridge.publish_event('thing.changed', 'k', '{\"n\": 9}')::text").fetchone()
    eventually(lambda: site.pending() == 0)
    assert published(site, "k") == [dead, *ids, new]
    site.end(relay)


@pytest.mark.relay(QUICK)
def test_skipping_lets_the_rest_go_on(site: Site) -> None:
    (dead,) = write(site, "k", TOO_LATE)
    later = write(site, "k", '{"n": 2}', '{"n": 3}')
    drain_held(site)
    assert site.bridge("dead", "skip", "--all", "--yes", "--reason", "an old test").stdout == "1 given up\n"
    site.drain()
    assert published(site, "k") == later
    status, message = site.scalar("select (status, error_message)::text from bridge.event_queue where id = %s", dead)[
        1:-1
    ].split(",", 1)
    assert status == "DEAD"
    assert "skipped: an old test" in message


@pytest.mark.relay(QUICK)
def test_it_may_die_again(site: Site) -> None:
    (dead,) = write(site, "k", TOO_LATE)
    later = write(site, "k", '{"n": 2}')
    for _ in range(2):
        drain_held(site)
        assert site.bridge("dead", "retry", "--all", "--yes").stdout == "1 will be tried again\n"
    retried = drain_held(site)
    assert "1 event waits" in retried
    verdict = subprocess.run(
        [sys.executable, "-m", "bridge", "verify", "--config", str(site.config)], capture_output=True, text=True
    )
    assert verdict.returncode == 0, verdict.stdout
    assert len(site.records()[f"{site.name}.dead_letters"]) == 3
    assert site.scalar("select sum(event_queue_dead)::int from bridge.shard") == 1
    retry_with_number(site, dead)
    site.drain()
    assert published(site, "k") == [dead, *later]


@pytest.mark.relay(QUICK, 'on_dead = "skip"')
def test_on_dead_skip_holds_nothing(site: Site) -> None:
    (dead,) = write(site, "k", TOO_LATE)
    later = write(site, "k", '{"n": 2}')
    site.drain()
    assert published(site, "k") == later
    assert f"{dead}  thing.changed  k" in site.bridge("dead", "list").stdout


@pytest.mark.relay(QUICK)
@pytest.mark.parametrize("name", ["claimed", "produced", "published", "settled"])
def test_a_key_stays_held_when_the_relay_is_killed(site: Site, name: str) -> None:
    first, _ = write(site, "k", '{"n": 1}', TOO_LATE)
    write(site, "k", '{"n": 3}')
    relay = site.start(failpoint=f"{name}:kill")
    assert relay.wait(60) == -signal.SIGKILL, site.log(relay)
    write(site, "k", '{"n": 4}')
    drain_held(site)
    assert published(site, "k") == [first]
    assert len(site.records()[f"{site.name}.dead_letters"]) == 1
    assert site.pending() == 2


@pytest.mark.relay(QUICK)
def test_change_history_is_held_by_its_own_key(site: Site) -> None:
    """An event too large for its topic: the entity's later changes wait, other entities' do not."""
    statement = (
        "insert into bridge.entity_events (entity_type, entity_id, action, new_state) values ('thing', %s, %s, %s)"
    )
    with site.connect() as db:
        db.execute(statement, ("1", "INSERT", json.dumps({"text": "x" * 3_000_000})))
        db.execute(statement.replace("new_state", "previous_state"), ("1", "DELETE", "{}"))
        db.execute(statement, ("2", "INSERT", "{}"))
        db.execute("select bridge.publish_event('thing.changed', 'thing:1', '{\"n\": 1}')")
    drain_held(site)
    assert site.pending() == 1
    assert published(site, "thing:1")
    assert len(site.records()[f"{site.name}.entity_events"]) == 1


def test_shards_are_not_changed_while_events_wait(site: Site) -> None:
    write(site, "k", TOO_LATE, '{"n": 2}')
    drain_held(site)
    with site.connect() as db, pytest.raises(Exception, match="1 events are still to be published"):
        db.execute("select bridge.set_shard_count(7)")
    site.bridge("dead", "skip", "--all", "--yes", "--reason", "test")
    site.drain()
    with site.connect() as db:
        db.execute("select bridge.set_shard_count(7)")


@pytest.mark.relay(QUICK)
@pytest.mark.parametrize("shards", [7, *at_length(1)])
@pytest.mark.parametrize("decision", ["retry", "skip"])
def test_a_dead_event_goes_to_its_keys_new_shard(site: Site, shards: int, decision: str) -> None:
    """It still goes first when the number of shards was changed meanwhile, also before what was written since."""
    ids = {key: write(site, key, TOO_LATE)[0] for key in ("a", "b", "c", "d")}
    site.drain()
    with site.connect() as db:
        db.execute("select bridge.set_shard_count(%s)", (shards,))
    for key in ids:
        assert site.scalar("select shard from bridge.parked where event_id = %s", ids[key]) == site.scalar(
            "select bridge.shard_of(%s)", key
        )
    later = {key: write(site, key, '{"n": 2}')[0] for key in ids}
    drain_held(site)
    assert site.pending() == len(later)
    for event_id in ids.values():
        if decision == "retry":
            retry_with_number(site, event_id)
        else:
            assert site.bridge("dead", "skip", event_id, "--reason", "test").returncode == 0
    site.drain()
    for key, event_id in ids.items():
        assert published(site, key) == ([event_id, later[key]] if decision == "retry" else [later[key]])
    (total,) = [total for total in status(site)["sources"] if total["source"] == "event_queue"]
    assert total == {"source": "event_queue", "pending": 0} | (
        {"processed": 8, "dead": 0} if decision == "retry" else {"processed": 4, "dead": 4}
    )
    assert site.audit().is_clean


def test_what_is_not_dead_cannot_be_decided_about(site: Site) -> None:
    unknown = str(uuid4())
    result = site.bridge("dead", "retry", unknown)
    assert result.returncode == 1
    assert result.stdout == "0 will be tried again\n"
    assert result.stderr == f"bridge: {unknown} is no dead event, or was decided about already\n"
    assert site.bridge("dead", "skip", unknown).returncode == 2
    assert site.bridge("dead", "retry").returncode == 2
    assert site.bridge("dead", "retry", "x").returncode == 2
    assert site.bridge("dead", "list").stderr == "No dead events.\n"


@pytest.mark.relay(QUICK)
def test_an_event_that_comes_due_does_not_wait_behind_a_later_one(site: Site) -> None:
    """Earlier than the dead one of its key, and read together with it; published when its time has come."""
    relay = site.start()
    eventually(lambda: site.scalar("select count(owner) from bridge.shard") == 2)
    with site.connect() as db, db.transaction():
        (first,) = db.execute(
            "insert into bridge.event_queue (event_type, event_key, payload, available_at) "
            "values ('thing.changed', 'k', '{\"n\": 1}', now() + interval '1 hour') returning id::text"
        ).fetchone()
        db.execute("select bridge.publish_event('thing.changed', 'k', %s)", (TOO_LATE,))
    eventually(lambda: dead_ones(site) == 1)
    assert site.scalar("select state from bridge.parked where event_id = %s", first) == "deferred"
    site.come_due()
    eventually(lambda: site.pending() == 0)
    assert published(site, "k") == [first]
    site.end(relay)


@pytest.mark.relay(QUICK)
def test_an_idle_relay_notices_a_skip(site: Site) -> None:
    """An event for later, of the same shard and before the dead one, changes nothing about it."""
    with site.connect() as db:
        db.execute("select bridge.set_shard_count(1)")
        db.execute(
            "insert into bridge.event_queue (event_type, event_key, payload, available_at) "
            "values ('thing.changed', 'later', '{\"n\": 1}', now() + interval '1 hour')"
        )
    relay = site.start()
    (dead,) = write(site, "k", TOO_LATE)
    later = write(site, "k", '{"n": 2}')
    eventually(lambda: dead_ones(site) == 1 and site.pending() == 2)
    assert site.scalar("select bridge.skip_dead(%s, 'test')", dead) is True
    eventually(lambda: site.pending() == 1)
    assert published(site, "k") == later
    site.end(relay)


def test_text_of_writers_cannot_steer_a_terminal(site: Site) -> None:
    """Neither in what commands print, nor in the log; and no line can be forged."""
    evil = "\x1b[2J\u202e\nforged [red]\x9b"
    id_ = site.scalar("select bridge.publish_event(%s, %s, '{}')::text", evil, evil)
    relay = site.start("--until-empty")
    relay.wait(60)
    assert id_ in site.log(relay)
    said = [site.bridge(*arguments.split()) for arguments in ("dead list", "dead list --json", "status", "verify")]
    said.append(site.bridge("tail", f"{site.name}.dead_letters", "--from-beginning", "--exit-on-end"))
    for text in [site.log(relay), *(done.stdout + done.stderr for done in said)]:
        assert text.replace("\n", "").isprintable()
        assert "\nforged" not in text
    assert r"\x1b[2J\u202e\x0aforged [red]\x9b" in said[0].stdout
    assert data_of(said[1].stdout)[0]["event_type"] == evil


@pytest.mark.relay(QUICK, 'on_dead = "stop"')
@pytest.mark.parametrize("decision", ["retry", "skip"])
def test_on_dead_stop_stops_its_topic(site: Site, decision: str) -> None:
    """All keys in all shards, until a person decides; other topics flow, and it is shown why this one does not."""
    (first,) = write(site, "before", '{"n": 1}')
    (dead,) = write(site, "k", TOO_LATE)
    relay = site.start()
    eventually(lambda: dead_ones(site) == 1)
    site.publish(40)
    site.publish(10, event_type="other.changed")
    eventually(lambda: site.scalar("select count(*) from bridge.parked where state = 'waiting'") == 40)
    eventually(lambda: site.pending() == 40)
    assert {value.decode() for _, value, _, _ in site.records()[f"{site.name}.things"]} == {"before"}
    assert status(site)["needs_person"]
    (stopped,) = status(site)["stopped_topics"]
    assert (stopped["topic"], stopped["event_id"], stopped["waiting"]) == (f"{site.name}.things", dead, 40)
    shown = site.bridge("status")
    assert shown.returncode == 5
    assert f"topic {site.name}.things is stopped by event {dead} (dead)" in shown.stdout
    assert "40 later events wait" in shown.stdout
    site.end(relay, code=0)
    assert "40 events wait behind dead events" in drain_held(site)
    relay = site.start()
    if decision == "retry":
        retry_with_number(site, dead)
    else:
        assert site.bridge("dead", "skip", dead, "--reason", "test").returncode == 0
    eventually(lambda: site.pending() == 0)
    assert published(site, "before") == [first]
    assert published(site, "k") == ([dead] if decision == "retry" else [])
    assert status(site)["stopped_topics"] == []
    site.written.update([first, dead])
    site.end(relay)
    assert site.audit().is_clean


@pytest.mark.relay(QUICK, 'on_dead = "stop"')
def test_what_waits_for_a_stopped_shard_waits_for_a_person(site: Site) -> None:
    """The event that was retried does not come before `bridge recover`, nor do others of its topic in other shards."""
    (dead,) = write(site, "k", TOO_LATE)
    relay = site.start()
    eventually(lambda: dead_ones(site) == 1)
    site.publish(40)
    eventually(lambda: site.scalar("select count(*) from bridge.parked where state = 'waiting'") == 40)
    site.end(relay)
    retry_with_number(site, dead)
    with site.connect() as db:
        db.execute("update bridge.shard set stopped = 'a test' where shard = bridge.shard_of('k')")
    assert "a test" in drain_held(site)
    with site.connect() as db:
        db.execute("update bridge.shard set stopped = null")
    relay = site.start("--until-empty")
    assert relay.wait(60) == 0, site.log(relay)
    site.written.add(dead)
    assert site.audit().is_clean
