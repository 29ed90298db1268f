"""What each role of bridge can and cannot do to others' events: docs/guarantees.md is held to it, line by line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql
from roles import KINDS, Roles

TESTS = Path(__file__).parents[1]
DOCUMENT = (TESTS.parent / "docs" / "guarantees.md").read_text("utf-8")
SECTION = DOCUMENT.partition("## What each role can and cannot do")[2].partition("\n## ")[0]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in SECTION.splitlines() if line[:1] == "|"]
CAN = {row[0]: dict(zip(KINDS, row[1:], strict=True)) for row in ROWS if {*row[1:]} <= {"yes", "no"}}
MAY_EXECUTE = "select has_function_privilege('bridge.{}'::regproc, 'execute')"
# A role can do it if one of these statements passes.
ATTEMPTS = {
    "publish an event of any type but `entity.changed`": [
        "select bridge.publish_event('thing.changed', 'k', '{}')",
        "insert into bridge.event_queue (event_type, event_key, payload) values ('thing.changed', 'k', '{}')",
    ],
    "tell of a change of a tracked row that nobody made": [
        "insert into bridge.history (shard, entity_type, entity_id, action) values (0, 't', '1', 'INSERT')",
        "insert into bridge.entity_events (entity_type, entity_id, action) values ('t', '1', 'INSERT')",
        "select bridge.publish_event('entity.changed', 't:1', '{}')",
    ],
    "choose number, transaction or time of an event that it publishes": [
        "insert into bridge.outbox (seq, shard, event_type, event_key, payload) values (1, 0, 'a', 'k', '{}')",
        "select setval('bridge.event_seq', 1)",
    ],
    "change or delete an event": [
        *("update bridge.outbox set payload = '{}'", "update bridge.history set new_state = '{}'"),
        *("delete from bridge.outbox", "delete from bridge.history", "delete from bridge.event_queue"),
    ],
    "empty or drop a table of bridge's": [
        *("truncate bridge.outbox", "truncate bridge.parked", "truncate bridge.shard", "drop table bridge.history"),
    ],
    "read others' payloads": [
        *("select payload from bridge.outbox", "select payload from bridge.event_queue"),
        *("select new_state from bridge.history", "select new_state from bridge.entity_events"),
    ],
    "count an event as published, or move a position": [
        *("update bridge.shard set cursor = 1000000", "update bridge.parked set state = 'published'"),
    ],
    "park an event, or let a parked one go": [
        *("delete from bridge.parked", "update bridge.parked set state = 'retried'"),
    ],
    "decide about a dead event, which is written down with its name": [
        "select bridge.decide_dead('{}', 'retried', 'why', null, null, '{}')",
    ],
    "let a dead event go without its being written down": ["delete from bridge.parked"],
    "say that somebody else replayed or recovered": [
        "insert into bridge.replay (since, until, until_seq, started_by) values (now(), now(), 0, 'somebody')",
        "update bridge.replay set started_by = 'somebody'",
        """insert into bridge.recovery
                  (shard, stopped, events_published, events_dead, events_left, renumbered, recovered_by)
           values (0, 'x', 0, 0, 0, false, 'somebody')""",
    ],
    "turn a job of the keeper off, or have it done less often": [
        "update bridge.policy set enabled = false, every = '1 year'"
    ],
    "have events published once more": [
        "insert into bridge.replay (since, until, until_seq) values (now(), now(), 0)",
    ],
    "turn the tracking of its own tables on": [
        "create table public.own (id int primary key); select bridge.enable_tracking('public.own')",
    ],
    "change what the tracking of others' tables records": [
        "create or replace function bridge_tracking.record_1() returns trigger language plpgsql as 'begin end'",
        *("delete from bridge.tracked_table", "update bridge.tracked_table set masked = '{}'"),
        "select bridge.enable_tracking('public.told', 'mine')",
        "select bridge.disable_tracking('public.told')",
        "insert into bridge.tracking_request (tracked, entity_type) values ('public.told', 'mine')",
        "insert into bridge.tracking_request (tracked, asked_by) values ('public.told', 'bridge')",
    ],
    "take out a table partition whose time is over": ["select bridge.retire_partition('bridge.outbox_default')"],
    "have rows that have left dropped without their files": [
        """
        select bridge.retire_partition('public.old_1');
        insert into bridge.cold_file (partition, number, path, rows, bytes, sha256, checksum, last_place)
        select r.id, 1, '/nowhere', 1, 1, 'x', 'x', '(0,1)' from bridge.retired_partition as r;
        update bridge.retired_partition as p set state = 'verified', rows = s.rows, checksum = s.checksum
          from bridge.retired_partition as r, bridge.sum_retired(r.id) as s where p.id = r.id;
        select bridge.drop_verified(r.id) from bridge.retired_partition as r""",
    ],
    "say when events leave": [
        "update bridge.partition_policy set keep_for = '1 second'",
        "select bridge.set_partition_policy('bridge.outbox')",
    ],
    "keep a relay, or its keeper, from its tables by a lock": [
        *("lock table bridge.shard in share mode", "lock table bridge.parked in share mode"),
        *("lock table bridge.outbox in share mode", "lock table bridge.event_queue in share mode"),
        "lock table bridge.tracked_table in share mode",
        """
        select bridge.create_partition('bridge.outbox', '2020-01-01 00:00+00', '2020-01-02 00:00+00');
        select 1 / count(*) from pg_locks
         where relation = 'bridge.outbox_default'::regclass and mode = 'AccessExclusiveLock'
           and pid = pg_backend_pid()""",
    ],
    "act as `bridge_capture` or `bridge_reader`": ["set role bridge_capture", "set role bridge_reader"],
    "create something in the schema bridge": [
        *("create table bridge.x ()", "create function bridge.x() returns int language sql return 1"),
        "create trigger x after insert on bridge.outbox execute function bridge.insert_event()",
    ],
}
# Or if this passes once somebody else has written to a tracked table.
PLANTED = {
    "read others' payloads": "select payload from bridge.outbox",
    "have its code run by whoever writes to a tracked table": "create schema mine",
}
PLANT = """
    create or replace function {recorder}() returns trigger language plpgsql security invoker as
    $$ begin
        execute format('grant create on database %I to {role}', current_database());
        grant select on bridge.outbox to {role};
        return null;
    end $$"""
# Or if the answer is yes.
QUESTIONS = {
    "read rows of table partitions that have left": MAY_EXECUTE.format("read_retired"),
    "erase a subject": MAY_EXECUTE.format("erase_rows"),
    "pass its rights on": """
        select exists (
            select from (select relacl from pg_class union all select attacl from pg_attribute
                         union all select proacl from pg_proc union all select nspacl from pg_namespace) as o (acl),
                        aclexplode(o.acl) as a
             where a.is_grantable and a.grantee <> 0 and pg_has_role(a.grantee, 'member'))""",
}
REFUSED = (errors.InsufficientPrivilege, errors.ReservedName, errors.ObjectNotInPrerequisiteState)


@pytest.fixture
def owner(database: str) -> Iterator[psycopg.Connection[Any]]:
    """A database with events, and a schema public that is everybody's, as one has that was made before Postgres 15."""
    with psycopg.connect(database, autocommit=True) as db:
        db.execute("grant create on schema public to public")
        db.execute("select bridge.publish_event('thing.changed', 'k', '{\"n\": 1}')")
        db.execute("insert into bridge.entity_events (entity_type, entity_id, action) values ('t', '1', 'INSERT')")
        db.execute("create table public.told (id int primary key)")
        db.execute("select bridge.enable_tracking('public.told')")
        db.execute("create table public.old (at timestamptz not null) partition by range (at)")
        db.execute("create table public.old_1 partition of public.old for values from ('2020-01-01') to ('2020-01-02')")
        db.execute("insert into public.old values ('2020-01-01 12:00')")
        db.execute(
            "select bridge.set_partition_policy('public.old', step => 'day', keep_for => '1 day', expiry => 'files',"
            " location => '/nowhere')"
        )
        yield db


def passes(url: str, statement: str) -> bool:
    with psycopg.connect(url) as db:
        try:
            db.execute(statement.encode())
        except REFUSED:
            return False
        finally:
            db.rollback()
    return True


def passes_through_a_writer(owner: psycopg.Connection, role: str, statement: str) -> bool:
    """As `role`, which has put code of its own where a superuser's write to public.told runs it."""
    (recorder,) = owner.execute(
        "select distinct tgfoid::regproc::text from pg_trigger"
        " where tgrelid = 'public.told'::regclass and tgfoid::regproc::text like 'bridge_tracking.%'"
    ).fetchall()[0]
    act_as = sql.SQL("set session authorization {}").format(sql.Identifier(role))
    with owner.transaction(force_rollback=True):
        try:
            with owner.transaction():
                owner.execute(act_as)
                owner.execute(PLANT.format(recorder=recorder, role=role).encode())
                owner.execute("reset session authorization")
                owner.execute("insert into public.told values (1)")
                owner.execute(act_as)
                owner.execute(statement.encode())
        except REFUSED:
            return False
    return True


def test_what_each_role_can_do(owner: psycopg.Connection, database: str, roles: Roles) -> None:
    assert CAN.keys() == ATTEMPTS.keys() | PLANTED.keys() | QUESTIONS.keys()
    found: dict[str, dict[str, str]] = {}
    for kind in KINDS:
        url = roles.url(database, kind)
        for what, statements in ATTEMPTS.items():
            is_able = any(passes(url, statement) for statement in statements)
            found.setdefault(what, {})[kind] = "yes" if is_able else "no"
        for what, statement in PLANTED.items():
            if passes_through_a_writer(owner, roles.name(kind), statement):
                found.setdefault(what, {})[kind] = "yes"
            found.setdefault(what, {}).setdefault(kind, "no")
        with psycopg.connect(url) as db:
            for what, question in QUESTIONS.items():
                is_able = db.execute(question.encode()).fetchone() == (True,)
                found.setdefault(what, {})[kind] = "yes" if is_able else "no"
    assert found == CAN


def test_each_line_of_the_document_names_a_test() -> None:
    named = re.findall(r"`(test_\w+\.py)(?:::(test_\w+))?`", SECTION)
    assert named
    for file, test in named:
        texts = [path.read_text("utf-8") for path in TESTS.rglob(file)]
        assert any(f"def {test}(" in text for text in texts), (file, test)
    attacks = [row for row in ROWS if len(row) == 3]
    assert attacks
    assert not [row[0] for row in attacks[2:] if "`test_" not in row[2]]


SHADOWS = [
    "create temp table outbox (id int)",
    "create temp view shard as select 1 as one",
    "create function {schema}.hashtextextended(text, integer) returns bigint language plpgsql {evil}",
    "create function {schema}.jsonb_typeof(jsonb) returns text language plpgsql {evil}",
    "create function {schema}.nextval(text) returns bigint language plpgsql {evil}",
    "create function {schema}.concat_evil(text, varchar) returns text language plpgsql {evil}",
    "create operator {schema}.|| (leftarg = text, rightarg = varchar, function = {schema}.concat_evil)",
]


@pytest.mark.parametrize("schema", ["public", "pg_temp"])
def test_what_a_publisher_creates_is_used_by_nobody_else(
    owner: psycopg.Connection, database: str, roles: Roles, schema: str
) -> None:
    """Temporary tables, and functions and operators that fit better than Postgres' own, before them in its path."""
    evil = "as $$ begin raise exception 'as %', current_user; end $$"
    with psycopg.connect(roles.url(database, "publisher"), autocommit=True) as db:
        for shadow in SHADOWS:
            db.execute(shadow.format(schema=schema, evil=evil).encode())
        db.execute(f"set search_path = pg_temp, {schema}, pg_catalog".encode())
        db.execute("select bridge.publish_event('thing.changed', 'k', '{\"n\": 2}')")
        db.execute("insert into bridge.event_queue (event_type, event_key, payload) values ('a', 'k', '{}')")
        with db.cursor().copy("copy bridge.event_queue (event_type, event_key, payload) from stdin") as copy:
            copy.write_row(("a", "k", "{}"))
        db.execute("select bridge.publish_transaction_end()")
    assert owner.execute("select count(*) from bridge.event_queue").fetchone() == (5,)
    for statement in (
        *("select count(*) from bridge.dead_events()", "select count(*) from bridge.event_queue"),
        *("select * from bridge.matview_report()", "select bridge.ensure_partitions()", "select bridge.clean_up()"),
    ):
        owner.execute("set search_path = public, pg_catalog")  # the owner's own session, in psql
        owner.execute(statement.encode())


def test_who_acted_is_the_applications_word_for_its_own_transaction(
    owner: psycopg.Connection, database: str, roles: Roles
) -> None:
    someone = "00000000-0000-0000-0000-000000000001"
    owner.execute("create table public.own (id int primary key)")
    owner.execute("select bridge.enable_tracking('public.own')")
    owner.execute("grant insert on public.own to public")
    with psycopg.connect(roles.url(database, "publisher"), autocommit=True) as db:
        with db.transaction():
            db.execute("select bridge.set_actor(%s)", (someone,))
            db.execute("insert into public.own values (1)")
        db.execute("insert into public.own values (2)")
        with db.transaction():  # a token that is another transaction's
            db.execute(
                "select set_config('bridge.actor', %s, true), set_config('bridge.actor_token', '1:1', true)", (someone,)
            )
            db.execute("insert into public.own values (3)")
    told = owner.execute(
        "select entity_id, performed_by::text, actor_status from bridge.history where entity_type = 'own' order by seq"
    )
    assert told.fetchall() == [("1", someone, "ok"), ("2", None, "missing"), ("3", None, "stale")]


def test_the_strongest_locks_that_each_may_take(owner: psycopg.Connection, database: str, roles: Roles) -> None:
    """INSERT on a view lets a publisher lock what is behind it as any INSERT does, and no more."""
    strongest = {}
    for kind in ("publisher", "reader", "maintenance"):
        for table in ("event_queue", "outbox", "shard", "parked", "history"):
            for mode in ("access share", "row exclusive", "share", "access exclusive"):
                if passes(roles.url(database, kind), f"lock table bridge.{table} in {mode} mode"):
                    strongest[kind, table] = mode
    readable = {("reader", table): "access share" for table in ("event_queue", "outbox", "shard", "parked", "history")}
    assert strongest == {("publisher", "event_queue"): "row exclusive", **readable}
