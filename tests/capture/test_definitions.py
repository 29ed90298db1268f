"""Definitions that change under tracking, as an application's migrations do it: nothing leaks, no write fails."""

from __future__ import annotations

import threading

import psycopg
import pytest
from fix_relay import eventually

from capture.history import Db, actions, events, hidden, last, problems, run, table

PEOPLE = "create table t (id int primary key, email text, n int)"
PARTS = (
    "create table t (id int primary key, n int) partition by range (id)",
    "create table t0 partition of t for values from (0) to (10)",
    "create table t1 partition of t for values from (10) to (20)",
    "select bridge.enable_tracking('t')",
)


@pytest.mark.parametrize("use", ["mask", "exclude"])
@pytest.mark.parametrize("looks", [(), (0,), (1,), (0, 1)])
def test_a_hidden_column_that_is_dropped_and_added_again(db: Db, use: str, looks: tuple[int, ...]) -> None:
    run(db, PEOPLE, f"select bridge.enable_tracking('t', {use} => '{{email}}')")
    for number, statement in enumerate(("alter table t drop email", "alter table t add email text")):
        run(db, statement, *["select bridge.refresh_tracking()"] * (number in looks))
    run(db, "insert into t values (1, 0, 'SECRET')", "update t set n = 1, email = 'SECRET2'")
    run(db, "select bridge.refresh_tracking()", "alter table t rename email to mail", "update t set mail = 'SECRET3'")
    assert hidden(db)
    hides = "select cardinality(masked || excluded) from bridge.tracked_table where entity_type = 't'"
    assert db.execute(hides).fetchone() == (1,)


def test_a_hidden_column_that_another_takes_the_place_of(db: Db) -> None:
    """The way in which a column's type is changed without a lock; the key's, too."""
    run(
        db,
        PEOPLE,
        "select bridge.enable_tracking('t', mask => '{email}')",
        "alter table t add email_new varchar(100), add id_new bigint not null default 0",
        "create unique index on t (id_new)",
        "select bridge.refresh_tracking()",
        "alter table t drop email, drop id",
        "alter table t rename email_new to email",
        "alter table t rename id_new to id",
        "insert into t (id, email, n) values (7, 'SECRET', 1)",
        "select bridge.refresh_tracking()",
        "update t set email = 'SECRET2'",
    )
    assert hidden(db)
    assert actions(db) == [("INSERT", "7"), ("UPDATE", "7")]
    assert problems(db) == []


def test_a_column_computed_from_a_hidden_one(db: Db) -> None:
    run(
        db,
        "create table t (id int primary key, email text, note text, n int generated always as (id + 1) stored,"
        " lower text generated always as (lower(email)) stored, other text generated always as (note || 'x') stored)",
        "select bridge.enable_tracking('t', mask => '{email}', exclude => '{note}')",
        "insert into t values (1, 'SECRET', 'SECRET')",
    )
    assert events(db)[-1][3] == {"id": 1, "email": "[masked]", "lower": "[masked]", "n": 2}
    run(db, "create table u (email text, id text generated always as (email || 'x') stored primary key)")
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="computed from"):
        run(db, "select bridge.enable_tracking('u', mask => '{email}')")
    run(db, "select bridge.refresh_tracking()")
    assert db.execute("select masked from bridge.tracked_table where entity_type = 't'").fetchone() == ([2],)


def test_an_expression_that_comes_to_refer_to_a_hidden_column(db: Db) -> None:
    if db.info.server_version < 170000:
        pytest.skip("SET EXPRESSION came with Postgres 17")
    run(
        db,
        "create table t (id int primary key, email text, g text generated always as (id::text) stored)",
        "select bridge.enable_tracking('t', mask => '{email}')",
        "insert into t values (1, 'SECRET')",
        "alter table t alter g set expression as (email)",
        "update t set email = 'SECRET2'",
    )
    assert hidden(db)


def test_a_key_that_may_be_null(db: Db) -> None:
    run(
        db,
        "create table t (id int not null, n int)",
        "create unique index on t (id)",
        "select bridge.enable_tracking('t', key => '{id}')",
        "alter table t alter id drop not null",
        "insert into t values (null, 0), (1, 1)",
        "update t set n = 2",
        "select bridge.refresh_tracking()",
        "delete from t",
    )
    assert sorted(actions(db)) == [(action, key) for action in ("DELETE", "INSERT", "UPDATE") for key in ("1", "?")]
    assert [f for f in problems(db) if "may be null" in f]


def test_a_partition_that_was_detached(db: Db) -> None:
    run(db, *PARTS, "insert into t values (1, 0), (11, 0)", "alter table t detach partition t1")
    run(db, "update t1 set n = 1", "truncate t1")
    assert actions(db) == [("INSERT", "1"), ("INSERT", "11")]  # those of t: 11 was taken along, and lives elsewhere
    run(db, "select bridge.refresh_tracking()")
    left = "select count(*) from pg_trigger where tgrelid = 't1'::regclass and not tgisinternal"
    assert db.execute(left).fetchone() == (0,)
    assert db.execute("select has_table_privilege('bridge_reader', 't1', 'select')").fetchone() == (False,)
    run(db, "alter table t attach partition t1 for values from (10) to (20)", "select bridge.refresh_tracking()")
    run(db, "alter table t detach partition t1", "select bridge.disable_tracking('t')")
    assert db.execute(left).fetchone() == (0,)


def test_a_partition_that_is_tracked_itself(db: Db) -> None:
    run(db, *PARTS, "create table t2 (id int not null primary key, n int)", "select bridge.enable_tracking('t2')")
    run(db, "alter table t attach partition t2 for values from (20) to (30)", "insert into t values (21, 0)")
    assert actions(db) == actions(db, "t2") == [("INSERT", "21")]


def test_a_key_that_is_made_deferrable_later(db: Db) -> None:
    run(
        db,
        "create table t (id int constraint key primary key, n int)",
        "select bridge.enable_tracking('t')",
        "alter table t drop constraint key, add constraint key primary key (id) deferrable",
    )
    assert problems(db) == ["its key can be deferred now, and its trigger is not"]
    run(
        db,
        "select bridge.refresh_tracking()",
        "insert into t values (1, 0), (2, 0), (3, 0)",
        "update t set id = id + 1",
    )
    assert problems(db) == []
    assert last(db) == table(db)
    assert db.execute("select tgdeferrable from pg_trigger where tgname ~ '^bridge_.*row$'").fetchall() == [(True,)]


@pytest.mark.parametrize(
    "rewrite", ["alter table t alter n type bigint", "alter table t set unlogged", "cluster t using t_pkey"]
)
def test_a_table_that_is_rewritten_within_the_transaction(db: Db, rewrite: str) -> None:
    """Versions have other places in the new file; some of them are those of other versions in the old one."""
    run(
        db,
        "create table t (id int primary key, n int, m int)",
        "create function again() returns trigger language plpgsql as $$ begin"
        " update t set m = m + 1 where id = new.id and pg_trigger_depth() < 2; return null; end $$",
        'create trigger "!!" after update on t for each row execute function again()',
        "select bridge.enable_tracking('t')",
    )
    with db.transaction():
        run(db, "insert into t values (1, 0, 0)", "update t set n = 1", rewrite, "update t set n = 2")
    assert last(db) == table(db)
    assert [state["m"] for *_, state, _ in events(db)] == [0, 0, 1, 1, 2]


def test_an_application_that_writes_before_truncate(db: Db) -> None:
    run(
        db,
        PEOPLE,
        "create function farewell() returns trigger language plpgsql as $$ begin"
        " insert into t values (99); return null; end $$",
        "create trigger zz before truncate on t for each statement execute function farewell()",
        "select bridge.enable_tracking('t')",
        "insert into t values (1)",
        "truncate t",
    )
    assert actions(db) == [("INSERT", "1"), ("INSERT", "99"), ("DELETE", "1"), ("DELETE", "99"), ("TRUNCATE", "*")]


@pytest.mark.parametrize(
    "round_", ["update t set n = n; update t set id = 3 - id", "delete from t; insert into t values (1)"]
)
def test_many_changes_of_a_key_in_one_transaction(db: Db, round_: str) -> None:
    """The order is looked at where it may be wrong, and not at each change: that would take the square of the time."""
    run(db, "create table t (id int primary key, n int)", "select bridge.enable_tracking('t')")
    run(db, "set track_functions = 'all'")
    with db.transaction():
        run(db, "insert into t values (1, 0)")
        for _ in range(50):
            run(db, round_)
        looks = "select coalesce(pg_stat_get_xact_function_calls('bridge.settle_changes(text,text)'::regprocedure), 0)"
        assert db.execute(looks).fetchone() == (0,)
    assert last(db).keys() == table(db).keys()


def test_a_publication_of_all_tables(db: Db) -> None:
    run(db, "create table t (id int primary key, n int)", "select bridge.enable_tracking('t')")
    run(db, "set client_min_messages = error", "create publication everything for all tables")
    run(db, "insert into bridge.moved_version values (pg_current_xact_id(), 1, '(0,1)', '(0,2)')")
    run(db, "alter table t add more int", "select bridge.refresh_tracking()", "insert into t values (1, 2, 3)")
    assert db.execute("select count(*) from bridge.moved_version").fetchone() == (0,)
    assert problems(db) == []


def test_one_table_that_cannot_be_followed_does_not_keep_the_others(db: Db) -> None:
    run(
        db,
        *PARTS,
        "create table u (id int primary key)",
        "select bridge.enable_tracking('u')",
        "create function no() returns event_trigger language plpgsql as $$ begin raise 'no triggers'; end $$",
        "create event trigger no on ddl_command_start when tag in ('CREATE TRIGGER') execute function no()",
        "create table t2 partition of t for values from (20) to (30)",
        "alter table u add n int",
        "select bridge.refresh_tracking()",
    )
    assert "it could not be followed: no triggers" in problems(db)
    assert db.execute("select columns ->> '2' from bridge.tracked_table where entity_type = 'u'").fetchone() == ("n",)
    run(db, "drop event trigger no", "select bridge.refresh_tracking()")
    assert problems(db) == []


@pytest.mark.parametrize("rest", ["", ", n int"])
def test_a_table_that_lost_its_key(db: Db, rest: str) -> None:
    run(db, f"create table t (id int primary key{rest})", "select bridge.enable_tracking('t')")
    run(db, "alter table t drop id", "select bridge.refresh_tracking()", "insert into t default values")
    assert actions(db) == [("INSERT", "?")]
    assert [f for f in problems(db) if "no unique index" in f]


def test_strings_with_backslashes_in_the_old_way(db: Db) -> None:
    run(
        db,
        "set standard_conforming_strings = off",
        "set escape_string_warning = off",
        'create table t (id int primary key, "a\\b" json, c text)',
        "select bridge.enable_tracking('t', 'odd\\\\\\\\type')",
        """insert into t values (1, E'{"a": "\\\\u0000"}', E'\\\\')""",
        "update t set c = 'd'",
    )
    assert [
        state["a\\b"] for *_, state, _ in events(db, "odd\\\\type" if events(db, "odd\\\\type") else "odd\\type")
    ] == [{"$json": '{"a": "\\u0000"}'}] * 2


def test_the_ready_made_trigger_on_a_table_without_id(db: Db) -> None:
    run(
        db,
        "create table t (n int)",
        "create table u (id int)",
        *[
            f"create trigger tracker after insert or update or delete on {name}"
            " for each row execute function crm.track_entity_change()"
            for name in ("t", "u")
        ],
        "insert into t values (1)",
        "update t set n = 2",
        "insert into u values (null)",
        "delete from u",
    )
    assert actions(db) == [("INSERT", "?"), ("UPDATE", "?")]
    assert actions(db, "u") == [("INSERT", "?"), ("DELETE", "?")]


@pytest.mark.parametrize("is_tracked", [False, True])
def test_a_tracked_table_that_is_attached_to_another(db: Db, is_tracked: bool) -> None:
    """Its columns have other numbers in the partitioned table, which may be tracked, too."""
    run(
        db,
        "create table t (id int not null, email text, name text, primary key (id))",
        "create table parent (email text, id int primary key, name text) partition by list (id)",
        "select bridge.enable_tracking('t', mask => '{email}')",
        *["select bridge.enable_tracking('parent', mask => '{name}', exclude => '{email}')"] * is_tracked,
        "alter table parent attach partition t for values in (1)",
    )
    upsert = "insert into t values (1, 'SECRET', 'a') on conflict (id) do update set name = 'b', email = 'SECRET2'"
    run(db, upsert, upsert, "update t set id = id", "select bridge.refresh_tracking()", upsert, "truncate t")
    assert hidden(db)
    recorded = [("INSERT", "1"), ("UPDATE", "1"), ("DELETE", "1"), ("TRUNCATE", "*")]
    assert actions(db) == recorded
    assert actions(db, "parent") == recorded * is_tracked


def test_a_masked_column_that_takes_the_keys_name(db: Db) -> None:
    run(
        db,
        PEOPLE,
        "select bridge.enable_tracking('t', mask => '{email}')",
        "alter table t drop id",
        "alter table t rename email to id",
        "insert into t (id, n) values ('SECRET', 1)",
        "select bridge.refresh_tracking()",
        "insert into t (id, n) values ('SECRET', 1)",
    )
    assert hidden(db)
    assert [f for f in problems(db) if "a column of its key is gone" in f]


def test_a_partition_that_computes_otherwise(db: Db) -> None:
    otherwise = "generated always as ('a') stored" if db.info.server_version >= 160000 else ""
    run(
        db,
        f"create table t (id int primary key, email text, g text {otherwise}) partition by range (id)",
        "create table t0 (id int not null, email text, g text generated always as (email) stored)",
        "select bridge.enable_tracking('t', mask => '{email}')",
        "alter table t attach partition t0 for values from (0) to (10)",
        "insert into t (id, email) values (1, 'SECRET')",
        "select bridge.refresh_tracking()",
        "update t set email = 'SECRET2'",
        "create table t1 partition of t for values from (10) to (20)",
        "insert into t (id, email) values (11, 'SECRET')",
    )
    if db.info.server_version >= 170000:
        run(db, "alter table t1 alter g set expression as (email)", "update t1 set email = 'SECRET3'")
    assert hidden(db)


def test_a_key_that_comes_to_show_a_hidden_column(db: Db) -> None:
    if db.info.server_version < 170000:
        pytest.skip("SET EXPRESSION came with Postgres 17")
    run(
        db,
        "create table t (n int, email text, id text generated always as (n::text) stored primary key)",
        "select bridge.enable_tracking('t', mask => '{email}')",
        "insert into t values (1, 'SECRET')",
        "alter table t alter id set expression as (email)",
        "update t set email = 'SECRET2'",
    )
    assert hidden(db)


def test_json_behind_two_domains(db: Db) -> None:
    run(
        db,
        "create domain d as json",
        "create domain dd as d",
        "create table t (id int primary key, d dd)",
        "select bridge.enable_tracking('t')",
        """insert into t values (1, '{"a":"\\u0000"}')""",
    )
    assert events(db)[0][3]["d"].keys() == {"$json"}


PATTERNS = {
    "upsert": "insert into t select g, 0 from generate_series(1, 100) as g on conflict (id) do update set n = t.n + 1",
    "lock": "select count(*) from (select from t for update) as l; update t set n = n + 1",
    "foreign key": "insert into child select id from t; update t set n = n + 1",
    "own rows": "update t set n = n",
    "keys": "update t set id = -id",
}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_usual_is_cheap(db: Db, pattern: str) -> None:
    """Rows that are locked before they are changed take the way that others take."""
    run(
        db,
        "create table t (id int primary key, n int)",
        "create table child (up int references t)",
        "select bridge.enable_tracking('t')",
        "set track_functions = 'all'",
    )
    with db.transaction():
        run(db, "insert into t select g, 0 from generate_series(1, 100) as g", *[PATTERNS[pattern]] * 3)
        for routine in ("settle_changes(text,text)", "read_change(bridge.tracked_table,text,record,record)"):
            calls = f"select coalesce(pg_stat_get_xact_function_calls('bridge.{routine}'::regprocedure), 0)"
            assert db.execute(calls.encode()).fetchone() == (0,)
    assert last(db) == table(db)


def test_settings_that_are_not_given_stay(db: Db) -> None:
    run(
        db,
        "create table t (id int primary key, code text not null unique, a text, b text, c text)",
        "select bridge.enable_tracking('t', 'things', 'KIND', mask => '{a}', exclude => '{b,c}', key => '{code}',"
        " activity => true, truncate_rows => 3)",
        "alter table t rename a to aa",
        "alter table t drop b",
        "alter table t rename to u",
        "select bridge.enable_tracking('u')",
    )
    settings = """
        select entity_type, entity_event_type, key, masked, excluded, dropped, activity, truncate_rows, known_as
          from bridge.tracked_table where relation = 'u'::regclass"""
    kept = ("things", "KIND", [2], [3], [5], {"b": "excluded"}, True, 3, "public.u")
    assert db.execute(settings).fetchone() == kept
    run(db, "select bridge.enable_tracking('u', exclude => '{}', mask => '{c}', activity => false)")
    assert db.execute(settings).fetchone() == (*kept[:3], [5], [], {}, False, 3, "public.u")


def test_a_cascade_that_meets_another_definition(db: Db, either_version: str) -> None:
    """The statement has a snapshot older than the ALTER TABLE, which waits for nobody: the child is still to come."""
    run(
        db,
        "create table up (id int primary key)",
        "create table t (id int primary key, up int references up on update cascade, email text)",
        "select bridge.enable_tracking('t', mask => '{email}')",
        "insert into up values (1)",
        "insert into t values (1, 1, 'SECRET')",
    )
    with psycopg.connect(either_version, autocommit=True) as gate, psycopg.connect(either_version) as other:
        gate.execute("select pg_advisory_lock(1)")
        other.execute("set search_path = public")
        other.commit()
        changing = threading.Thread(
            target=other.execute,
            args=(b"with w as materialized (select pg_advisory_lock(1)) update up set id = 2 from w",),
        )
        changing.start()
        waits = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        eventually(lambda: db.execute(waits).fetchone() == (1,))
        run(db, "alter table t rename email to mail", "alter table t add more int")
        gate.execute("select pg_advisory_unlock(1)")
        changing.join()
        other.commit()
    assert hidden(db)
    assert events(db)[-1][3] == {"id": 1, "up": 2, "mail": "[masked]", "more": None}


def test_a_row_that_moves_silently_before_it_leaves(db: Db) -> None:
    """All of it within one statement, so that what was first is recorded last."""
    run(
        db,
        "create table t (id int primary key, n int default 0, silent int default 0)",
        "select bridge.enable_tracking('t', exclude => '{silent}')",
        "create function f(i int) returns int language plpgsql as $$ begin if i = 2 then"
        " update t set silent = silent + 1 where id = 1; delete from t where id = 1; end if; return 1; end $$",
    )
    with db.transaction():
        run(db, "insert into t (id) values (1)", "insert into t (id) values (2)")
        run(db, "update t set silent = silent + f(id) where id in (1, 2)")
    assert [change for change in actions(db) if change[1] == "1"] == [("INSERT", "1"), ("DELETE", "1")]


@pytest.mark.parametrize("ahead", [1, 1000, 2**30, 2**31 - 1, 2**31, 2**32 - 10])
def test_a_row_so_old_that_its_number_has_come_round(db: Db, ahead: int) -> None:
    """A frozen row keeps the number of who made it, and after two billion transactions that seems yet to come."""
    number = "((pg_current_xact_id()::text::bigint + %s) %% 4294967296)::text::xid"
    own = f"select bridge.is_own_version({number}, pg_current_xact_id())"
    assert db.execute(own.encode(), (ahead,)).fetchone() == (False,)
