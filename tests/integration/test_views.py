"""What people see and write: the views over the outbox and the history, which nothing ever changes."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from fix_relay import Site, eventually
from psycopg.rows import dict_row

TOO_LATE = '{"n": "no number"}'
INSERT = "insert into bridge.event_queue (event_type, event_key, payload) values ('thing.changed', %s, %s)"


@pytest.fixture
def db(database: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database, autocommit=True) as conn:
        yield conn


def row(site: Site, event_id: str, source: str = "event_queue") -> dict[str, Any]:
    with site.connect() as db, db.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(f"select * from bridge.{source} where id = %s", (event_id,)).fetchone()
        assert found is not None
        return found


def write(site: Site, key: str, payload: str = '{"n": 1}') -> str:
    return str(site.scalar(f"{INSERT} returning id::text", key, payload))


def settle(db: psycopg.Connection[Any]) -> None:
    """All events so far count as read."""
    db.execute(
        "update bridge.shard set snapshot = pg_current_snapshot(), cursor = (select last_value from bridge.event_seq)"
    )


# Writing


def test_an_insert_returns_the_row_as_it_was_written(db: psycopg.Connection[Any]) -> None:
    for view, insert in (
        ("event_queue", INSERT),
        (
            "entity_events",
            "insert into bridge.entity_events (entity_type, entity_id, action, new_state)"
            " values ('thing', %s, 'INSERT', %s)",
        ),
    ):
        with db.cursor(row_factory=dict_row) as cursor:
            returned = cursor.execute(f"{insert} returning *", ("k", '{"n": 1}')).fetchone()
            kept = cursor.execute(f"select * from bridge.{view}").fetchone()
        assert returned == kept
        assert kept is not None
        assert (kept["status"], kept["retry_count"], kept["headers"]) == ("PENDING", 0, {})
        assert None not in (kept["id"], kept["seq"], kept["shard"])


def test_all_ways_to_insert(db: psycopg.Connection[Any]) -> None:
    """Each statement says how many rows it inserted, and gives each its own number and id, in its order."""
    many = (
        "insert into bridge.event_queue (event_type, event_key, payload)"
        " select 'a', 'k' || g, jsonb_build_object('n', g) from generate_series(1, 100) g order by g"
    )
    assert db.execute(many).rowcount == 100
    assert [seq for (seq,) in db.execute(f"{many} returning seq").fetchall()] == list(range(101, 201))
    values = "insert into bridge.event_queue (event_type, payload, event_key, headers, available_at) values "
    assert db.execute(f"{values} ('a', '{{}}', 'x', default, default), ('b', '{{}}', null, null, now())").rowcount == 2
    with_ = f"with new as ({INSERT} returning id, seq) select count(*), min(seq) from new"
    assert db.execute(with_, ("y", "{}")).fetchone() == (1, 203)
    with db.cursor() as cursor:
        cursor.executemany(INSERT, [(f"z{n}", "{}") for n in range(10)])
        assert cursor.rowcount == 10
    with db.cursor().copy("copy bridge.event_queue (event_type, event_key, payload, headers) from stdin") as copy:
        for n in range(10):
            copy.write_row(("a", f"c{n}", "{}", '{"h": "v"}'))
    for _ in range(10):  # prepared by now
        db.execute(INSERT, ("p", "{}"), prepare=True)
    ids, keys, wrong = db.execute(
        "select count(distinct id), count(distinct event_key),"
        " count(*) filter (where shard <> bridge.shard_of(event_key) and length(event_key) < 36)"
        " from bridge.event_queue"
    ).fetchone()
    assert (ids, keys, wrong) == (233, 100 + 2 + 1 + 10 + 10 + 1, 0)
    in_order = (
        "select array_agg(payload ->> 'n' order by seq) = array_agg(g::text order by g) from bridge.event_queue"
        " join generate_series(1, 100) g on seq = 100 + g"
    )
    assert db.execute(in_order).fetchone() == (True,)


def test_what_is_missing_is_refused(db: psycopg.Connection[Any]) -> None:
    for columns in ("(event_key, payload) values ('k', '{}')", "(event_type, event_key) values ('a', 'k')"):
        with pytest.raises(psycopg.errors.NotNullViolation):
            db.execute(f"insert into bridge.event_queue {columns}")
    with pytest.raises(psycopg.errors.NotNullViolation):
        db.execute("insert into bridge.entity_events (entity_type, action) values ('a', 'INSERT')")


@pytest.mark.parametrize("shards", [1, 3])
def test_each_expression_is_evaluated_once(db: psycopg.Connection[Any], shards: int) -> None:
    """An insert is rewritten, and a key that were drawn twice would go to another key's shard."""
    db.execute("select bridge.set_shard_count(%s)", [shards])
    db.execute("create sequence public.drawn")
    insert = (
        "insert into bridge.event_queue (event_type, event_key, payload)"
        " values ('a', 'k' || nextval('public.drawn'), '{}')"
    )
    for _ in range(20):
        db.execute(insert)
    assert db.execute("select last_value from public.drawn").fetchone() == (20,)
    right = "select bool_and(shard = bridge.shard_of(event_key)), count(distinct event_key) from bridge.event_queue"
    assert db.execute(right).fetchone() == (True, 20)


@pytest.mark.parametrize("shards", [1, 3])
def test_each_event_without_a_key_gets_one_of_its_own(db: psycopg.Connection[Any], shards: int) -> None:
    """However many one statement inserts; in any shard, because its order to others does not matter."""
    db.execute("select bridge.set_shard_count(%s)", [shards])
    insert = "insert into bridge.event_queue (event_type, payload)"
    right = "select bool_and(shard < bridge.shard_count()), count(distinct event_key) from bridge.event_queue"
    db.execute(f"{insert} values ('a', '{{}}')")
    db.execute(f"{insert} values ('a', '{{}}'), ('a', '{{}}')")
    assert db.execute(right).fetchone() == (True, 3)
    db.execute(f"{insert} select 'a', '{{}}' from generate_series(1, 20)")
    assert db.execute(right).fetchone() == (True, 23)
    db.execute(f"{insert} select 'a', jsonb_build_object('n', g) from generate_series(1, 20) g")
    assert db.execute(right).fetchone() == (True, 43)


def test_an_event_without_a_key_is_published_under_one_of_its_own(site: Site) -> None:
    with site.connect() as db:
        insert = "insert into bridge.event_queue (event_type, payload) values ('thing.changed', '{\"n\": 1}')"
        returned = [db.execute(f"{insert} returning event_key").fetchone()[0] for _ in range(3)]
        with db.cursor().copy("copy bridge.event_queue (event_type, payload) from stdin") as copy:
            copy.write_row(("thing.changed", '{"n": 1}'))
        keys = [key for (key,) in db.execute("select event_key from bridge.event_queue order by seq").fetchall()]
    assert keys[:3] == returned
    assert len(set(keys)) == 4
    site.drain()
    found = site.audit()
    assert (found.is_clean, found.published) == (True, 4)


# Reading


def test_a_status_for_each_stage_of_an_events_life(site: Site) -> None:
    """Dead, retried, dead once more, retried, published."""
    dead = write(site, "k", TOO_LATE)
    behind = write(site, "k")
    other = write(site, "l")

    def told(event_id: str) -> tuple[str, int, bool, bool]:
        found = row(site, event_id)
        is_processed, is_wrong = (found[name] is not None for name in ("processed_at", "error_message"))
        return (found["status"], found["retry_count"], is_processed, is_wrong)

    assert [told(id_) for id_ in (dead, behind, other)] == [("PENDING", 0, False, False)] * 3
    began = site.scalar("select clock_timestamp()")
    relay = site.start()
    eventually(lambda: told(dead)[0] == "DEAD" and told(other)[0] == "PROCESSED")
    assert told(dead) == ("DEAD", 1, True, True)
    assert told(behind) == ("PENDING", 0, False, False)
    assert told(other) == ("PROCESSED", 0, True, False)
    died_at = row(site, dead)["processed_at"]
    assert began < died_at < site.scalar("select clock_timestamp()")
    assert "$.n" in row(site, dead)["error_message"]

    assert site.bridge("dead", "retry", dead).returncode == 0
    eventually(lambda: told(dead)[:2] == ("DEAD", 2))
    assert row(site, dead)["processed_at"] > died_at
    site.end(relay)
    assert site.bridge("dead", "retry", dead).returncode == 0
    assert told(dead) == ("PENDING", 2, False, True)  # why it had died

    with site.connect() as db:
        db.execute("update bridge.outbox set payload = '{\"n\": 1}' where id = %s", (dead,))
    site.drain()
    assert told(dead) == ("PROCESSED", 2, True, False)
    assert told(behind) == ("PROCESSED", 0, True, False)
    assert row(site, dead)["processed_at"] > died_at
    found = site.audit()
    assert found.is_clean, found


def test_a_skipped_event_stays_dead(site: Site) -> None:
    dead = write(site, "k", TOO_LATE)
    behind = write(site, "k")
    relay = site.start("--until-empty")
    assert relay.wait(60) == 5, site.log(relay)
    assert site.bridge("dead", "skip", dead, "--reason", "no use").returncode == 0
    found = row(site, dead)
    assert (found["status"], found["retry_count"]) == ("DEAD", 1)
    assert found["error_message"].endswith("; skipped: no use")
    site.drain()
    assert row(site, dead) == found
    assert row(site, behind)["status"] == "PROCESSED"


def test_what_waits_is_pending(site: Site) -> None:
    """For its time, behind a dead one, or for a topic; in both sources."""
    with site.connect() as db:
        (later,) = db.execute(
            "insert into bridge.event_queue (event_type, event_key, payload, available_at)"
            " values ('thing.changed', 'k', '{\"n\": 1}', now() + interval '1 hour') returning id::text"
        ).fetchone()
        change = (
            "insert into bridge.entity_events (entity_type, entity_id, action, new_state, headers)"
            " values ('thing', '1', 'INSERT', '{}', %s) returning id::text"
        )
        dead_change, behind = [db.execute(change, (headers,)).fetchone()[0] for headers in ("[]", "{}")]
    relay = site.start()
    eventually(lambda: row(site, dead_change, "entity_events")["status"] == "DEAD")
    eventually(lambda: site.scalar("select count(*) from bridge.parked") == 3)
    for event_id, source in ((later, "event_queue"), (behind, "entity_events")):
        found = row(site, event_id, source)
        assert (found["status"], found["processed_at"], found["error_message"]) == ("PENDING", None, None)
    site.end(relay)
    assert row(site, later)["available_at"] - row(site, later)["created_at"] > timedelta(minutes=59)


def test_processed_at_is_when_it_was_published(site: Site) -> None:
    """To a second, and it does not change any more: neither while nothing happens, nor by what comes later."""
    seen: dict[str, tuple[datetime, datetime]] = {}  # between these it was published

    def carry(event_id: str, source: str = "event_queue") -> None:
        before = site.scalar("select clock_timestamp()")
        eventually(lambda: row(site, event_id, source)["status"] == "PROCESSED")
        # At rest: until then the time may still become that of the last batch before it.
        eventually(lambda: site.scalar("select in_flight is null from bridge.shard"))
        seen[event_id] = (before, site.scalar("select clock_timestamp()"))

    def check() -> dict[str, datetime]:
        found = {event_id: row(site, event_id)["processed_at"] for event_id in seen}
        for event_id, (before, after) in seen.items():
            assert before - timedelta(seconds=1) <= found[event_id] <= after, event_id
        return found

    with site.connect() as db:
        db.execute("select bridge.set_shard_count(1)")
    relay = site.start()
    for number in range(5):
        carry(write(site, f"k{number}"))
        check()
    for _ in range(3):  # all that is done in a rest
        lease = site.scalar("select lease_until from bridge.shard")
        eventually(lambda lease=lease: site.scalar("select lease_until > %s from bridge.shard", lease))
    check()
    carry(write(site, "after a rest"))
    at_last = check()
    site.end(relay)
    assert check() == at_last
    site.drain()
    assert check() == at_last


def test_counts_by_status_are_what_the_ledger_says(site: Site) -> None:
    site.publish(300)
    site.change(200)
    for number in range(3):
        write(site, f"dead{number}", TOO_LATE)
    site.drain()
    site.publish(7)
    with site.connect() as db:
        for source, expected in (
            ("event_queue", {"PROCESSED": 300, "DEAD": 3, "PENDING": 7}),
            ("entity_events", {"PROCESSED": 200}),
        ):
            counts = db.execute(f"select status, count(*) from bridge.{source} group by 1").fetchall()
            assert dict(counts) == expected
        totals = (
            "select sum(event_queue_processed)::int, sum(event_queue_dead)::int, sum(entity_events_processed)::int"
            " from bridge.shard"
        )
        assert db.execute(totals).fetchone() == (300, 3, 200)


def test_a_copy_of_a_row_of_history_is_told_apart(db: psycopg.Connection[Any]) -> None:
    """Who owns the table chooses the id: two events may have one."""
    insert = (
        "insert into bridge.history (id, shard, entity_type, entity_id, action)"
        " values ('00000000-0000-0000-0000-000000000001', 0, 't', %s, 'INSERT') returning seq, shard"
    )
    seqs = [db.execute(insert, (key,)).fetchone() for key in "ab"]
    settle(db)
    db.execute(
        "insert into bridge.parked (seq, source, event_id, at, shard, topic, key_hash, state, blocks)"
        " values (%s, 'entity_events', '00000000-0000-0000-0000-000000000001', now(), %s, 'x', 0, 'dead', true)",
        seqs[0],
    )
    told = db.execute("select seq, status from bridge.entity_events order by seq").fetchall()
    assert told == [(seqs[0][0], "DEAD"), (seqs[1][0], "PROCESSED")]


# Immutable


def changes(site: Site) -> dict[str, tuple[int, int]]:
    """Updates and deletes of each table partition that has any."""
    with site.connect() as db:
        db.execute("select pg_stat_force_next_flush()")
        rows = db.execute(
            "select relname, n_tup_upd, n_tup_del from pg_stat_user_tables"
            " where relid in (select inhrelid from pg_inherits"
            " where inhparent in ('bridge.outbox'::regclass, 'bridge.history'::regclass))"
        ).fetchall()
        leaves = "select count(*) from pg_inherits where inhparent = any('{bridge.outbox,bridge.history}'::regclass[])"
        assert len(rows) == site.scalar(leaves) > 0
        assert sum(site.scalar(f"select count(*) from bridge.{table}") for table in ("outbox", "history")) > 0
    return {name: (updates, deletes) for name, updates, deletes in rows if updates or deletes}


@pytest.mark.relay("batch_rows = 20")
def test_nothing_ever_changes_a_row(site: Site) -> None:
    """Whatever becomes of the events: published, dead, retried, skipped, held, waiting for their time."""
    site.publish(5, event_type="other.changed")
    site.drain()
    schema = site.config.parent / "schemas" / f"{site.name}.others-test.Thing.avsc"
    schema.write_text(schema.read_text().replace('"string"', '"long"'))
    site.publish(20, event_type="other.changed")
    site.publish(200)
    site.change(100)
    dead = [write(site, key, TOO_LATE) for key in ("a", "b")]
    for key in ("a", "b", "k1"):
        write(site, key)
    with site.connect() as db:
        db.execute(
            "insert into bridge.event_queue (event_type, event_key, payload, available_at)"
            " values ('thing.changed', 'd', '{\"n\": 1}', now() + interval '1 hour')"
        )
        db.execute(
            "insert into bridge.entity_events (entity_type, entity_id, action, new_state, headers)"
            " values ('thing', '1', 'INSERT', '{}', '[]')"
        )
    relay = site.start()
    eventually(lambda: all(row(site, id)["status"] == "DEAD" for id in dead))
    of_held = "select count(*) from bridge.parked where right(topic, 7) = '.others'"
    eventually(lambda: site.scalar(of_held) == 20)
    of_deferred = "select count(*) from bridge.parked where state = 'deferred'"
    eventually(lambda: site.scalar(of_deferred) == 1)
    assert site.bridge("dead", "retry", dead[0]).returncode == 0
    assert site.bridge("dead", "skip", dead[1], "--reason", "test").returncode == 0
    assert changes(site) == {}
    heal(site, f"{site.name}.others-test.Thing")
    site.come_due()
    eventually(lambda: site.scalar(of_held) == site.scalar(of_deferred) == 0)
    eventually(lambda: row(site, dead[0])["retry_count"] == 2)
    site.end(relay)
    assert site.pending() == 1  # behind the one that died again
    assert changes(site) == {}


def heal(site: Site, subject: str) -> None:
    """Let the registry take the schema that it refused."""
    request = urllib.request.Request(
        f"{site.settings.registry.url}/config/{subject}",
        data=b'{"compatibility": "NONE"}',
        headers={"Content-Type": "application/vnd.schemaregistry.v1+json"},
        method="PUT",
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200
