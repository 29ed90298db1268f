"""Tables that others keep for themselves, and two who do the same at once: nobody waits for long, and nothing fails."""

from __future__ import annotations

import threading

import psycopg
import pytest
from fix_relay import eventually
from psycopg import errors

from capture.history import Db, actions, give_up_soon, problems, run


def test_a_table_that_somebody_keeps_for_himself(db: Db, either_version: str) -> None:
    give_up_soon(db)
    run(db, "create table t (id int primary key)", "create table u (id int primary key)")
    run(db, "select bridge.enable_tracking('t')", "alter table t add n int")
    with psycopg.connect(either_version) as other:
        other.execute("lock table public.t, public.u in access exclusive mode")
        db.execute("set statement_timeout = '20s'")
        with pytest.raises(errors.LockNotAvailable):
            run(db, "select bridge.enable_tracking('u')")
        run(db, "select bridge.refresh_tracking()")
        assert problems(db) == []
    run(db, "select bridge.refresh_tracking()", "insert into t values (1, 2)")
    assert actions(db) == [("INSERT", "1")]


def test_a_table_that_takes_a_lock_each_time_keeps_none_from_its_turn(db: Db) -> None:
    tables = ("t", "u", "v")
    run(db, *(f"create table {table} (id int primary key) partition by range (id)" for table in tables))
    run(db, *(f"select bridge.enable_tracking('{table}')" for table in tables))
    parts = "create table {0}1 partition of {0} for values from (0) to (10)"
    run(db, *(parts.format(table) for table in tables))
    for _ in tables:
        run(db, "select bridge.refresh_tracking()")
        run(db, "drop table t1", parts.format("t"))  # whose TRUNCATE nobody records
    run(db, "insert into u values (1)", "insert into v values (1)", "truncate u1", "truncate v1")
    assert [actions(db, table)[-1] for table in ("u", "v")] == [("TRUNCATE", "*")] * 2


def test_two_that_give_the_same_rights_at_once(db: Db, either_version: str) -> None:
    """Postgres says "tuple concurrently updated" where two change one schema's rights."""
    run(db, "create schema s", "create table s.t (id int primary key)", "create table s.u (id int primary key)")
    run(db, "revoke usage on schema bridge from bridge_capture, bridge_reader")
    failed: list[Exception] = []

    def beside(statement: str) -> None:
        try:
            with psycopg.connect(either_version) as conn:
                run(conn, statement)
        except psycopg.Error as error:
            failed.append(error)

    statements = ("select bridge.enable_tracking('s.u', 'u')", "select bridge.refresh_tracking()")
    others = [threading.Thread(target=beside, args=(statement,)) for statement in statements]
    waiting = """select count(*) from pg_locks where locktype = 'advisory' and not granted
                    and database = (select oid from pg_database where datname = current_database())"""
    with psycopg.connect(either_version) as first:
        first.execute("select bridge.enable_tracking('s.t', 't')")
        for other in others:
            other.start()
        eventually(lambda: db.execute(waiting).fetchone() == (2,))
        first.commit()
        for other in others:
            other.join()
    assert failed == []
    run(db, "insert into s.t values (1)", "insert into s.u values (1)")
    assert actions(db) == actions(db, "u") == [("INSERT", "1")]
