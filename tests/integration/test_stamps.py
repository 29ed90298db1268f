"""What a writer cannot choose: number, shard, time, status and id; and rows that hold times no calendar knows."""

from __future__ import annotations

import psycopg
import pytest
from fix_command import data_of
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
    source: {
        "id": "00000000-0000-0000-0000-000000000001", "seq": -7, "shard": 77, "status": "PROCESSED",
        "retry_count": 9, "processed_at": "now", "error_message": "x",
    } for source in ("event_queue", "entity_events")
}  # fmt: skip
GIVEN = {
    "event_queue": {"event_type": "thing.changed", "event_key": "k", "payload": '{"n": 1}'},
    "entity_events": {"entity_type": "thing", "entity_id": "1", "action": "INSERT", "new_state": "{}"},
}
CLOCK = {"event_queue": "created_at", "entity_events": "occurred_at"}


TABLE = {"event_queue": "outbox", "entity_events": "history"}


def insert(db: psycopg.Connection, source: str, **columns: object) -> int:
    """Returns how many rows the statement says that it inserted."""
    columns = GIVEN[source] | columns
    names, values = ", ".join(columns), ", ".join(f"%({name})s" for name in columns)
    return db.execute(f"insert into bridge.{source} ({names}) values ({values})", columns).rowcount


def as_it_was(db: psycopg.Connection, source: str, key: str, at: str) -> None:
    """A row that its table's owner put there."""
    own = GIVEN[source] | {"event_queue": {"event_key": key}, "entity_events": {"entity_id": key}}[source]
    own |= {CLOCK[source]: at, "whole_key": key if source == "event_queue" else f"thing:{key}"}
    names = [name for name in own if name != "whole_key"]
    with unstamped(db):
        db.execute(
            f"insert into bridge.{TABLE[source]} (id, xid, seq, shard, {', '.join(names)})"
            " select bridge.new_event_id(), pg_current_xact_id(), nextval('bridge.event_seq'),"
            f" bridge.shard_of(%(whole_key)s), {', '.join(f'%({name})s' for name in names)}",
            own,
        )


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
        assert CHOSEN[source].get("id") not in {str(row["id"]) for row in rows}
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
        assert db.execute(f"select count(*) from bridge.{TABLE[source]}_default").fetchone() == (0,)


@pytest.mark.parametrize("source", CHOSEN)
def test_a_time_that_an_application_takes_from_its_own_clock_harms_nothing(database: str, source: str) -> None:
    """A library that fills in each column: the row comes back as it was kept."""
    with psycopg.connect(database, autocommit=True) as db:
        names, clock = ", ".join(GIVEN[source]), CLOCK[source]
        values = ", ".join(f"%({name})s" for name in GIVEN[source])
        statement = (
            f"insert into bridge.{source} ({names}, {clock}) values ({values}, now() + %(interval)s::interval)"
            f" returning seq, {clock} <= clock_timestamp(), status, retry_count, processed_at, error_message"
        )
        for seq, interval in enumerate(("1 second", "-1 second", "0", "1 day", "-1 year"), 1):
            row = db.execute(statement, GIVEN[source] | {"interval": interval}).fetchone()
            assert row == (seq, True, "PENDING", 0, None, None)
        assert db.execute(f"select count(*) from bridge.{source}").fetchone() == (5,)


@pytest.mark.parametrize("source", CHOSEN)
def test_columns_of_the_operator_are_kept(database: str, source: str) -> None:
    table = TABLE[source]
    with psycopg.connect(database, autocommit=True) as db:
        db.execute(f"alter table bridge.{table} add column tenant text default 'none'")
        insert(db, source)
        assert db.execute(f"select tenant from bridge.{table}").fetchall() == [("none",)]


def test_the_event_type_of_tracked_tables_is_reserved(site: Site) -> None:
    """Whoever may publish events could forge history."""
    with site.connect() as db:
        with pytest.raises(errors.ReservedName, match="is reserved for what") as refused:
            db.execute("select bridge.publish_event('entity.changed', 'contacts:1', '{}')")
        assert refused.value.diag.message_hint == "Choose another name for this event."
        insert(db, "event_queue", event_type="entity.changed", event_key="contacts:1")
        with db.cursor().copy("copy bridge.event_queue (event_type, event_key, payload) from stdin") as copy:
            copy.write_row(("entity.changed", "contacts:2", "{}"))
    site.drain()
    assert not site.records()[f"{site.name}.entity_events"]
    with site.connect() as db:
        dead = db.execute("select status, error_message from bridge.event_queue").fetchall()
    assert dead == [("DEAD", "the event type 'entity.changed' is reserved for tracked changes")] * 2


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
    assert status.returncode == 5, status.stderr  # some have waited for longer than a minute, and no relay is at work
    assert sum(shard["pending"] for shard in data_of(status.stdout)["shards"]) == len(MOMENTS) + 51
    site.drain()
    audit = site.audit()
    assert audit.is_clean, audit
    dead = data_of(site.bridge("dead", "list", "--json").stdout)
    assert all("$.occurred_at" in event["reason"] for event in dead), "a time that the schema cannot hold"
    assert bool(dead) == (source == "entity_events")
    assert {event["event_key"].removeprefix("thing:") for event in dead} <= set(MOMENTS)


@pytest.mark.relay("batch_rows = 3")
def test_times_out_of_range_can_wait(site: Site) -> None:
    """What was parked is found again by its time."""
    with site.connect() as db:
        insert(db, "event_queue", payload='{"n": "no number"}')
        for moment in MOMENTS:
            as_it_was(db, "event_queue", "k", moment)
    relay = site.start("--until-empty")
    assert relay.wait(60) == 5, site.log(relay)
    assert site.pending() == len(MOMENTS)
    assert site.bridge("dead", "skip", "--all", "--yes", "--reason", "test").returncode == 0
    site.drain()
    assert len(site.records()[f"{site.name}.things"]) == len(MOMENTS)
    assert site.audit().is_clean


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
