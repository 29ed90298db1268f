"""What a database refuses is said once for what it is, never as "Postgres is away", and heals without a restart."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from at_length import at_length
from fix_relay import Site, beside, eventually
from psycopg import sql
from psycopg.conninfo import make_conninfo
from reaction import (
    BOTH_DELIVERIES,
    assert_all_is_well,
    assert_calm,
    assert_decided,
    assert_flows,
    assert_says,
    assert_shown,
    left,
    publish,
    publish_everywhere,
    running,
)

DUE_SOON = """insert into bridge.event_queue (event_type, payload, available_at)
              values ('thing.changed', '{"n": 1}', clock_timestamp() + interval '1 second')"""


@pytest.fixture
def role(site: Site) -> Iterator[str]:
    """As whom the site's relays connect: a role with the documented rights."""
    name, password = f"{site.name}_relay", secrets.token_hex(8)
    identifier = sql.Identifier(name)
    with site.connect() as db:
        db.execute(sql.SQL("create role {} login password {}").format(identifier, sql.Literal(password)))
        db.execute("select bridge.grant_relay(%s::text::regrole)", (identifier.as_string(db),))
    site.environment["BRIDGE_DATABASE_URL"] = make_conninfo(site.settings.database.url, user=name, password=password)
    yield name
    for relay in site.processes:
        relay.kill()
        relay.wait()
    with site.connect() as db:
        db.execute(sql.SQL("drop owned by {}").format(identifier))
        db.execute(sql.SQL("drop role {}").format(identifier))


def begin_anew(site: Site) -> None:
    """End the relays' sessions, so that new settings count."""
    site.scalar(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity"
        " where datname = current_database() and application_name like %s",
        f"{site.name}%",
    )


def test_the_documented_rights_are_enough(site: Site, role: str) -> None:
    site.publish(100)
    site.change(100)
    site.publish(1, event_type="unknown.type")
    with running(site):
        eventually(lambda: site.pending() == 0)
    audit = site.audit()
    assert audit.is_clean, audit


def test_the_documented_rights_are_enough_to_keep_house(site: Site, role: str) -> None:
    """A relay's keeper has old partitions made, taken out and dropped, refreshes views, and moves the log."""
    with site.connect() as db:
        for age in ("20 days", "400 days"):
            db.execute(
                "insert into bridge.activity_log (action, occurred_at) values ('OLD', now() - %s::interval)", (age,)
            )
        db.execute("select bridge.create_partition('bridge.activity_log', '2021-05-01Z', '2021-06-01Z')")
        with running(site):
            jobs = "select job, outcome, detail from bridge.policy where outcome is distinct from 'ok'"
            eventually(lambda: db.execute(jobs).fetchall() == [], 90)
            log = "select count(*) from bridge.activity_log_archive"
            eventually(lambda: db.execute(log).fetchone() == (1,))
            gone = "select count(*) from bridge.retired_partition where state = 'dropped'"
            eventually(lambda: db.execute(gone).fetchone() == (1,))
            assert db.execute("select count(*) from bridge.matview_refresh where error_message is null").fetchone() != (
                0,
            )


@BOTH_DELIVERIES
@pytest.mark.parametrize(
    ("right", "on"),
    [
        ("select", "outbox"), ("update", "shard"), ("insert", "relay"), ("insert", "parked"),
        *at_length(
            ("select", "history"), ("select", "event_seq"), ("select", "parked"), ("update", "parked"),
            ("delete", "parked"), ("insert", "tick"),
        ),
    ],
)  # fmt: skip
def test_a_right_is_taken_away_for_a_while(site: Site, role: str, right: str, on: str) -> None:
    with running(site) as relay:
        with site.connect() as db:
            db.execute(f"revoke {right} on bridge.{on} from {role}")
            db.execute(DUE_SOON)
        site.publish(20)
        site.publish(5, event_type="unknown.type")
        assert_says(site, relay, "WARNING|ERROR", "permission denied", on)
        if on != "relay":  # what a relay waits for is told there
            assert_shown(site, on)
        assert_calm(site, relay)
        assert "Postgres is away" not in site.log(relay)
        with site.connect() as db:
            db.execute(f"grant {right} on bridge.{on} to {role}")
        eventually(lambda: site.pending() == 0)
        assert_flows(site)


# What an administrator may have set for the relay's role, or for all. At once: those that hide no other.
HARMLESS = {
    "default_transaction_isolation": "serializable", "default_transaction_deferrable": "on", "DateStyle": "German",
    "IntervalStyle": "sql_standard", "TimeZone": "Asia/Kathmandu", "bytea_output": "escape",
    "extra_float_digits": "-15", "standard_conforming_strings": "off", "search_path": "nowhere",
    "client_encoding": "LATIN1", "row_security": "off", "plan_cache_mode": "force_custom_plan",
    "enable_indexscan": "off", "enable_indexonlyscan": "off", "array_nulls": "off", "quote_all_identifiers": "on",
    "transform_null_equals": "on", "jit_above_cost": "0", "work_mem": "64kB", "synchronous_commit": "off",
    "xmloption": "document", "backslash_quote": "off", "client_min_messages": "debug1",
}  # fmt: skip


@BOTH_DELIVERIES
def test_settings_that_a_relay_must_not_depend_on(site: Site, role: str) -> None:
    for name, value in HARMLESS.items():
        set_for(site, role, name, value)
    with running(site) as relay:
        site.publish(300)
        site.change(100)
        publish(site, ("thing.changed", "ключ-鍵-🔑", '{"n": 1, "text": "ключ-鍵-🔑"}', '{"h": "ключ-鍵-🔑"}'))
        eventually(lambda: site.pending() == 0)
        assert_calm(site, relay)
        assert_all_is_well(site)
    audit = site.audit()
    assert audit.is_clean, audit


# Those that may stop a relay for a while; then it says so. Or it does not mind them.
HARMFUL = {
    "default_transaction_read_only": ("on", "read-only"),
    "statement_timeout": ("1ms", "statement timeout"),
    "transaction_timeout": ("1ms", "transaction timeout"),
    "idle_session_timeout": ("100ms", "idle-session timeout"),  # time for a connection to say that it wants none
    "idle_in_transaction_session_timeout": ("1ms", "idle-in-transaction timeout"),
    "lock_timeout": ("1ms", "lock timeout"),
}


@pytest.mark.parametrize("name", [*[*HARMFUL][:3], *at_length(*[*HARMFUL][3:])])
def test_a_setting_that_is_bad_for_a_while(site: Site, role: str, name: str) -> None:
    value, words = HARMFUL[name]
    with running(site) as relay, busy_leases(site):
        try:
            set_for(site, role, name, value)
        except psycopg.errors.UndefinedObject:
            pytest.skip(f"this Postgres has no {name}")
        begin_anew(site)
        site.publish(200)
        eventually(lambda: site.pending() == 0 or words in site.log(relay))
        assert_calm(site, relay)
        away = [line for line in site.log(relay).splitlines() if "Postgres is away" in line]
        ended = ("terminat", "connection is lost", "connection is closed", "closed the connection")  # by begin_anew()
        assert [line for line in away if not any(words in line for words in ended)] == []
        set_for(site, role, name, None)
        begin_anew(site)
        eventually(lambda: site.pending() == 0)
        assert_flows(site)
        assert_all_is_well(site)
    audit = site.audit()
    assert audit.is_clean, audit


@pytest.mark.parametrize("isolation", ["serializable", *at_length("repeatable read")])
def test_transactions_that_cannot_be_serialized(site: Site, role: str, isolation: str) -> None:
    """Somebody else changes the leases' rows all the time, and the relay's claims would fail under this isolation."""
    set_for(site, role, "default_transaction_isolation", isolation)
    with running(site) as relay, busy_leases(site):
        for _ in range(50):
            site.publish(5)
        eventually(lambda: site.pending() == 0)
        assert_calm(site, relay)
        assert "Postgres is away" not in site.log(relay)


def set_for(site: Site, role: str, name: str, value: str | None) -> None:
    """For the role's next sessions; None: as it was."""
    what = sql.SQL("reset {}") if value is None else sql.SQL("set {} = {}")
    change = what.format(sql.Identifier(name), *([] if value is None else [sql.Literal(value)]))
    with site.connect() as db:
        database = sql.Identifier(db.info.dbname)
        db.execute(sql.SQL("alter role {} in database {} {}").format(sql.Identifier(role), database, change))


@contextmanager
def busy_leases(site: Site) -> Iterator[None]:
    """Somebody writes to the shards' rows and holds each for a moment."""
    ending = threading.Event()

    def write() -> None:
        with site.connect() as db:
            while not ending.wait(0.01):
                with db.transaction():
                    db.execute("update bridge.shard set updated_at = clock_timestamp()")
                    ending.wait(0.01)

    with beside(write, ending):
        yield


def test_a_lease_that_somebody_else_keeps_locked(site: Site) -> None:
    """An editor's open transaction on one shard's row: the other shards keep their leases, and flow."""
    with running(site) as relay:
        with site.connect() as db:
            db.execute("begin")
            (locked,) = db.execute("select shard from bridge.shard where shard = 1 for update").fetchone()
            ids = publish_everywhere(site)
            eventually(lambda: len(left(site, ids)) <= 1)
            eventually(
                lambda: site.scalar("select max(lease_until) < clock_timestamp() from bridge.shard where shard = 1")
            )
            more = publish_everywhere(site)
            eventually(lambda: len(left(site, more)) <= 1)
            assert {shard for _, _, shard in left(site, [*ids, *more])} <= {locked}
            assert_says(site, relay, "WARNING|ERROR", "lock timeout")
            assert_shown(site, "lock timeout")
            assert_calm(site, relay)
        assert_decided(site, [*ids, *more])
        assert_all_is_well(site)
    audit = site.audit()
    assert audit.is_clean, audit


@pytest.mark.parametrize("table", ["bridge.shard", "bridge.relay", "bridge.outbox", "bridge.parked"])
def test_sigterm_while_a_table_is_locked(site: Site, table: str) -> None:
    with site.connect() as db, running(site):  # which at its end asks the relay to end, before the lock is gone
        db.execute("begin")
        db.execute(f"lock table {table} in access exclusive mode")


def test_a_trigger_of_the_applications_raises_an_exception(site: Site) -> None:
    """It is named, once; what it says is the application's, and may hold values. This one tells about dead events."""
    with running(site) as relay, site.connect() as db:
        db.execute("create function public.no() returns trigger language plpgsql as"
                   " $$ begin raise exception 'S3CR3T % at %', new.reason, clock_timestamp(); end $$")  # fmt: skip
        db.execute("create trigger no before insert on bridge.parked for each row execute function public.no()")
        ids = publish_everywhere(site, "unknown.type")
        assert_says(site, relay, "WARNING|ERROR", "an exception was raised in", "public.no()")
        assert_shown(site, "public.no()")
        assert_calm(site, relay)
        db.execute("drop function public.no() cascade")
        assert_decided(site, ids)
        assert "S3CR3T" not in site.log(relay)
        assert site.bridge("dead", "skip", "--all", "--yes", "--reason", "test").returncode == 0
        assert_all_is_well(site)
