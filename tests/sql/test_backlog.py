"""bridge.backlog(): what an autoscaler is told, at what rights and cost; on real servers, 15 too."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from bridge.postgres.connection import connect
from bridge.telemetry.facts import MOST, read_facts

Db = psycopg.Connection[Any]
PUBLISH = (
    "insert into bridge.event_queue (event_type, event_key, payload, available_at)"
    " select 't.c', 'k' || g, '{}', %s::timestamptz from generate_series(1, %s) as g"
)
CHANGE = (
    "insert into bridge.entity_events (entity_type, entity_id, action, new_state)"
    " select 't', g::text, 'INSERT', '{}' from generate_series(1, %s) as g"
)
READ_ALL = (
    "update bridge.shard set cursor = (select last_value from bridge.event_seq), snapshot = pg_current_snapshot()"
)
PARK = """
    insert into bridge.parked (seq, source, event_id, at, shard, topic, key_hash, state, blocks, stops, due_at)
    select seq, 'event_queue', id, created_at, shard, %(topic)s, hashtextextended(event_key, 0), %(state)s,
           %(state)s in ('dead', 'waiting'), %(stops)s, now() + %(due)s::interval
      from bridge.outbox
     where seq not in (select seq from bridge.parked) and event_key = %(key)s
     order by seq limit 1"""


@pytest.fixture
def db(either_version: str) -> Iterator[Db]:
    with psycopg.connect(either_version, autocommit=True) as conn:
        conn.execute("select bridge.set_shard_count(3)")
        yield conn


@pytest.fixture
def scaler(db: Db, either_version: str) -> Iterator[Db]:
    """A session of a role that may ask, and nothing else."""
    role = f"scaler_{secrets.token_hex(4)}"
    name = sql.Identifier(role)
    db.execute(sql.SQL("create role {} login password 'scaler'").format(name))
    db.execute(sql.SQL("grant usage on schema bridge to {}").format(name))
    db.execute(sql.SQL("grant execute on function bridge.backlog to {}").format(name))
    place = urlsplit(either_version)
    url = place._replace(netloc=f"{role}:scaler@{place.netloc.rpartition('@')[2]}").geturl()
    with psycopg.connect(url, autocommit=True) as conn:
        yield conn
    db.execute(sql.SQL("drop owned by {}").format(name))
    db.execute(sql.SQL("drop role {}").format(name))


def backlog(conn: Db) -> int:
    (events,) = conn.execute("select bridge.backlog()").fetchone() or (-1,)
    return int(events)


def park(db: Db, key: str, state: str, *, topic: str = "t", stops: bool = False, due: str = "0") -> None:
    assert db.execute(PARK, {"key": key, "state": state, "topic": topic, "stops": stops, "due": due}).rowcount == 1


def test_what_can_be_published_now_is_counted_in_all_shards_and_both_tables(db: Db, scaler: Db) -> None:
    assert backlog(scaler) == 0
    db.execute(PUBLISH, (None, 400))
    db.execute(CHANGE, (300,))
    assert backlog(scaler) == 700
    db.execute(PUBLISH, ("infinity", 50))  # not due
    db.execute(PUBLISH, ("-infinity", 1))
    assert backlog(scaler) == 701
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        scaler.execute("select payload from bridge.outbox")

    db.execute("update bridge.shard set stopped = 'a test' where shard = 0")
    (others,) = db.execute(
        "select count(*) from bridge.unread where shard <> 0 and (available_at is null or available_at <= now())"
    ).fetchone() or (0,)
    assert backlog(scaler) == others > 0
    db.execute("update bridge.shard set stopped = null")

    with psycopg.connect(db.info.dsn, password=db.info.password) as late:  # begins now, ends behind the cursor
        late.execute(PUBLISH, (None, 7))
        late.execute(PUBLISH, ("infinity", 2))
        late.execute(CHANGE, (3,))
        db.execute(READ_ALL)
        assert backlog(scaler) == 0
    assert backlog(scaler) == 10


def test_what_is_parked_counts_unless_only_time_or_a_person_can_help(db: Db, scaler: Db) -> None:
    for _ in range(3):
        db.execute(PUBLISH, (None, 9))
    db.execute(READ_ALL)
    park(db, "k1", "dead")
    park(db, "k1", "waiting")  # behind it
    assert backlog(scaler) == 0
    park(db, "k2", "waiting")
    park(db, "k3", "retried")
    park(db, "k4", "deferred", due="-1 s")
    park(db, "k5", "deferred", due="1 h")
    park(db, "k1", "replayed")  # whatever is dead
    assert backlog(scaler) == 4
    park(db, "k6", "dead", topic="stopped", stops=True)
    park(db, "k7", "waiting", topic="stopped")  # of another key, behind it
    park(db, "k6", "skipped", topic="stopped")
    park(db, "k8", "waiting", topic="held")
    assert backlog(scaler) == 5
    db.execute(
        "insert into bridge.relay (relay_id, host, pid, seen_until, waits)"
        """ values ('r', 'h', 1, now() + interval '1 h', '[{"topic": "held"}, {"topic": null}]')"""
    )
    assert backlog(scaler) == 4
    db.execute("update bridge.relay set seen_until = now() - interval '1 s'")
    assert backlog(scaler) == 5
    db.execute("update bridge.shard set stopped = 'a test'")
    assert backlog(scaler) == 0


def test_a_large_backlog_is_estimated_as_the_metric_is(db: Db, scaler: Db) -> None:
    db.execute(PUBLISH, (None, 10 * MOST))
    db.execute(CHANGE, (4 * MOST,))
    with connect(f"{db.info.dsn} password={db.info.password}", application_name="a test") as conn:
        told = sum(shard.backlog for shard in read_facts(conn).shards)
    assert backlog(scaler) == pytest.approx(told, abs=2)  # each shard and table is rounded
    assert 10 * MOST < backlog(scaler) < 40 * MOST


def test_partitions_that_are_finished_are_not_even_locked(db: Db) -> None:
    """As reads leave them out: a plan that knows them costs the more the more there are."""
    db.execute(
        "create table bridge.outbox_old partition of bridge.outbox for values from ('2001-01-01') to ('2001-02-01')"
    )
    locked = "select count(*) from pg_locks where relation = 'bridge.outbox_old'::regclass and pid = pg_backend_pid()"
    for up_to, locks in (("-infinity", True), ("2010-01-01", False)):
        db.execute("update bridge.finished set up_to = %s::timestamptz", (up_to,))
        with db.transaction():
            backlog(db)
            (found,) = db.execute(locked).fetchone() or (0,)
        assert (found > 0) is locks
