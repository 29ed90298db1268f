"""`bridge replay`: what was published comes once more, marked, in order, and nothing else changes."""

from __future__ import annotations

import getpass
import socket
from typing import Any

import pytest
from fix_command import data_of
from fix_relay import Site, eventually
from psycopg.conninfo import conninfo_to_dict

ALL = ("--from", "2000-01-01", "--to", "2100-01-01")


def write(site: Site, key: str, *payloads: str) -> list[str]:
    statement = "select bridge.publish_event('thing.changed', %s, %s::jsonb)::text"
    return [site.scalar(statement, key, payload) for payload in payloads]


def replay(site: Site, *more: str, code: int = 0) -> str:
    done = site.bridge("replay", *(more if "--resume" in more else (*ALL, *more)))
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def replayed(site: Site, number: int, topic: str = "things") -> list[str]:
    """The ids of the records of one replay in a topic, in their order."""
    records = site.records()[f"{site.name}.{topic}"]
    return [headers["ce_id"] for _, _, headers, _ in records if headers.get("bridge_replayed") == str(number)]


def first_time(site: Site, topic: str = "things") -> list[str]:
    records = site.records()[f"{site.name}.{topic}"]
    return [headers["ce_id"] for _, _, headers, _ in records if "bridge_replayed" not in headers]


def listed(site: Site) -> list[dict[str, Any]]:
    """The audit rows, the latest first."""
    return list(data_of(site.bridge("replay", "--list", "--json").stdout))


def is_clean(site: Site) -> None:
    found = site.audit()
    assert found.is_clean, found
    verified = site.bridge("verify", "--json")
    assert verified.returncode == 0, verified.stderr


def totals(site: Site) -> Any:
    with site.connect() as db:
        return db.execute(
            "select sum(event_queue_processed), sum(event_queue_dead), sum(entity_events_processed) from bridge.shard"
        ).fetchone()


def parked(site: Site) -> list[tuple[str, int]]:
    with site.connect() as db:
        return db.execute("select state, count(*) from bridge.parked group by 1 order by 1").fetchall()


@pytest.mark.relay("batch_rows = 100")
def test_all_comes_once_more_in_order(site: Site) -> None:
    site.publish(1000)
    site.change(200)
    site.drain()
    before = totals(site)
    assert "1,200 events would be published once more" in replay(site, "--dry-run")
    assert listed(site) == []
    said = replay(site, "--reason", "a consumer lost them")
    assert "Replay 1; if this ends early: bridge replay --resume 1" in said
    assert "1,200 events were handed to the relay, which publishes them with bridge_replayed: 1" in said
    assert site.pending() == 0  # each was published
    shards = data_of(site.bridge("status", "--json").stdout)["shards"]
    assert sum(shard["pending"] for shard in shards) == 1200
    assert {shard["oldest_at"] for shard in shards} == {None}
    site.drain()  # until nothing is pending, replayed ones among it
    assert parked(site) == []
    with site.connect() as db:
        ids = [id for (id,) in db.execute("select id::text from bridge.outbox order by seq").fetchall()]
    assert sorted(replayed(site, 1)) == sorted(ids)
    assert len(replayed(site, 1, "entity_events")) == 200
    is_clean(site)  # which compares the order by key
    assert totals(site) == before
    (row,) = listed(site)
    assert (row["events_parked"], row["events_passed"], row["state"]) == (1200, 0, "finished")
    assert (row["events_open"], row["events_refused"]) == (0, 0)
    assert (row["why"], row["started_by"]) == ("a consumer lost them", conninfo_to_dict(site.url("operator"))["user"])
    assert (row["os_user"], row["host"]) == (getpass.getuser(), socket.gethostname())
    assert "a consumer lost them" in site.bridge("replay", "--list").stdout


def test_what_is_wanted_can_be_told_by_type_key_topic_and_time(site: Site) -> None:
    site.publish(40, keys=4)
    site.publish(30, keys=3, event_type="other.changed")
    site.drain()
    middle = site.scalar("select max(created_at) from bridge.outbox where event_type = 'thing.changed'").isoformat()
    before = int(site.scalar("select count(*) from bridge.outbox where created_at < %s", middle))
    for number, (more, things, others) in enumerate(
        [
            (("--type", "other.changed"), 0, 30),
            (("--topic", f"{site.name}.things"), 40, 0),
            (("--key", "k1"), 10, 10),
            (("--key", "k1", "--key", "k2", "--type", "thing.changed"), 20, 0),
            (("--to", middle), before, 0),
        ],
        1,
    ):
        assert f"{things + others:,} events would be" in replay(site, *more, "--dry-run")
        replay(site, *more)
        site.drain()
        assert len(replayed(site, number)) == things
        assert len(replayed(site, number, "others")) == others
    is_clean(site)
    assert "no route names the topic 'nowhere'" in replay(site, "--topic", "nowhere", code=4)
    assert "no route takes the event type 'thing.chnged'" in replay(site, "--type", "thing.chnged", code=4)
    assert replay(site, "--from", "2100-01-02", code=2)
    assert len(listed(site)) == 5
    assert "Replay 5 is finished: there is nothing to go on with" in replay(site, "--resume", "5")


def test_what_is_being_replayed_is_passed(site: Site) -> None:
    site.publish(50)
    site.drain()
    replay(site)
    assert "50 are being replayed already" in replay(site, "--dry-run")
    assert "50 were passed" in replay(site)
    site.drain()
    assert (len(replayed(site, 1)), replayed(site, 2)) == (50, [])
    replay(site)
    site.drain()
    assert len(replayed(site, 3)) == 50
    is_clean(site)


def test_only_what_was_published_is(site: Site) -> None:
    """A key with a dead event, others that wait behind it, and one that nobody has read."""
    first, dead, *waiting = write(site, "k", '{"n": 1}', '{"n": "no number"}', '{"n": 3}', '{"n": 4}')
    relay = site.start("--until-empty")
    assert relay.wait(60) == 5, site.log(relay)
    (unread,) = write(site, "other", '{"n": 5}')
    assert "4 were not published before" in replay(site, "--dry-run")
    assert "1 event was handed" in replay(site)
    relay = site.start("--until-empty")
    assert relay.wait(60) == 5, site.log(relay)
    assert replayed(site, 1) == [first]
    assert sorted(first_time(site)) == sorted([first, unread])
    with site.connect() as db:
        db.execute("update bridge.outbox set payload = '{\"n\": 2}' where id = %s", (dead,))
    assert site.bridge("dead", "retry", dead).returncode == 0
    site.drain()
    assert parked(site) == [("published", 1)]
    replay(site)
    site.drain()
    assert [id for id in replayed(site, 2) if id != unread] == [first, dead, *waiting]
    assert parked(site) == [("published", 1)]  # that it had been dead is not forgotten
    is_clean(site)


def test_what_was_erased_is_passed(site: Site) -> None:
    write(site, "gone", '{"n": 1}', '{"n": 2}')
    (kept,) = write(site, "kept", '{"n": 3}')
    site.drain()
    with site.connect() as db:
        db.execute(
            "update bridge.outbox set payload = '{}', headers = '{\"bridge_erased\": \"x\"}' where event_key = 'gone'"
        )
    assert "2 have no route any more, or were erased" in replay(site, "--dry-run")
    assert "2 were passed" in replay(site)
    site.drain()
    assert replayed(site, 1) == [kept]
    assert replayed(site, 1, "dead_letters") == []


def test_what_cannot_be_published_any_more_is_refused_and_holds_nothing_up(site: Site) -> None:
    first, spoilt, last = write(site, "k", '{"n": 1}', '{"n": 2}', '{"n": 3}')
    site.drain()
    with site.connect() as db:
        db.execute('update bridge.outbox set payload = \'{"n": "no number"}\' where id = %s', (spoilt,))
    replay(site)
    before = totals(site)
    assert f"event {spoilt} (thing.changed) cannot be replayed" in site.drain()
    assert replayed(site, 1) == [first, last]
    assert replayed(site, 1, "dead_letters") == [spoilt]
    (row,) = listed(site)
    assert (row["events_open"], row["events_refused"]) == (0, 1)
    assert site.scalar("select status from bridge.event_queue where id = %s", spoilt) == "PROCESSED"
    assert totals(site) == before
    assert site.bridge("dead", "list").stdout == ""
    assert site.bridge("verify").returncode == 0
    with site.connect() as db:
        db.execute("update bridge.outbox set payload = '{\"n\": 2}' where id = %s", (spoilt,))
    replay(site)
    site.drain()
    assert replayed(site, 2) == [first, spoilt, last]
    assert parked(site) == []
    is_clean(site)


def test_a_topic_that_is_held_keeps_its_own(site: Site) -> None:
    site.publish(30, keys=3, event_type="other.changed")
    site.publish(30, keys=3)
    site.drain()
    schema = site.config.parent / "schemas" / f"{site.name}.others-test.Thing.avsc"
    right = schema.read_text()
    schema.write_text(right.replace('"long"', '"bytes"'))  # the registry refuses it
    relay = site.start()
    replay(site)
    eventually(lambda: parked(site) == [("replayed", 30)])
    assert len(replayed(site, 1)) == 30
    site.publish(10, keys=3)  # new events of other topics go on
    eventually(lambda: site.pending() == 0)
    eventually(lambda: "is held" in site.log(relay))
    site.end(relay)
    schema.write_text(right)
    site.drain()
    assert parked(site) == []
    assert len(replayed(site, 1, "others")) == 30
    is_clean(site)


def test_what_has_left_is_told(site: Site) -> None:
    site.publish(5)
    site.drain()
    with site.connect() as db:
        db.execute(
            "insert into bridge.retired_partition"
            "       (parent, leaf, relation, range_from, range_to, expiry, state, rows, location)"
            " values ('bridge.outbox', 'bridge.gone', 0, '2001-01-01Z', '2001-01-02Z', 'files', 'dropped', 7, 'x')"
        )
    said = replay(site, "--dry-run")
    assert "1 table partition of bridge.outbox departed, of 2001-01-01 00:00+00:00 to 2001-01-02 00:00+00:00" in said
    assert "7 events as far as they were counted: they cannot be replayed" in said
    assert "bridge archive restore" not in said, "somebody has dropped it before it had cold files"
    with site.connect() as db:
        db.execute("update bridge.retired_partition set checksum = '0'")
    assert "bridge archive restore" in replay(site, "--dry-run")
    assert "departed" not in replay(site, "--from", "2002-01-01", "--dry-run")


def test_its_events_stay_until_it_is_done(site: Site) -> None:
    site.publish(5)
    site.drain()
    replay(site)
    leaf = site.scalar("select tableoid::regclass::text from bridge.outbox limit 1")
    obstacle = "select bridge.retirement_obstacle(%s::regclass, now() - interval '1 day', now() + interval '1 day')"
    with site.connect() as db:
        db.execute("update bridge.finished set up_to = 'infinity'")
    assert site.scalar(obstacle, leaf) == "5 of its events are parked: dead, or waiting"
    with site.connect() as db:
        db.execute("delete from bridge.parked")
    assert site.scalar(obstacle, leaf) is None


def test_shards_cannot_be_changed_meanwhile_and_a_replay_goes_where_its_keys_go(site: Site) -> None:
    site.publish(50)
    site.drain()
    replay(site)
    with site.connect() as db, pytest.raises(Exception, match="50 events are still to be published"):
        db.execute("select bridge.set_shard_count(3)")
    site.drain()
    with site.connect() as db:
        db.execute("select bridge.set_shard_count(3)")
    site.publish(20)
    site.drain()
    replay(site)
    assert site.scalar("select count(distinct shard) from bridge.parked") > 1
    site.drain()
    assert len(replayed(site, 2)) == 70
    is_clean(site)


def test_a_stopped_shard_is_left_alone(site: Site) -> None:
    site.publish(5)
    site.drain()
    with site.connect() as db:
        for shard in (1, 0):  # in any order of the rows, it is the first
            db.execute("update bridge.shard set stopped = 'because' where shard = %s", [shard])
    assert "shard 0 is stopped, so nobody knows which of its events were published" in replay(site, code=3)
    with site.connect() as db:
        db.execute("update bridge.shard set stopped = null")
    replay(site, "--resume", "1")
    site.drain()
    assert len(replayed(site, 1)) == 5
    is_clean(site)
