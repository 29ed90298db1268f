"""Transactions that see the database as it was before the table was altered, or tracked: rows are of now."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from capture.history import Db, actions, events, hidden, last, run, table

TABLE = "create table t (id int primary key, email text, note text, n int)"
TRACK = "select bridge.enable_tracking('t', mask => '{email}', exclude => '{note}')"
ROW = "insert into t values (1, 'SECRET', 'SECRET', 0)"


@pytest.fixture(params=["repeatable read", "serializable"])
def level(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def other(either_version: str, level: str) -> Iterator[Db]:
    """Another session, whose transactions keep the snapshot of their first statement."""
    with psycopg.connect(either_version, autocommit=True) as conn:
        conn.execute("set search_path = public")
        conn.execute(f"set default_transaction_isolation = '{level}'".encode())
        yield conn


def test_older_than_tracking(db: Db, other: Db) -> None:
    run(db, TABLE)
    with other.transaction():
        run(other, "select 1")
        run(db, TRACK)
        run(other, ROW, "update t set n = 1", "update t set id = 2", "delete from t")
        run(other, "insert into t values (3, 'SECRET', 'SECRET', 0)", "truncate t")
    assert actions(db) == [
        *[("INSERT", "1"), ("UPDATE", "1"), ("DELETE", "1"), ("INSERT", "2"), ("DELETE", "2")],
        *[("INSERT", "3"), ("TRUNCATE", "*")],
    ]
    assert hidden(db)


def test_older_than_the_settings(db: Db, other: Db) -> None:
    run(db, TABLE, "select bridge.enable_tracking('t')")
    with other.transaction():
        run(other, "select 1")
        run(db, TRACK)
        run(other, ROW, "update t set email = 'SECRET2', n = 1")
    assert hidden(db)
    assert events(db)[-1][3] == {"id": 1, "email": "[masked]", "n": 1}


def test_older_than_the_settings_of_a_table_that_was_altered_since(db: Db, other: Db) -> None:
    """Its trigger function was not generated for it as it is: the settings that it carries count all the same."""
    run(db, TABLE, "select bridge.enable_tracking('t')")
    with other.transaction():
        run(other, "select 1")
        run(db, TRACK, "alter table t add x int")
        run(other, ROW, "update t set email = 'SECRET2', n = 1")
    assert hidden(db)
    assert events(db)[-1][3] == {"id": 1, "email": "[masked]", "n": 1, "x": None}


@pytest.mark.parametrize("look", ["select 1", "select bridge.refresh_tracking()"])
def test_older_than_a_rename(db: Db, other: Db, look: str) -> None:
    run(db, TABLE, TRACK, ROW)
    with other.transaction():
        run(other, "select 1")
        run(db, "alter table t rename email to mail", "alter table t rename note to email", look)
        run(other, "update t set n = 1, mail = 'SECRET2', email = 'SECRET2'", "update t set id = 2")
    assert hidden(db)
    assert [fields for *_, fields in events(db)] == [None, ["mail", "n"], None, None]
    assert events(db)[-1][3] == {"id": 2, "mail": "[masked]", "n": 1}


@pytest.mark.parametrize("look", ["select 1", "select bridge.refresh_tracking()"])
def test_older_than_an_exchange_of_names(db: Db, other: Db, look: str) -> None:
    run(db, TABLE, TRACK, ROW)
    exchange = [f"alter table t rename {a} to {b}" for a, b in (("email", "x"), ("n", "email"), ("x", "n"))]
    with other.transaction():
        run(other, "select 1")
        run(db, *exchange, look)
        run(other, "update t set n = 'SECRET2', email = 7")
    assert hidden(db)
    assert events(db)[-1][3] == {"id": 1, "n": "[masked]", "email": 7}


@pytest.mark.parametrize("look", ["select 1", "select bridge.refresh_tracking()"])
def test_older_than_columns_that_come_and_go(db: Db, other: Db, look: str) -> None:
    run(db, TABLE, TRACK)
    with other.transaction():
        run(other, "select 1")
        run(db, "alter table t drop n", "alter table t add at timestamptz, add more json", look)
        run(other, "insert into t values (1, 'SECRET', 'SECRET', '2024-01-01 12:00+00', '[1]')")
    assert events(db)[-1][3] == {
        "id": 1, "email": "[masked]", "at": "2024-01-01T12:00:00+00:00", "more": [1]
    }  # fmt: skip


def test_a_type_of_the_owners_that_the_snapshot_does_not_know(db: Db, other: Db) -> None:
    run(
        db,
        "create function f(v text) returns json language plpgsql as $$ begin raise '%', current_user; end $$",
        TABLE,
        TRACK,
    )
    with other.transaction():
        run(other, "select 1")
        run(
            db,
            "create type e as enum ('a')",
            "create function f(v e) returns json language plpgsql as $$ begin raise '%', current_user; end $$",
            "create cast (e as json) with function f(e)",
            "alter table t alter n type e using 'a', add m e",
            "select bridge.refresh_tracking()",
        )
        run(other, "insert into t values (1, 'SECRET', 'SECRET', 'a', 'a')", "update t set note = 'x', m = null")
    # The table was rewritten, so m may be a generated column that shows the note, which is excluded.
    assert [state for *_, state, _ in events(db)] == [{"id": 1, "email": "[masked]", "n": "a"}]


def test_columns_are_the_same_at_each_level(db: Db, other: Db) -> None:
    """The usual way is taken at each level: the definition's fingerprint does not depend on it."""
    run(
        db,
        "create collation \"odd C\" (locale = 'C')",
        "create domain d as text",
        'create table "T x" (gone int, id int primary key, s text collate "odd C", d d, j json, a int[], n numeric(5,2)'
        ', "q""" varchar(3) collate "C", g int generated always as (id + 1) stored)',
        'alter table "T x" drop gone',
    )
    query = """select c.*, bridge.table_fingerprint('"T x"') from bridge.current_columns('"T x"') as c"""
    columns = db.execute(query).fetchall()
    assert columns == other.execute(query).fetchall()
    assert len(columns) == 8


def test_truncate_tells_that_rows_are_not_told(db: Db, other: Db) -> None:
    """The snapshot shows a row that is gone, and not the one that is there."""
    run(db, TABLE, TRACK, ROW)
    with other.transaction():
        run(other, "select 1")
        run(db, "update t set id = 2")
        run(other, "truncate t")
    assert actions(db)[-1] == ("TRUNCATE", "*")
    assert ("DELETE", "2") not in actions(db)
    summary = "select change_summary from bridge.history where action = 'TRUNCATE'"
    assert "read the table anew" in str(db.execute(summary).fetchone())
    run(db, ROW)
    assert table(db).keys() == {"1"}
    assert last(db).keys() == {"1", "2"}


@pytest.mark.parametrize("look", ["select 1", "select bridge.refresh_tracking()"])
def test_older_than_a_column_that_shows_a_hidden_one(db: Db, other: Db, look: str) -> None:
    run(db, TABLE, TRACK)
    with other.transaction():
        run(other, "select 1")
        run(db, "alter table t add lower text generated always as (lower(email)) stored", look)
        run(other, "insert into t values (1, 'SECRET', 'SECRET', 0)")
    assert "secret" not in str(db.execute("select string_agg(h::text, '') from bridge.history as h").fetchone())


@pytest.mark.parametrize("look", ["select 1", "select bridge.refresh_tracking()"])
def test_older_than_another_expression(db: Db, other: Db, look: str) -> None:
    if db.info.server_version < 170000:
        pytest.skip("SET EXPRESSION came with Postgres 17")
    run(db, "create table t (id int primary key, email text, note text, g text generated always as (note) stored)")
    run(db, "select bridge.enable_tracking('t', mask => '{email}')")
    with other.transaction():
        run(other, "select 1")
        run(db, "alter table t alter g set expression as (email)", look)
        run(other, "insert into t values (1, 'SECRET', 'x')")
    assert hidden(db)


def test_a_schema_that_bridge_may_not_use(db: Db, other: Db) -> None:
    run(db, "create schema s", TABLE, TRACK, "alter table t set schema s", "revoke usage on schema s from public")
    run(db, "revoke all on schema s from bridge_capture, bridge_reader")
    with other.transaction():
        run(other, "select 1", "insert into s.t values (1, 'SECRET', 'SECRET', 7)")
    assert events(db)[-1][3] == {"id": 1, "email": "[masked]", "n": 7}
