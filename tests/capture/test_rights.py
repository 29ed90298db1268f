"""Whose code runs with whose rights: nobody's but bridge's with those of bridge_capture and bridge_reader."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from capture.history import Db, actions, run

# Notes as whom it runs, where a query that is merely planned can leave it.
PEEK = """
create function {name}({arguments}) returns {type} language plpgsql immutable as $$ begin
    perform set_config('test.seen', current_setting('test.seen', true) || ' ' || current_user, false);
    return {result};
end $$"""
PEEKS = (
    PEEK.format(name="peek", arguments="n int", type="boolean", result="true"),
    PEEK.format(name="peek_number", arguments="n int", type="int", result="1"),
    PEEK.format(name="peek_domain", arguments="n text", type="boolean", result="true"),
    PEEK.format(name="peek_both", arguments="a int, b int", type="boolean", result="true"),
    "create operator === (function = peek_both, leftarg = int, rightarg = int)",
    "create domain seen as text check (peek_domain(value))",
)
TRAPS = {
    "index predicate": ["create index on t (n) where peek(1)"],
    "index expression": ["create index on t ((n + peek_number(1)))"],
    "operator": ["create index on t (n) where 1 === 2"],
    "domain": ["create index on t (n) where ('x' || 1)::seen is not null"],
    "statistics": ["create statistics s on (n + peek_number(1)), n from t"],
}


@pytest.fixture
def owner(db: Db) -> Iterator[str]:
    """A role, no superuser, that owns what the table's owner would."""
    name = f"owner_{secrets.token_hex(4)}"
    run(db, f"create role {name}", f"grant create on schema public to {name}")
    yield name
    run(db, f"drop owned by {name} cascade", f"drop role {name}")


@pytest.mark.parametrize("trap", TRAPS)
def test_planning_what_truncate_reads(db: Db, trap: str, owner: str) -> None:
    run(db, f"set role {owner}", *PEEKS, "reset role", "create table t (id int primary key, n int)", *TRAPS[trap])
    run(db, "select bridge.enable_tracking('t')", "insert into t values (1, 1)", "analyze t")
    run(db, "set test.seen = 'begin'", "truncate t")
    assert "bridge_" not in str(db.execute("select current_setting('test.seen')").fetchone())
    assert actions(db) == [("INSERT", "1"), ("TRUNCATE", "*")]


@pytest.mark.parametrize(
    "tables",
    [
        [
            "create table t (id int primary key, n int check (peek(1)))",
            "create table child (check (peek(1) and n > 5)) inherits (t)",
            "create index on child (n) where peek(1)",
        ],
        [
            "create table t (id int primary key, n int) partition by range (id)",
            "create table t0 partition of t (check (peek(1) and n > -5)) for values from (0) to (10)",
        ],
    ],
)
def test_constraints_are_not_looked_at(db: Db, tables: list[str]) -> None:
    run(db, *PEEKS, *tables, "select bridge.enable_tracking('t')", "insert into t values (1, 1)")
    run(db, "set constraint_exclusion = on", "set test.seen = 'begin'", "truncate t")
    assert "bridge_" not in str(db.execute("select current_setting('test.seen')").fetchone())
    assert actions(db) == [("INSERT", "1"), ("DELETE", "1"), ("TRUNCATE", "*")]


def test_a_partition_key_with_a_function(db: Db, owner: str) -> None:
    run(
        db,
        f"set role {owner}",
        *PEEKS,
        "reset role",
        "create table t (id int not null, n int not null) partition by range ((n + peek_number(1)))",
        "create table t0 partition of t for values from (0) to (10)",
        "create unique index on t0 (id)",
        "create table u (id int primary key)",
    )
    run(db, "set test.seen = 'begin'", "insert into t values (1, 1)")
    assert db.execute("select bridge.planned_code('t')").fetchone() == (
        f"function public.peek_number(integer) of {owner} in table public.t",
    )
    assert db.execute("select bridge.planned_code('u')").fetchone() == (None,)


def test_expressions_of_what_is_built_in_are_no_reason(db: Db) -> None:
    run(
        db,
        "create table t (id int primary key, s text check (s <> ''))",
        "create index on t (lower(s)) where length(s) > 1",
        "create statistics s on lower(s), id from t",
        "select bridge.enable_tracking('t')",
        "insert into t values (1, 'a')",
        "truncate t",
    )
    assert actions(db) == [("INSERT", "1"), ("DELETE", "1"), ("TRUNCATE", "*")]


def test_what_the_roles_may(db: Db) -> None:
    run(db, "create table t (id int primary key)", "select bridge.enable_tracking('t')")
    may = """
        select r.role::text, c.oid::regclass::text, string_agg(a.privilege_type, ', ')
          from pg_class as c, aclexplode(c.relacl) as a, (values ('bridge_capture'), ('bridge_reader')) as r (role)
         where a.grantee = r.role::regrole and c.relnamespace <> 'crm'::regnamespace
         group by 1, 2 order by 1, 2"""
    assert db.execute(may).fetchall() == [
        ("bridge_capture", "bridge.activity_log", "INSERT"),
        ("bridge_capture", "bridge.event_seq", "USAGE"),
        ("bridge_capture", "bridge.history", "INSERT"),
        ("bridge_capture", "bridge.tracked_table", "SELECT"),
        ("bridge_reader", "bridge.event_seq", "USAGE"),
        ("bridge_reader", "bridge.history", "INSERT"),
        ("bridge_reader", "bridge.tracked_table", "SELECT"),
        ("bridge_reader", "t", "SELECT"),
    ]
    run(db, "select bridge.disable_tracking('t')")
    assert ("bridge_reader", "t", "SELECT") not in db.execute(may).fetchall()
