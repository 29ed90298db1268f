"""Row-level security, on bridge's tables and on tracked ones; and how far a publisher can be in a relay's way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from fix_command import Run
from fix_relay import Site, eventually
from psycopg import errors
from reaction import assert_flows, assert_says, running
from roles import Roles


@contextmanager
def attribute(db: psycopg.Connection, role: str, name: str) -> Iterator[None]:
    """Roles belong to the server: what one is given is taken back."""
    db.execute(f"alter role {role} {name}".encode())
    try:
        yield
    finally:
        db.execute(f"alter role {role} no{name}".encode())


def test_a_relay_that_does_not_see_all_refuses(site: Site, run: Run) -> None:
    """What a policy hides would be passed over by its position, and lost."""
    relay_role = site.roles.name("relay")
    with site.connect() as db, running(site) as relay:
        db.execute("create policy most on bridge.outbox for select using (event_key <> 'k1')")
        db.execute("alter table bridge.outbox enable row level security")
        site.publish(40)
        assert_says(site, relay, "WARNING|ERROR", "row-level security")
        words = f"row-level security applies to {relay_role} in bridge.outbox: a relay refuses"
        assert words in run("doctor", "--config", str(site.config)).out
        status = site.bridge("status")
        assert (status.returncode, "row-level security" in status.stderr) == (3, True), status
        assert site.pending() == 40
        with attribute(db, relay_role, "bypassrls"):
            eventually(lambda: site.pending() == 0)
            doctor = run("doctor", "--config", str(site.config)).out
            assert f"ok       postgres rights: {relay_role} has what a relay needs" in doctor
            site.end(relay)
    audit = site.audit()
    assert audit.is_clean, audit


def test_tenants_see_their_own_events(database: str, roles: Roles) -> None:
    """Policies count for who reads the tables; the views are their owner's, and show all to whom they are granted."""
    publisher, tenant = roles.name("publisher"), roles.name("maintenance")  # who may read no event otherwise
    with psycopg.connect(database, autocommit=True) as db:
        db.execute("alter table bridge.outbox enable row level security")
        db.execute(f"create policy own on bridge.outbox for select to {tenant} using (event_key like 'tenant:%')")
        db.execute(f"grant select on bridge.outbox to {tenant}")
        db.execute(
            "create view public.own_event with (security_invoker = true) as"
            " select id, event_type, event_key, payload, created_at from bridge.outbox"
        )
        db.execute(f"grant select on public.own_event to {tenant}")
        with psycopg.connect(roles.url(database, "publisher"), autocommit=True) as writer:
            assert writer.info.user == publisher
            for key in ("tenant:1", "other:1"):
                writer.execute("select bridge.publish_event('thing.changed', %s, '{}')", (key,))
                writer.execute(
                    "insert into bridge.event_queue (event_type, event_key, payload) values ('a', %s, '{}')", (key,)
                )
        with psycopg.connect(roles.url(database, "maintenance"), autocommit=True) as reader:
            for relation in ("bridge.outbox", "public.own_event"):
                found = reader.execute(f"select event_key from {relation}".encode()).fetchall()
                assert found == [("tenant:1",)] * 2
            leaf = db.execute("select tableoid::regclass::text from bridge.outbox limit 1").fetchone()
            for hidden in (f"select from {(leaf or [''])[0]}", "select from bridge.event_queue"):
                with pytest.raises(errors.InsufficientPrivilege):
                    reader.execute(hidden.encode())
            db.execute(f"grant select on bridge.event_queue to {tenant}")
            assert reader.execute("select count(*) from bridge.event_queue").fetchone() == (4,)


POLICY = """
    create function public.seen() returns boolean language plpgsql as $$ begin
        if current_user like 'bridge\\_reader' or current_user like 'bridge\\_capture' then
            raise exception 'run as %', current_user;
        end if;
        return true;
    end $$;
    create table public.own (id int primary key, tenant text);
    alter table public.own enable row level security;
    alter table public.own force row level security;
    create policy own on public.own using (public.seen() and tenant <> 'other');
    grant select, insert, update, delete on public.own to public;
    select bridge.enable_tracking('public.own')"""


def test_a_tracked_table_with_policies(either_version: str, roles: Roles) -> None:
    """Whatever may be written is recorded, also for an owner who is under his own policies; none of them is run."""
    with psycopg.connect(either_version, autocommit=True) as db:
        db.execute("grant create on schema public to public")
        with psycopg.connect(roles.url(either_version, "capture"), autocommit=True) as table_owner:
            table_owner.execute(POLICY.encode())
            db.execute("insert into public.own values (1, 'other')")  # a superuser is under none
            with psycopg.connect(roles.url(either_version, "publisher"), autocommit=True) as writer:
                writer.execute("insert into public.own values (2, 'a')")
                with pytest.raises(errors.InsufficientPrivilege):
                    writer.execute("insert into public.own values (3, 'other')")
                assert writer.execute("update public.own set tenant = 'b'").rowcount == 1
                assert writer.execute("delete from public.own").rowcount == 1
            table_owner.execute("truncate public.own")
        told = db.execute(
            "select action, entity_id, new_state->>'tenant' from bridge.history where entity_type = 'own' order by seq"
        )
        assert told.fetchall() == [
            ("INSERT", "1", "other"),
            *[("INSERT", "2", "a"), ("UPDATE", "2", "b"), ("DELETE", "2", None)],
            ("TRUNCATE", "*", None),
        ]


HOLDS = """
    begin;
    select bridge.publish_event('thing.changed', 'held', '{"n": 1}');
    lock table bridge.event_queue in row exclusive mode;
    select pg_advisory_lock(hashtextextended(name, 0)) from unnest(array[
        'bridge.migrate', 'bridge.ensure_partitions', 'bridge.archive_old_activity_logs']) as name;
    select pg_advisory_lock(hashtext('bridge.grant_capture'));
    select pg_advisory_lock(hashtextextended('k' || n, 4711)) from generate_series(0, 20) as n"""


def test_a_publisher_cannot_hold_up_the_relay(site: Site) -> None:
    """All locks that it can take, and a transaction that stays open: only its own events wait for it."""
    with psycopg.connect(site.url("publisher"), autocommit=True) as publisher:
        publisher.execute(HOLDS.encode())
        with running(site):
            for event_type in ("thing.changed", "other.changed"):
                assert_flows(site, event_type)
            site.change(20)
            eventually(lambda: site.pending() == 0)
            publisher.execute("commit")
            eventually(
                lambda: site.scalar("select status from bridge.event_queue where event_key = 'held'") == "PROCESSED"
            )
    site.written.add(site.scalar("select id::text from bridge.event_queue where event_key = 'held'"))
    audit = site.audit()
    assert audit.is_clean, audit
