"""Partitions are made ahead, and missing ones made good while writers write: none of them fails, or waits for long."""

from __future__ import annotations

import re
import threading

import psycopg
import pytest
from fix_house import Writers, keep, keep_and_die, kept, troubles
from fix_relay import eventually
from psycopg import errors
from roles import Roles

Db = psycopg.Connection
STATEMENTS = {
    "bridge.outbox": "select bridge.publish_event('a.b', pg_backend_pid()::text, '{}')",
    "bridge.history": "update public.thing set v = v + 1 where id = 1 + pg_backend_pid() % 100",
    "bridge.activity_log": "insert into bridge.activity_log (action) values ('SEEN')",
}
STRAYS = 30_000


@pytest.fixture
def neglected(either_version: str) -> str:
    """A database in which no partition is left, and many rows lie in the default ones."""
    with psycopg.connect(either_version, autocommit=True) as db:
        db.execute("create table public.thing (id integer primary key, v integer)")
        db.execute("insert into public.thing select g, 0 from generate_series(1, 100) as g")
        db.execute("select bridge.enable_tracking('public.thing')")
        for parent in STATEMENTS:
            leaves = db.execute("select leaf::text from bridge.partition_bounds(%s) where not is_default", (parent,))
            for (leaf,) in leaves.fetchall():
                db.execute(f"drop table {leaf}".encode())
        db.execute(
            "insert into bridge.outbox (shard, event_type, event_key, payload, created_at)"
            " select 0, 'a.b', g::text, '{}', now() - g * interval '1 minute' from generate_series(%s, 1, -1) as g",
            (STRAYS,),
        )
        db.execute(
            "insert into bridge.activity_log (action, occurred_at)"
            " select 'OLD', now() - g * interval '1 hour' from generate_series(1, 5000) as g"
        )
    return either_version


def rows(db: Db, parent: str) -> int:
    return int(db.execute(f"select count(*) from {parent}".encode()).fetchone()[0])  # type: ignore[index]


def status(db: Db) -> dict[str, tuple[bool, int]]:
    """By table: whether tomorrow has a partition, and the rows without one."""
    db.execute("set search_path = pg_catalog")  # names are shown in full
    query = "select parent::text, coalesce(runway > interval '1 day', false), default_rows from bridge.partition_status"
    return {parent: (runway, strays) for parent, runway, strays in db.execute(query).fetchall()}


@pytest.mark.parametrize(
    "slice_rows", [2000, 100_000], ids=["the default becomes a partition", "all are moved at once"]
)
def test_missing_partitions_are_made_good_beside_writers(neglected: str, slice_rows: int) -> None:
    writers = Writers(neglected, STATEMENTS)
    seen: list[int] = []
    ending = threading.Event()
    with psycopg.connect(neglected, autocommit=True) as db, psycopg.connect(neglected, autocommit=True) as reader:
        db.execute("update bridge.partition_policy set max_move_rows = %s", (slice_rows,))

        def read() -> None:
            while not ending.is_set():
                seen.append(rows(reader, "bridge.outbox"))

        thread = threading.Thread(target=read)
        with writers.at_work(4):
            thread.start()
            eventually(lambda: len(writers.written) == 3)

            def is_well() -> bool:
                keep(neglected, "partitions")
                return all(runway and not strays for runway, strays in status(db).values())

            eventually(is_well)
            ending.set()
            thread.join()
        assert writers.errors == []
        assert seen == sorted(seen), "a row was invisible for a while"
        assert rows(db, "bridge.outbox") == STRAYS + writers.written["bridge.outbox"]
        assert rows(db, "bridge.activity_log") == 5000 + writers.written["bridge.activity_log"]
        assert rows(db, "bridge.history") == writers.written["bridge.history"]


def test_few_partitions_come_of_many_strays(neglected: str) -> None:
    with psycopg.connect(neglected, autocommit=True) as db:
        db.execute("update bridge.partition_policy set max_move_rows = 1000")
        assert troubles(keep(neglected, "partitions")) == []
        leaves = db.execute("select leaves from bridge.partition_status where parent = 'bridge.outbox'::regclass")
        assert leaves.fetchone() == (8,), "that of the strays with today's, and seven days ahead"
        db.execute("select bridge.publish_event('a.b', 'k', '{}')")
        assert status(db)["bridge.outbox"] == (True, 0)


def test_a_stray_of_another_time_keeps_the_default_from_becoming_a_partition(neglected: str) -> None:
    """Between them lies a partition: the many are moved in slices then."""
    with psycopg.connect(neglected, autocommit=True) as db:
        db.execute("update bridge.partition_policy set max_move_rows = 10000")
        db.execute("select bridge.create_partition('bridge.outbox', '2001-01-01Z', '2001-01-02Z')")
        db.execute(
            "insert into bridge.outbox (shard, event_type, event_key, payload, created_at)"
            " values (0, 'a.b', 'k', '{}', '2000-12-31Z')"
        )
        assert troubles(keep(neglected, "partitions")) == []
        assert status(db)["bridge.outbox"] == (True, 0)
        assert rows(db, "bridge.outbox") == STRAYS + 1


def test_one_who_writes_for_long_is_waited_for_briefly_and_stops_no_other_table(neglected: str) -> None:
    with psycopg.connect(neglected) as writer, psycopg.connect(neglected, autocommit=True) as db:
        writer.execute("select bridge.publish_event('a.b', 'k', '{}')")
        (run,) = keep(neglected, "partitions")
        assert run.outcome == "busy"
        assert {step.target for step in run.steps if step.outcome == "busy"} >= {"bridge.outbox"}
        assert status(db)["bridge.activity_log"] == (True, 0)
        writer.rollback()
        eventually(lambda: not troubles(keep(neglected, "partitions")))
        assert status(db)["bridge.outbox"] == (True, 0)


def test_one_tables_trouble_stops_no_other(neglected: str) -> None:
    """A stray at the end of all time; a user's table that cannot be read, one that was dropped."""
    with psycopg.connect(neglected, autocommit=True) as db:
        db.execute(
            "insert into bridge.activity_log (action, occurred_at) values ('x', '294276-12-31Z'), ('y', 'infinity')"
        )
        for name in ("a", "b"):
            db.execute(f"create table public.{name} (at date) partition by range (at)".encode())
            db.execute(f"create table public.{name}_d partition of public.{name} default".encode())
            db.execute(f"select bridge.set_partition_policy('public.{name}', step => 'day')".encode())
        db.execute("drop table public.b")
        db.execute("insert into public.a values (now())")
        db.execute("create function public.f(date) returns date immutable language sql as 'select $1'")
        db.execute("create index on public.a_d (public.f(at))")
        db.execute("create role not_trusted_here")
        db.execute("alter function public.f owner to not_trusted_here")
        (run,) = keep(neglected, "partitions")
        db.execute("alter function public.f owner to current_user")
        db.execute("drop role not_trusted_here")
        assert run.outcome == "error"
        assert {step.target for step in run.steps if step.outcome == "error"} == {"public.a"}
        assert status(db) == {
            "bridge.activity_log": (True, 0),
            "bridge.activity_log_archive": (True, 0),
            "bridge.history": (True, 0),
            "bridge.outbox": (True, 0),
            "public.a": (False, 1),
        }
        timeless = "select sum(timeless_rows)::int from bridge.partition_status"
        assert db.execute(timeless).fetchone() == (2,)
        assert db.execute("select bridge.ensure_partitions()").fetchone() == (7,), "but for that of the stray"
        assert db.execute("select bridge.ensure_partitions()").fetchone() == (0,)
        keep(neglected, "cleanup")
        assert db.execute("select count(*) from bridge.partition_policy").fetchone() == (5,)


def test_a_users_rows_are_not_moved(either_version: str) -> None:
    """His foreign keys and triggers, tracking among them, would see them deleted: the default becomes a partition."""
    with psycopg.connect(either_version, autocommit=True) as db:
        db.execute(
            "create table public.orders (id integer, at timestamptz, primary key (id, at)) partition by range (at)"
        )
        db.execute("create table public.orders_d partition of public.orders default")
        db.execute(
            "create table public.free (id integer, at timestamptz, primary key (id, at)) partition by range (at)"
        )
        db.execute("create table public.free_d partition of public.free default")
        db.execute("create table public.items (id integer, at timestamptz,"
                   " foreign key (id, at) references public.orders on delete cascade)")  # fmt: skip
        db.execute("select bridge.enable_tracking('public.free', key => '{id,at}')")
        for table in ("orders", "free"):
            db.execute(f"insert into public.{table} values (1, now()), (2, now() - interval '3 days')".encode())
            db.execute(f"select bridge.set_partition_policy('public.{table}', step => 'day')".encode())
        db.execute("insert into public.items select id, at from public.orders")
        found = troubles(keep(either_version, "partitions"))
        assert all("public.orders" in trouble for trouble in found), "those that are referred to stay, which is told"
        assert found
        assert [rows(db, f"public.{table}") for table in ("orders", "items", "free")] == [2, 2, 2]
        actions = db.execute("select action from bridge.history order by seq").fetchall()
        assert actions == [("INSERT",), ("INSERT",)]
        assert status(db)["public.free"] == (True, 0)
        db.execute("update public.free set at = at + interval '1 second'")
        assert rows(db, "bridge.history") == 6


def test_a_users_rows_at_infinity_stay_and_are_no_trouble(either_version: str) -> None:
    """The default partition is no partition of a time, though it holds one row and that alone."""
    with psycopg.connect(either_version, autocommit=True) as db:
        for kind in ("timestamptz", "date"):
            db.execute(f"create table public.until_{kind} (until {kind}) partition by range (until)".encode())
            db.execute(f"create table public.d_{kind} partition of public.until_{kind} default".encode())
            db.execute(f"insert into public.until_{kind} values ('infinity')".encode())
            db.execute(f"select bridge.set_partition_policy('public.until_{kind}', step => 'month')".encode())
        db.execute("insert into public.until_date values ('5874897-12-31')")  # no timestamp has such a time
        assert troubles(keep(either_version, "partitions")) == []
        assert [status(db)[f"public.until_{kind}"] for kind in ("timestamptz", "date")] == [(True, 0)] * 2


def test_rows_of_a_month_that_has_partitions_of_days_get_one_of_the_rest(either_version: str) -> None:
    with psycopg.connect(either_version, autocommit=True) as db:
        db.execute("create table public.visits (at timestamptz) partition by range (at)")
        db.execute("create table public.visits_d partition of public.visits default")
        for day in (1, 2, 30):
            db.execute(f"create table public.visits_{day} partition of public.visits"
                       f" for values from ('2001-04-{day} 00:00Z') to ('2001-04-{day} 23:59Z')".encode())  # fmt: skip
        db.execute("insert into public.visits values ('2001-04-03Z'), ('2001-04-20Z')")
        db.execute("select bridge.set_partition_policy('public.visits', step => 'month')")
        assert troubles(keep(either_version, "partitions")) == []
        assert status(db)["public.visits"] == (True, 0)
        assert rows(db, "public.visits") == 2


def test_a_users_key_may_be_called_something_else_since(either_version: str) -> None:
    with psycopg.connect(either_version, autocommit=True) as db:
        db.execute("create table public.visits (at date) partition by range (at)")
        db.execute("create table public.visits_d partition of public.visits default")
        db.execute("select bridge.set_partition_policy('public.visits', step => 'day')")
        db.execute("alter table public.visits rename at to visited")
        db.execute("insert into public.visits values ('2001-01-01')")
        assert status(db)["public.visits"] == (False, 1)
        assert troubles(keep(either_version, "partitions")) == []
        assert status(db)["public.visits"] == (True, 0)


CODE = {
    "a constraint": "alter table t add check (f())",
    "a constraint of the default partition": "alter table t_d add check (f())",
    "an index": "create index on t (id) where f()",
    "an expression of an index": "create index on t ((id::text || f()::text))",
    "an index of what is referred to": "create table r (id int primary key); create index on r (id) where f();"
    " alter table t add foreign key (id) references r",
    "an index of what refers to it": "create table r (id int, at date, foreign key (id, at) references t);"
    " create index on r (id) where f()",
}


@pytest.mark.parametrize("code", CODE)
def test_who_looks_after_a_users_table_runs_no_code_of_his(either_version: str, unique: str, code: str) -> None:
    """Postgres computes what is constant in constraints and indexes, with the rights of whoever makes a partition."""
    with psycopg.connect(either_version, autocommit=True) as db:
        db.execute(f"create role {unique}; create schema his authorization {unique}".encode())
        try:
            db.execute(f"set role {unique}; set search_path = his".encode())
            db.execute("create type state as enum ('open', 'closed')")
            db.execute("create table t (id int, at date, s state default 'open' check (s in ('open', 'closed')),"
                       " primary key (id, at)) partition by range (at)")  # fmt: skip
            db.execute("create table t_d partition of t default")
            db.execute("create table t_old partition of t for values from ('2020-01-01') to ('2020-02-01')")
            db.execute(
                f"""create function f() returns boolean immutable language plpgsql as $$ begin
                if current_user <> '{unique}' then raise exception 'ran as %', current_user; end if;
                return true; end $$""".encode()
            )
            db.execute("reset role; reset search_path")
            register = "select bridge.set_partition_policy('his.t', step => 'month', keep_for => '1 year')"
            db.execute(register)
            db.execute(f"set role {unique}; set search_path = his".encode())
            db.execute(CODE[code].encode())
            db.execute("reset role; reset search_path")
            assert status(db)["his.t"][1] == 0
            with pytest.raises(errors.InsufficientPrivilege, match=r"would run with the rights of .*: function his\.f"):
                db.execute(register)
            found = troubles(keep(either_version, "partitions", "retention"))
            assert found
            assert all(
                re.search(rf"would run with the rights of .*: function his\.f\(\) of {unique} in ", trouble)
                for trouble in found
            )
            db.execute(f"alter function his.f() owner to {db.info.user}".encode())
            db.execute("create or replace function his.f() returns boolean immutable language sql as 'select true'")
            db.execute("insert into his.t values (1, '2019-12-31')" if "refer" not in code else "select 1")
            assert troubles(keep(either_version, "partitions", "retention")) == []
            assert status(db)["his.t"] == (True, 0)
        finally:
            db.execute(f"drop owned by {unique} cascade; drop role {unique}".encode())


def test_one_stray_far_away_does_not_hinder_the_exchange(neglected: str) -> None:
    with psycopg.connect(neglected, autocommit=True) as db:
        db.execute("update bridge.partition_policy set max_move_rows = 1000")
        db.execute(
            "insert into bridge.outbox (shard, event_type, event_key, payload, created_at)"
            " values (0, 'a.b', 'k', '{}', now() + interval '400 days'), (0, 'a.b', 'k', '{}', 'infinity')"
        )
        db.execute("select bridge.create_partition('bridge.outbox', d, d + interval '1 day')"
                   " from date_trunc('day', now() + interval '100 days', 'UTC') as d")  # fmt: skip
        assert troubles(keep(neglected, "partitions")) == []
        assert status(db)["bridge.outbox"] == (True, 0)
        leaves = db.execute("select leaves from bridge.partition_status where parent = 'bridge.outbox'::regclass")
        assert leaves.fetchone() == (10,), "as ever, and one of each time"
        assert rows(db, "bridge.outbox") == STRAYS + 2


def test_names_that_are_long_or_taken(either_version: str) -> None:
    long = "Ж" * 31
    with psycopg.connect(either_version, autocommit=True) as db:
        for name in (f"{long}a", f"{long}b"):
            db.execute(f'create table public."{name[:31]}{name[-1]}" (at date) partition by range (at)'.encode())
            db.execute(f"select bridge.set_partition_policy('public.\"{name}\"', step => 'day')".encode())
        assert troubles(keep(either_version, "partitions")) == []
        found = status(db)
        assert [runway for parent, (runway, _) in found.items() if long in parent] == [True, True]


@pytest.mark.parametrize("number", [1, 2, 4])
def test_a_killed_keeper_leaves_nothing_half_done(neglected: str, number: int) -> None:
    with psycopg.connect(neglected, autocommit=True) as db:
        db.execute("update bridge.partition_policy set max_move_rows = 4000")
        assert keep_and_die(neglected, f"keeper_step:kill@{number}", "partitions") == -9
        assert rows(db, "bridge.outbox") == STRAYS
        query = "select outcome, detail, failures from bridge.policy where job = 'partitions'"
        assert db.execute(query).fetchone() == ("running", None, 1)
        assert kept(db, "bridge.activity_log") == 5000
        db.execute("update bridge.keeper set lease_until = now() - interval '1 second'")  # the dead one's
        assert troubles(keep(neglected, "partitions")) == []
        assert rows(db, "bridge.outbox") == STRAYS
        assert status(db)["bridge.outbox"] == (True, 0)


@pytest.mark.parametrize(
    ("since", "until"),
    [
        ("2001-01-01Z", "2001-01-03Z"),  # of two steps
        ("2001-01-01 12:00Z", "2001-01-02 12:00Z"),
        ("2001-01-01Z", "2001-01-01 00:00:01Z"),  # a day would be 86,400 partitions
        ("2001-01-02Z", "2001-01-01Z"),
        ("2001-01-01Z", "2001-01-01Z"),
        ("2002-01-01Z", "2002-01-02Z"),  # there is one
        ("2003-01-01Z", "2003-01-02Z"),  # there is one of a part of it
        ("10000-01-01Z", "10000-01-02Z"),
        ("0001-01-01Z BC", "0001-01-02Z BC"),
        ("infinity", "infinity"),
        (None, "2001-01-02Z"),
        ("2001-01-01Z", None),
    ],
)
def test_no_partition_is_made_that_the_policy_could_not_ask_for(
    database: str, roles: Roles, since: str | None, until: str | None
) -> None:
    create = "select bridge.create_partition('bridge.outbox', %s, %s)"
    with psycopg.connect(database, autocommit=True) as db:
        db.execute(create, ("2002-01-01Z", "2002-01-02Z"))
        db.execute(
            "create table bridge.part partition of bridge.outbox"
            " for values from ('2003-01-01Z') to ('2003-01-01 06:00Z')"
        )
        with psycopg.connect(roles.url(database, "maintenance"), autocommit=True) as maintenance:
            with pytest.raises(errors.InvalidParameterValue):
                maintenance.execute(create, (since, until))
            maintenance.execute(create, ("2003-01-01 06:00Z", "2003-01-02Z"))
            maintenance.execute(create, ("2001-01-01Z", "2001-01-02Z"))
