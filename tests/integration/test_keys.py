"""Keys of any length that Kafka takes: written, recorded, published, dead, listed, retried, skipped."""

from __future__ import annotations

import json
import random
import string

import pytest
from fix_command import data_of
from fix_relay import Site
from psycopg import errors

LONG = 100_000
INSERT = "insert into bridge.event_queue (event_type, event_key, payload) values (%s, %s, %s) returning id::text"


def random_key(length: int = LONG, letters: str = string.ascii_letters + string.digits) -> str:
    """Text that cannot be compressed, so that an index would have to hold it whole."""
    return "".join(random.choices(letters, k=length))


def published(site: Site, topic: str) -> list[str]:
    return [record.key.decode() for record in site.records()[f"{site.name}.{topic}"]]


@pytest.mark.parametrize("length", [2_600, 2_700, 2_800, LONG])
def test_are_published(site: Site, length: int) -> None:
    keys = random_key(length), random_key(length)
    with site.connect() as db:
        db.execute("select bridge.publish_event('thing.changed', %s, '{\"n\": 1}')", (keys[0],))
        db.execute(INSERT, ("thing.changed", keys[1], '{"n": 2}'))
    site.drain()
    assert sorted(published(site, "things")) == sorted(keys)
    assert site.audit().is_clean


def test_of_tracked_tables_are_recorded(site: Site) -> None:
    """As long as the table's own primary key allows; as JSON a key of several columns is longer than in its index."""
    one, two, three = random_key(2_650), random_key(2_650), random_key(2_600, '"a\\')
    with site.connect() as db:
        db.execute("create table public.one (id text primary key, n int)")
        db.execute("create table public.two (id text, part text, n int, primary key (id, part))")
        for table in ("one", "two"):
            db.execute("select bridge.enable_tracking(%s, activity => true)", (f"public.{table}",))
        db.execute("insert into public.one values (%s, 1), (%s, 1)", (one, two))
        db.execute("update public.one set n = 2")
        db.execute("delete from public.one where id = %s", (one,))
        db.execute("insert into public.two values (%s, %s, 1)", (three[:1_300], three[1_300:]))
        history = "select array_agg(action order by seq) from bridge.entity_history('one', %s)"
        assert db.execute(history, (one,)).fetchone() == (["INSERT", "UPDATE", "DELETE"],)
        plan = db.execute("explain " + history, (one,)).fetchall()
        assert "hashtextextended_xid_seq_idx" in str(plan), plan
    site.drain()
    composite = json.dumps([three[:1_300], three[1_300:]])
    assert sorted(published(site, "entity_events")) == sorted(
        [f"one:{one}"] * 3 + [f"one:{two}"] * 2 + [f"two:{composite}"]
    )
    assert site.scalar("select count(*) from bridge.activity_log where entity_id = %s", composite) == 1
    assert site.audit().is_clean


@pytest.mark.parametrize("decision", ["retry", "skip"])
def test_die_and_are_decided_about(site: Site, decision: str) -> None:
    """Events of a key share its fate, and no others: not even those whose keys differ in the last character only."""
    key = random_key()
    other = key[:-1] + ("a" if key[-1] != "a" else "b")
    with site.connect() as db:
        db.execute(INSERT, ("nobody.knows.this", random_key(), "{}"))
        (dead,) = db.execute(INSERT, ("thing.changed", key, '{"n": "no number"}')).fetchone()
        (later,) = db.execute(INSERT, ("thing.changed", key, '{"n": 2}')).fetchone()
        (free,) = db.execute(INSERT, ("thing.changed", other, '{"n": 3}')).fetchone()
    relay = site.start("--until-empty")
    assert relay.wait(60) == 5, site.log(relay)
    assert "1 event waits behind dead events of their keys" in site.log(relay)
    assert published(site, "things") == [other]
    listed = data_of(site.bridge("dead", "list", "--json").stdout)
    assert {event["event_id"] for event in listed} >= {dead}
    assert len(listed) == 2
    assert key[:100] in (text := site.bridge("dead", "list").stdout)
    assert len(text) < 2_000, "a key is cut for the terminal"

    with site.connect() as db:
        db.execute("update bridge.outbox set payload = '{\"n\": 1}' where id = %s", (dead,))
    options = ["--reason", "test"] if decision == "skip" else []
    assert site.bridge("dead", decision, dead, *options).returncode == 0
    site.drain()
    ids = [record.headers["ce_id"] for record in site.records()[f"{site.name}.things"] if record.key == key.encode()]
    assert ids == ([dead, later] if decision == "retry" else [later])
    assert free in {record.headers["ce_id"] for record in site.records()[f"{site.name}.things"]}
    assert site.bridge("dead", "skip", "--all", "--yes", "--reason", "test").returncode == 0
    assert site.audit().is_clean


def test_dead_events_of_tracked_tables_hold_their_keys(site: Site) -> None:
    """Written by hand, because what tracking writes can be encoded."""
    key = random_key()
    insert = (
        "insert into bridge.entity_events (entity_type, entity_id, action, new_state, headers)"
        " values ('thing', %s, 'INSERT', '{}', %s)"
    )
    with site.connect() as db:
        db.execute(insert, (key, "[]"))
        db.execute(insert, (key, "{}"))
        db.execute(insert, (key[:-1], "{}"))
    relay = site.start("--until-empty")
    assert relay.wait(60) == 5, site.log(relay)
    assert published(site, "entity_events") == [f"thing:{key[:-1]}"]
    assert site.scalar("select count(*) from bridge.parked where state = 'dead'") == 1
    assert site.bridge("dead", "skip", "--all", "--yes", "--reason", "test").returncode == 0
    site.drain()
    assert published(site, "entity_events").count(f"thing:{key}") == 1


def test_what_the_views_are_searched_by_has_a_length(site: Site) -> None:
    """Else a view could not be refreshed any more."""
    longest = {"first_name": 200, "last_name": 200, "email": 320}
    letters = "".join(map(chr, range(0x20000, 0x20400)))  # four bytes each
    create = "select crm.fn_create_entity((select id from crm.entity_types where display_name = %s), %s::jsonb)"
    with site.connect() as db:
        for kind, lengths in (
            ("Contact", longest),
            ("Opportunity", {"name": 500}),
            ("Territory", {"name": 500, "region": 200}),
        ):
            fields = {name: random_key(length, letters) for name, length in lengths.items()}
            if "email" in fields:
                fields["email"] = fields["email"][:-2] + "@x"
            db.execute(create, (kind, json.dumps(fields)))
            for name in fields:
                with pytest.raises(errors.CheckViolation, match=f"{name}_has_a_length"):
                    db.execute(create, (kind, json.dumps(fields | {name: "y" + fields[name]})))
        assert db.execute("select bridge.refresh_views()").fetchone() == (3,)
