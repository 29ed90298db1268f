"""Several sessions at once: history is what each row was, whoever waits for whom, and nobody's write fails."""

from __future__ import annotations

import random
import threading

import psycopg
import pytest
from fix_relay import eventually

from capture.history import Db, actions, events, hidden, last, run, table
from capture.oracle import Replayed, rows
from capture.scene import Table

SEEN_BEFORE = {  # what another changes of the catalog, and then this transaction, whose snapshot is older
    "truncated": ("truncate t", "truncate t"),
    "granted": ("grant select on t to public", "grant insert on t to public"),
    "a column": ("alter table t alter id set statistics 10", "alter table t alter id set statistics 20"),
    "a domain": ("alter table t add x int; alter domain d set default 5", "alter domain d set default 6"),
}


@pytest.mark.parametrize("seen", SEEN_BEFORE)
@pytest.mark.parametrize("kind", ["", "partition by range (id)"])
def test_the_catalog_shows_two_rows_of_one_object(db: Db, either_version: str, seen: str, kind: str) -> None:
    """The snapshot's, which another has replaced since, and our own: the key was told twice, or the write failed."""
    run(
        db,
        "create domain d as int",
        f"create table t (id int primary key, n d, j json, g int generated always as (id + 1) stored) {kind}",
        *["create table t0 partition of t for values from (0) to (10)"] * (kind != ""),
        "select bridge.enable_tracking('t')",
        "insert into t (id, n) values (1, 1)",
    )
    by_another, by_us = SEEN_BEFORE[seen]
    with psycopg.connect(either_version) as other:
        run(other, "set transaction isolation level repeatable read", "set local search_path = public", "select 1")
        run(db, *by_another.split("; "))
        run(other, by_us, "insert into t (id, n) values (2, 2)", "update t set n = 3 where id = 2", "truncate t")
        run(other, "insert into t (id, n) values (2, 2)")
    told = [change for change in actions(db) if change[1] == "2"]
    assert told == [("INSERT", "2"), ("UPDATE", "2"), ("INSERT", "2")]
    truncated = "select count(*) from bridge.history where action = 'TRUNCATE' and entity_type = 't'"
    assert db.execute(truncated).fetchone() == (3 if seen == "truncated" else 1,)
    assert events(db)[-1][3] == table(db)["2"]


def test_an_expression_that_another_has_exchanged_before_we_truncate(db: Db, either_version: str) -> None:
    if db.info.server_version < 170000:
        pytest.skip("SET EXPRESSION came with Postgres 17")
    run(db, "create table t (id int primary key, email text, note text, g text generated always as (note) stored)")
    run(db, "select bridge.enable_tracking('t', mask => '{email}')")
    with psycopg.connect(either_version) as other:
        run(other, "set transaction isolation level repeatable read", "set local search_path = public", "select 1")
        run(db, "alter table t alter g set expression as (email)")
        run(other, "truncate t", "insert into t values (1, 'SECRET', 'x')")
    assert hidden(db)
    assert actions(db)[-1] == ("INSERT", "1")


@pytest.mark.parametrize("change", ["update t0 set n = 6", "delete from t0", "truncate t0"])
def test_a_partition_of_a_table_that_another_keeps_for_himself(db: Db, either_version: str, change: str) -> None:
    """Its columns' types are to be had all the same: keys of several columns depend on them."""
    run(
        db,
        "create table t (id int, part int, n int, primary key (id, part)) partition by list (part)",
        "create table t0 partition of t for values in (0)",
        "select bridge.enable_tracking('t')",
        "insert into t values (1, 0, 5)",
    )
    with psycopg.connect(either_version, autocommit=True) as writer, psycopg.connect(either_version) as other:
        run(writer, "set search_path = public", "set session_replication_role = replica")
        run(writer, "update t0 set n = n", "reset session_replication_role")  # Postgres knows its bounds now
        other.execute("lock table only public.t in access exclusive mode")
        run(writer, "set statement_timeout = '60s'", change)
    assert last(db) == ({"[1, 0]": {"id": 1, "part": 0, "n": 6}} if change.startswith("update") else {})


def test_a_table_that_is_altered_while_its_function_is_made(db: Db, either_version: str) -> None:
    """What was read before is not taken for its definition of afterwards: each write would fail, and nobody look."""
    run(
        db,
        "create table t (id int primary key, n int)",
        "select bridge.enable_tracking('t')",
        "alter function bridge.event_key_expression rename to real_one",
        """create function bridge.event_key_expression(tracked bridge.tracked_table, "row" text) returns text
               language plpgsql as $$ begin
               perform pg_advisory_xact_lock(1); return bridge.real_one(tracked, "row"); end $$""",
        "alter table t add m int",
    )

    def look() -> None:
        with psycopg.connect(either_version) as relay:
            relay.execute("select bridge.refresh_tracking()")

    looking = threading.Thread(target=look)
    with psycopg.connect(either_version) as gate:
        gate.execute("select pg_advisory_xact_lock(1)")
        looking.start()
        waits = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        eventually(lambda: db.execute(waits).fetchone() == (1,))
        run(db, "alter table t rename id to number")
    looking.join()
    run(db, "insert into t values (1, 0)", "select bridge.refresh_tracking()", "update t set m = 2")
    assert last(db) == table(db, key="number")
    names = "select columns ->> '1' from bridge.tracked_table where entity_type = 't'"
    assert db.execute(names).fetchone() == ("number",)


KINDS = {
    "plain": (
        "create table t (id int primary key, part int default 0, v int default 0, w text)",
        "create table c (id serial primary key, up int references t on update cascade on delete set null)",
    ),
    "partitions": (
        "create table t (id int, part int default 0, v int default 0, w text, primary key (id, part))"
        " partition by list (part)",
        "create table t0 partition of t for values in (0)",
        "create table t1 partition of t for values in (1)",
        "create table c (id serial primary key, up int)",
    ),
}
MADE = (
    "create function again() returns trigger language plpgsql as $$ begin if pg_trigger_depth() < 2 then"
    " update t set v = v + 1 where id = new.id; end if; return null; end $$",
    'create trigger "!!" after insert or update on t for each row execute function again()',
    "create function attempt(k int) returns int language plpgsql as $$ begin"
    " begin update t set v = v + 100 where id = k; if k % 2 = 0 then raise 'no'; end if;"
    " exception when raise_exception then delete from t where id = k + 1; end; return 1; end $$",
    "select bridge.enable_tracking('t')",
    "select bridge.enable_tracking('c')",
    "insert into t (id) select generate_series(1, 4)",
)
ASKED = (  # by who retries: those of another's lock, key or snapshot
    *(psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure, psycopg.errors.UniqueViolation),
    *(psycopg.errors.ForeignKeyViolation, psycopg.errors.TriggeredDataChangeViolation),
)
SETTINGS = ("set plpgsql.extra_errors = 'all'", "set plpgsql.variable_conflict = use_column", "select 1")


def _statement(rng: random.Random, kind: str) -> str:
    one, two, arbiter = rng.randrange(1, 6), rng.randrange(1, 6), "id" if kind == "plain" else "id, part"
    return rng.choice(
        (
            f"update t set v = v + 1 where id in ({one}, {two})",
            "update t set w = 'x' where v % 2 = 0",
            f"delete from t where id = {one}",
            f"insert into t (id) values ({one}) on conflict do nothing",
            *[f"insert into t (id) values ({one}) on conflict ({arbiter}) do update set v = t.v + 1"] * 2,
            f"select from t where id = {one} for update",
            "select from t for key share",
            f"update t set id = {two} where id = {one}",
            f"update t set part = 1 - part where id = {one}",
            f"update t set v = v + attempt({one}) where id = {two}",
            f"with g as (delete from t where id = {one} returning *) insert into t select * from g",
            f"merge into t using (values ({one}), ({one % 5 + 1})) as s (id) on t.id = s.id when matched and t.v > 50"
            " then delete when matched then update set v = t.v + 1 when not matched then insert (id) values (s.id)",
            f"insert into c (up) values ({one})" if kind == "plain" else "select from t for share",
            "savepoint s",
            "rollback to s",
            "truncate t cascade" if rng.random() < 0.2 else "select 1",
        )
    )


def _work(url: str, kind: str, seed: int, failed: list[str]) -> None:
    rng = random.Random(seed)
    with psycopg.connect(url, autocommit=True) as conn:
        run(conn, "set search_path = public", "set deadlock_timeout = '50ms'", rng.choice(SETTINGS))
        for _ in range(40):
            level = rng.choice(("read committed", "read committed", "repeatable read", "serializable"))
            try:
                run(conn, f"begin isolation level {level}", "savepoint s")
                run(conn, *(_statement(rng, kind) for _ in range(rng.randrange(1, 6))))
                run(conn, rng.choice(("commit", "commit", "rollback")))
            except ASKED:
                conn.execute("rollback")
            except psycopg.Error as error:
                failed.append(repr(error))
                conn.execute("rollback")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [1, 2])
def test_what_each_row_was_in_the_order_of_commits(db: Db, either_version: str, kind: str, seed: int) -> None:
    """Each state before is the state that the event before it left, and the last one is the row."""
    run(db, *KINDS[kind], *MADE)
    failed: list[str] = []
    workers = [
        threading.Thread(target=_work, args=(either_version, kind, 10 * seed + number, failed)) for number in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failed == []
    key = ["id"] if kind == "plain" else ["id", "part"]
    for told in (Table("t", dict.fromkeys(("id", "part", "v"), "int") | {"w": "text"}, key), Table("c", {}, ["id"])):
        told.columns = told.columns or {"id": "int", "up": "int"}
        replayed = Replayed(told)
        replayed.catch_up(db)
        replayed.compare(rows(db, "public", told))
        assert replayed.wrong == []
