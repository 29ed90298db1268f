"""What a writer cannot choose: number, shard, time, status and id; and rows that hold times no calendar knows."""

from __future__ import annotations

import json

import psycopg
import pytest
from fix_database import unstamped
from fix_relay import Site, eventually
from psycopg import errors
from psycopg.rows import dict_row

from bridge.postgres.queries import query

MOMENTS = [
    *["infinity", "-infinity", "294276-12-31", "20000-01-01", "9999-12-31 23:59:59.999999", "2255-06-05 23:47:34.74"],
    *["0001-01-01", "0001-12-31 BC", "4000-01-01 BC", "1969-12-31 23:59:59.999999"],
]
CHOSEN = {
    "event_queue": {
        "id": "00000000-0000-0000-0000-000000000001", "seq": -7, "shard": 77, "status": "PROCESSED",
        "retry_count": 9, "processed_at": "now", "error_message": "x",
    },
    "entity_events": {
        "seq": -7, "shard": 77, "status": "PROCESSED", "retry_count": 9, "processed_at": "now", "error_message": "x",
    },
}  # fmt: skip
GIVEN = {
    "event_queue": {"event_type": "thing.changed", "event_key": "k", "payload": '{"n": 1}'},
    "entity_events": {"entity_type": "thing", "entity_id": "1", "action": "INSERT", "new_state": "{}"},
}
CLOCK = {"event_queue": "created_at", "entity_events": "occurred_at"}


def insert(db: psycopg.Connection, source: str, **columns: object) -> int:
    """Returns how many rows the statement says that it inserted."""
    columns = GIVEN[source] | columns
    names, values = ", ".join(columns), ", ".join(f"%({name})s" for name in columns)
    return db.execute(f"insert into bridge.{source} ({names}) values ({values})", columns).rowcount


def as_it_was(db: psycopg.Connection, source: str, key: str, at: str) -> None:
    """A row of an older version, or one that its table's owner put there."""
    whole_key = key if source == "event_queue" else f"thing:{key}"
    statement = "select bridge.new_event_id(), nextval('bridge.event_seq'), bridge.shard_of(%s)"
    id_, seq, shard = db.execute(statement, (whole_key,)).fetchone()
    own = {"event_queue": {"event_key": key}, "entity_events": {"entity_id": key}}[source]
    with unstamped(db):
        insert(db, source, **own, **{"id": id_, "seq": seq, "shard": shard, CLOCK[source]: at})


@pytest.mark.parametrize("source", CHOSEN)
def test_whatever_is_given_is_replaced(site: Site, source: str) -> None:
    with site.connect() as db:
        insert(db, source)
        for name, chosen in CHOSEN[source].items():
            assert insert(db, source, **{name: chosen}) == 1
        insert(db, source, **CHOSEN[source], **{CLOCK[source]: "now"})
        with db.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(f"select * from bridge.{source} order by seq").fetchall()
        assert [row["seq"] for row in rows] == list(range(1, len(CHOSEN[source]) + 3))
        assert len({row["id"] for row in rows}) == len(rows)
        key = {"event_queue": "event_key", "entity_events": "entity_type || ':' || entity_id"}[source]
        assert db.execute(f"select bool_and(shard = bridge.shard_of({key})) from bridge.{source}").fetchone() == (True,)
        for row in rows:
            kept = row["status"], row["retry_count"], row["processed_at"], row["error_message"]
            assert kept == ("PENDING", 0, None, None)
    site.drain()
    assert site.audit().is_clean


@pytest.mark.parametrize("source", CHOSEN)
@pytest.mark.parametrize("moment", [*MOMENTS, "tomorrow", "yesterday", "today"])
def test_the_time_is_the_servers(database: str, source: str, moment: str) -> None:
    with psycopg.connect(database, autocommit=True) as db:
        before = db.execute("select clock_timestamp()").fetchone()
        insert(db, source, **{CLOCK[source]: moment}, **CHOSEN[source])
        after = db.execute("select clock_timestamp()").fetchone()
        rows = db.execute(f"select {CLOCK[source]}, seq, status from bridge.{source}").fetchall()
        assert [row[1:] for row in rows] == [(1, "PENDING")]
        assert before <= rows[0][:1] <= after
        assert db.execute(f"select count(*) from bridge.{source}_default").fetchone() == (0,)


def test_a_time_that_an_application_takes_from_its_own_clock_harms_nothing(database: str) -> None:
    """A library that fills in each column: the row comes back as it was kept."""
    with psycopg.connect(database, autocommit=True) as db:
        statement = (
            "insert into bridge.event_queue (event_type, event_key, payload, created_at)"
            " values ('a.b', 'k', '{}', now() + %s::interval) returning seq, created_at <= clock_timestamp()"
        )
        for interval in ("1 second", "-1 second", "0"):
            row = db.execute(statement, (interval,)).fetchone()
            assert row is None or row[1] is True  # None at midnight only
        assert db.execute("select count(*) from bridge.event_queue").fetchone() == (3,)


def test_columns_of_the_operator_are_kept(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as db:
        db.execute("alter table bridge.event_queue add column tenant text")
        insert(db, "event_queue", tenant="t", created_at="2001-01-01", available_at="2002-02-02")
        found = db.execute("select tenant, available_at < now() from bridge.event_queue").fetchone()
        assert found == ("t", True)


def test_the_event_type_of_tracked_tables_is_reserved(database: str) -> None:
    """Whoever may publish events could forge history."""
    with psycopg.connect(database, autocommit=True) as db:
        for statement in (
            "select bridge.publish_event('entity.changed', 'contacts:1', '{}')",
            "insert into bridge.event_queue (event_type, event_key, payload) values ('entity.changed', 'k', '{}')",
        ):
            with pytest.raises(errors.ReservedName, match="is reserved for what") as refused:
                db.execute(statement)
            assert refused.value.diag.message_hint == "Choose another name for this event."
        with (
            pytest.raises(errors.ReservedName),
            db.cursor().copy("copy bridge.event_queue (event_type, event_key, payload) from stdin") as copy,
        ):
            copy.write_row(("entity.changed", "k", "{}"))


@pytest.mark.relay("batch_rows = 1")
@pytest.mark.parametrize("source", CHOSEN)
def test_times_out_of_range_break_no_batch(site: Site, source: str) -> None:
    """Each event gets a decision, once; status, recover's query and the others' events are none the worse."""
    with site.connect() as db:
        for moment in MOMENTS:
            as_it_was(db, source, moment, moment)
        insert(db, source)
        db.execute(query("pending_ids"), {"shard": 0}).fetchall()
        db.execute(query("pending_ids"), {"shard": 1}).fetchall()
    site.publish(50)
    status = site.bridge("status", "--json")
    assert status.returncode == 0, status.stderr
    assert sum(shard["pending"] for shard in json.loads(status.stdout)["shards"]) == len(MOMENTS) + 51
    assert "could not be marked" not in site.drain()
    audit = site.audit()
    assert audit.is_clean, audit
    dead = [json.loads(line) for line in site.bridge("dead", "list", "--json").stdout.splitlines()]
    assert all("$.occurred_at" in event["reason"] for event in dead), "a time that the schema cannot hold"
    assert bool(dead) == (source == "entity_events")


def test_events_that_are_due_never_or_long_since(site: Site) -> None:
    with site.connect() as db:
        insert(db, "event_queue", event_key="never", available_at="infinity")
        insert(db, "event_queue", event_key="late", available_at="294276-12-31")
        insert(db, "event_queue", event_key="long since", available_at="-infinity")
        insert(db, "event_queue", event_key="long ago", available_at="4000-01-01 BC")
    relay = site.start()
    site.publish(50)
    eventually(lambda: site.pending() == 2)
    assert site.bridge("status").returncode == 0
    site.end(relay)
    keys = {record.key for record in site.records()[f"{site.name}.things"]}
    assert keys >= {b"long since", b"long ago"}
    assert not keys & {b"never", b"late"}
