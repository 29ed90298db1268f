"""What strangers tried on tracking and what failed: each input, and what is right."""

from __future__ import annotations

import threading

import psycopg
import pytest
from fix_relay import eventually
from psycopg import errors

from capture.history import Db, actions, events, last, run, table


@pytest.mark.parametrize("name", ["a", "zz", "!a", "!bridge_a", "BRIDGE"])
def test_a_trigger_that_updates_its_own_row(db: Db, name: str) -> None:
    run(
        db,
        "create table t (id int primary key, slug text)",
        "create function slug() returns trigger language plpgsql as $$ begin "
        "update t set slug = 's' || new.id where id = new.id and slug is null; return null; end $$",
        f'create trigger "{name}" after insert on t for each row execute function slug()',
        "select bridge.enable_tracking('t')",
        "insert into t values (1), (2)",
    )
    assert sorted(actions(db)) == [("INSERT", "1"), ("INSERT", "2"), ("UPDATE", "1"), ("UPDATE", "2")]
    assert last(db) == table(db) == {"1": {"id": 1, "slug": "s1"}, "2": {"id": 2, "slug": "s2"}}


@pytest.mark.parametrize("event_key", ["", "of:{id}"])
def test_a_key_whose_collation_finds_others_alike(db: Db, event_key: str) -> None:
    """Its hash is another under that collation than under the one by which events are found, and shards known."""
    if not db.execute("select from pg_collation where collname = 'und-x-icu'").fetchall():
        pytest.skip("this Postgres was built without ICU")
    run(
        db,
        "select bridge.set_shard_count(16)",
        "create collation blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        "create table t (id text collate blind primary key, n int default 0)",
        "create function again() returns trigger language plpgsql as $$ begin if pg_trigger_depth() < 2 then"
        " update t set n = n + 1 where id = new.id; end if; return null; end $$",
        'create trigger "!!" after insert or update on t for each row execute function again()',
        f"select bridge.enable_tracking('t', event_key => '{event_key}')",
        "insert into t values ('a'), ('b')",
        "update t set n = 10",
        "update t set id = upper(id)",
    )
    with db.transaction():
        run(db, "delete from t where id = 'a'", "insert into t values ('a')")
    assert last(db) == table(db)
    elsewhere = """select count(*) from bridge.history
                    where shard <> bridge.shard_of(coalesce(event_key, entity_type || ':' || entity_id))"""
    assert db.execute(elsewhere).fetchone() == (0,)


def test_a_cascade_of_key_changes(db: Db) -> None:
    run(
        db,
        "create table t (id int primary key, up int references t on update cascade)",
        "select bridge.enable_tracking('t')",
        "insert into t values (1, null), (2, 1), (3, 2)",
        "update t set id = id + 10",
    )
    assert last(db) == table(db)


@pytest.mark.parametrize("change", ["id + 1", "4 - id", "id % 3 + 1"])
def test_keys_that_are_exchanged(db: Db, change: str) -> None:
    run(
        db,
        "create table t (id int primary key deferrable, name text)",
        "select bridge.enable_tracking('t')",
        "insert into t values (1, 'a'), (2, 'b'), (3, 'c')",
        f"update t set id = {change}",
    )
    assert last(db) == table(db)


def test_a_key_that_is_checked_at_the_end_of_the_transaction_is_refused(db: Db) -> None:
    run(
        db,
        "create table t (id int constraint key primary key deferrable initially deferred, other int not null unique)",
    )
    with pytest.raises(errors.InvalidTableDefinition, match="checked at the end of the transaction") as refused:
        run(db, "select bridge.enable_tracking('t')")
    hint = refused.value.diag.message_hint
    assert hint is not None
    assert "DROP CONSTRAINT" in hint
    run(db, "alter table t drop constraint key, add constraint key primary key (id)")
    run(db, "select bridge.enable_tracking('t')")
    run(db, "alter table t drop constraint key, add constraint key primary key (id) deferrable initially deferred")
    findings = db.execute("select is_problem, finding from bridge.tracking_report()").fetchall()
    assert [problem for problem, finding in findings if "end of the transaction" in finding] == [True]
    run(db, "select bridge.enable_tracking('t', key => '{other}')", "insert into t values (1, 7)")
    assert actions(db) == [("INSERT", "7")]


@pytest.mark.parametrize("kind", ["text", "jsonb", "t2"])
def test_no_name_of_a_column_matters(db: Db, kind: str) -> None:
    names = (
        "r r1 old new fields tg_op tracked context headers event_id old_state new_state key state tableoid_ entity_id"
    )
    run(db, "create type t2 as (id int)")
    run(db, "create table t (id int primary key, " + ", ".join(f'"{name}" {kind}' for name in names.split()) + ")")
    value = {"text": "'x'", "jsonb": """'{"id": 99}'""", "t2": "row(99)::t2"}[kind]
    run(db, "select bridge.enable_tracking('t')", f"insert into t (id, r) values (1, {value}), (2, null)")
    run(db, f"update t set old = {value}", "update t set id = id + 1 where id = 2", "delete from t where id = 3")
    assert [state["id"] for *_, state, _ in events(db) if state] == [1, 2, 1, 2, 3]
    run(db, "truncate t")
    assert last(db) == {}


def test_an_events_entity_type_id_is_its_own_rows(db: Db) -> None:
    """Of a key that was changed the former row's, and that of each row that TRUNCATE removes."""
    one, other = (f"0190a1b2-1111-7222-8333-44445555666{digit}" for digit in "67")
    run(
        db,
        "create table t (id int primary key, entity_type_id uuid, n int)",
        "select bridge.enable_tracking('t')",
        f"insert into t values (1, '{one}')",
        f"update t set id = 2, entity_type_id = '{other}'",
        "delete from t",
        f"insert into t values (3, '{one}')",
        "truncate t",
    )
    query = "select action, entity_id, entity_type_id::text from bridge.history where entity_type = 't' order by seq"
    assert db.execute(query).fetchall() == [
        *[("INSERT", "1", one), ("DELETE", "1", one), ("INSERT", "2", other), ("DELETE", "2", other)],
        *[("INSERT", "3", one), ("DELETE", "3", one), ("TRUNCATE", "*", None)],
    ]


def test_json_that_jsonb_cannot_hold(db: Db) -> None:
    run(
        db,
        "create table t (id int primary key, a json, b json)",
        "select bridge.enable_tracking('t', exclude => '{b}')",
        """insert into t values (1, '{"a":"\\u0000", "b":"\\\\u0000"}', '{"a":"\\u0000"}'), (2, '[1]', null)""",
        "update t set a = '2' where id = 1",
    )
    assert [state["a"] for *_, state, _ in events(db)] == [{"$json": '{"a":"\\u0000", "b":"\\\\u0000"}'}, [1], 2]


def test_a_value_that_is_too_long_for_json(db: Db) -> None:
    run(
        db,
        "create table t (id int primary key, a text, b text)",
        "select bridge.enable_tracking('t')",
        "insert into t values (1, repeat('x', 270000000), 'b')",
        "update t set b = 'c'",
    )
    assert [(state["a"].keys(), state["b"]) for *_, state, _ in events(db)] == [
        ({"$unrepresented"}, "b"),
        ({"$unrepresented"}, "c"),
    ]


def test_a_key_longer_than_an_index_takes(db: Db) -> None:
    run(
        db,
        "create table t (id text primary key)",
        "select bridge.enable_tracking('t')",
        "insert into t select string_agg(md5(g::text), '') from generate_series(1, 80) as g",
        "insert into t values ('*'), ('?')",
        "delete from t",
    )
    assert [len(key) for _, key in actions(db)] == [2560, 1, 1] * 2


def test_columns_are_followed_by_number(db: Db) -> None:
    run(
        db,
        "create table t (id int primary key, email text, note text, n int)",
        "select bridge.enable_tracking('t', mask => '{email}', exclude => '{note}')",
        "insert into t values (1, 'SECRET', 'SECRET', 0)",
        "alter table t rename email to mail",
        "alter table t rename note to email",
        "alter table t rename id to number",
        "update t set n = 1, mail = 'SECRET2', email = 'SECRET2'",
        "alter table t drop n",
        "alter table t add more text",
        "update t set more = 'x', mail = 'SECRET3'",
        "select bridge.refresh_tracking()",
        "update t set more = 'y', mail = 'SECRET4', email = 'SECRET5'",
    )
    assert [key for _, key in actions(db)] == ["1"] * 4
    assert [fields for *_, fields in events(db)] == [None, ["mail", "n"], ["mail", "more"], ["mail", "more"]]
    assert events(db)[-1][3] == {"number": 1, "mail": "[masked]", "more": "y"}
    everything = "select string_agg(h::text, '') || coalesce(string_agg(a::text, ''), '') from bridge.history h "
    assert "SECRET" not in str(db.execute(f"{everything} left join bridge.activity_log a on true".encode()).fetchone())


def test_a_key_column_that_was_dropped(db: Db) -> None:
    run(
        db,
        "create table t (id int primary key, n int)",
        "select bridge.enable_tracking('t')",
        "insert into t values (1, 1)",
        "alter table t drop id",
        "update t set n = 2",
    )
    assert actions(db)[1:] == [("UPDATE", "?")]
    problems = db.execute("select finding from bridge.tracking_report() where is_problem").fetchall()
    assert "unique index" in str(problems)


PARTITIONED = (
    "create table t (id int, part int, n int, primary key (id, part)) partition by list (part)",
    "create table t0 partition of t for values in (0)",
    "create table t1 (n int, gone int, part int not null, id int not null)",
    "alter table t1 drop gone",
    "alter table t attach partition t1 for values in (1)",
    "select bridge.enable_tracking('t')",
)


def test_merge_that_moves_rows(db: Db) -> None:
    run(
        db,
        *PARTITIONED,
        "insert into t values (1, 0, 0), (2, 1, 0)",
        "merge into t using (values (1), (2)) as s (id) on t.id = s.id "
        "when matched then update set part = 1 - part, n = 1",
    )
    assert last(db) == {f"[{r['id']}, {r['part']}]": r for r in table(db, "t", "id").values()}


def test_virtual_columns_are_named(db: Db) -> None:
    if db.info.server_version < 180000:
        pytest.skip("virtual generated columns came with Postgres 18")
    run(
        db,
        "create table t (id int primary key, n int, s int generated always as (n + 1) stored, "
        "v int generated always as (n + 1) virtual)",
        "select bridge.enable_tracking('t')",
        "insert into t values (1, 1)",
        "update t set n = 2",
    )
    assert events(db)[-1][3] == {"id": 1, "n": 2, "s": 3}
    findings = db.execute("select is_problem, finding from bridge.tracking_report()").fetchall()
    assert findings == [(False, "generated columns that are not stored are left out: v")]


def test_a_child_written_through_its_parent(db: Db) -> None:
    run(
        db,
        "create table parent (id int, n int)",
        "create table t (primary key (id)) inherits (parent)",
        "select bridge.enable_tracking('t')",
        "insert into t values (1, 1)",
        "update parent set n = 2",
        "delete from parent",
    )
    assert actions(db) == [("INSERT", "1"), ("UPDATE", "1"), ("DELETE", "1")]


def test_a_partition_that_was_attached_later(db: Db) -> None:
    run(
        db,
        *PARTITIONED,
        "create table t2 (part int not null, id int not null, n int)",
        "alter table t attach partition t2 for values in (2)",
        "insert into t2 (id, part, n) values (5, 2, 0)",
        "update t set n = 1",
    )
    assert actions(db) == [("INSERT", "[5, 2]"), ("UPDATE", "[5, 2]")]
    run(db, "truncate t", "insert into t values (6, 2, 0)")
    assert actions(db)[2] == ("DELETE", "[5, 2]")
    assert db.execute("select finding from bridge.tracking_report() where is_problem").fetchall() == [
        ("TRUNCATE of public.t2 alone is not recorded",)
    ]
    run(db, "select bridge.refresh_tracking()", "truncate t2")
    assert last(db) == {}
    assert db.execute("select finding from bridge.tracking_report() where is_problem").fetchall() == []


def test_truncate_tells_a_partition_of_a_partition_once(db: Db) -> None:
    """One that came later has no trigger yet, and two tables above it have."""
    run(
        db,
        "create table t (id int, part int, primary key (id, part)) partition by list (part)",
        "create table u partition of t for values in (0, 1) partition by list (part)",
        "create table u0 partition of u for values in (0)",
        "select bridge.enable_tracking('t')",
        "create table u1 partition of u for values in (1)",
        "insert into t values (1, 0), (2, 1)",
        "truncate t",
    )
    assert last(db) == {}
    assert sorted(actions(db)[2:]) == [("DELETE", "[1, 0]"), ("DELETE", "[2, 1]"), *[("TRUNCATE", "*")] * 2]
    run(db, "insert into t values (2, 1)", "truncate u")
    assert last(db) == {}


def test_a_cast_to_json_of_the_owners_does_not_run(db: Db) -> None:
    body = "language plpgsql as $$ begin raise exception 'ran as %', current_user; end $$"
    run(
        db,
        "create type e as enum ('a')",
        "create type c as (x e)",
        "create domain d as e",
        *[f"create function to_json_of(v {kind}) returns json {body}" for kind in ("e", "c")],
        *[f"create cast ({kind} as json) with function to_json_of({kind})" for kind in ("e", "c")],
        "create table t (id e primary key, e e, c c, d d, es e[], cs c[])",
        "select bridge.enable_tracking('t')",
        "insert into t values ('a', 'a', row('a'), 'a', '{a}', array[row('a')::c])",
        "update t set e = null",
        "alter table t rename e to f",
        "update t set c = null",
        "truncate t",
    )
    assert events(db)[0][3] == {"id": "a", "e": "a", "c": "(a)", "d": "a", "es": "{a}", "cs": "{(a)}"}


def test_two_tables_of_one_name(db: Db) -> None:
    for schema in ("s1", "s2"):
        run(db, f"create schema {schema}", f"create table {schema}.orders (id int primary key)")
        run(db, f"select bridge.enable_tracking('{schema}.orders')", f"insert into {schema}.orders values (1)")
    assert actions(db, "s1.orders") == actions(db, "s2.orders") == [("INSERT", "1")]
    with pytest.raises(errors.UniqueViolation, match=r"s1.orders is tracked as s1.orders already"):
        run(db, "select bridge.enable_tracking('s2.orders', 's1.orders')")


def test_what_replication_applies(db: Db) -> None:
    run(db, "create table t (id int primary key)", "select bridge.enable_tracking('t')")
    run(db, "set session_replication_role = replica", "insert into t values (1)")
    assert actions(db) == []
    run(db, "select bridge.enable_tracking('t', replicated => true)", "insert into t values (2)", "truncate t")
    assert actions(db) == [("INSERT", "2"), ("DELETE", "1"), ("DELETE", "2"), ("TRUNCATE", "*")]
    run(db, "select bridge.enable_tracking('t', replicated => false)", "insert into t values (3)")
    assert len(actions(db)) == 4


@pytest.mark.parametrize("context", ["{", '"x"', '{"ip_address": "nowhere"}', "[]", "\\u0000"])
def test_a_malformed_context_of_the_actor(db: Db, context: str) -> None:
    run(db, "create table t (id int primary key)", "select bridge.enable_tracking('t', activity => true)")
    with db.transaction():
        run(db, "select bridge.set_actor('00000000-0000-4000-8000-000000000001', '10.0.0.1')")
        db.execute("select set_config('bridge.actor_context', %s, true)", (context,))
        run(db, "insert into t values (1)")
    assert db.execute("select actor_status, ip_address from bridge.activity_log").fetchone() in (
        ("invalid", None),
        ("ok", None),  # it is an object without an address, or none
    )


def test_a_traceparent_that_is_none(db: Db) -> None:
    run(db, "create table t (id int primary key)", "select bridge.enable_tracking('t')")
    run(db, "select set_config('bridge.traceparent', repeat('x', 20000), false)", "insert into t values (1)")
    run(db, "select bridge.publish_event('a.b', 'k', '{}')")
    query = "select headers from bridge.history union all select headers from bridge.outbox"
    assert db.execute(query).fetchall() == [({},), ({},)]


UNTOLD = """
    select count(*) from t join bridge.tracked_table as r on r.relation = t.tableoid
     where t.xmin::text::bigint >= r.since_xid::text::bigint
       and not exists (select from bridge.history as h where h.entity_id = t.id::text)"""
WAITS = "select exists (select from pg_locks where not granted and relation = 'public.t'::regclass)"


def test_enabling_and_changing_on_a_busy_table(db: Db, either_version: str) -> None:
    run(db, "create table t (id int primary key, n int)")
    with psycopg.connect(either_version) as writer, psycopg.connect(either_version, autocommit=True) as other:
        writer.execute("insert into public.t values (1)")
        waiting = threading.Thread(target=lambda: run(db, "select bridge.enable_tracking('t')"))
        waiting.start()
        other.execute("set lock_timeout = '5s'")
        for key in range(2, 7):  # no writer waits for longer than a try, of which there are twenty
            eventually(lambda: other.execute(WAITS).fetchone() == (True,))
            other.execute("insert into public.t values (%s)", (key,))
        writer.commit()
        waiting.join(30)
    assert db.execute(UNTOLD).fetchone() == (0,)  # who wrote meanwhile did so before it was tracked
    with psycopg.connect(either_version) as writer:
        writer.execute("insert into public.t values (100)")
        run(db, "set lock_timeout = '5s'", "select bridge.enable_tracking('t', exclude => '{n}', activity => true)")
        writer.commit()
    eventually(lambda: ("INSERT", "100") in actions(db))
    assert db.execute("select excluded from bridge.tracked_table where entity_type = 't'").fetchone() == ([2],)
