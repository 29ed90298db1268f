"""A role of the kind `capture` turns the tracking of its own tables on and off, and gets nothing else by it."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from fix_relay import eventually
from psycopg import errors
from psycopg.conninfo import make_conninfo
from roles import Roles

from bridge.admin.grants import INTERNAL
from bridge.admin.tracking import Wanted, track
from bridge.errors import DatabaseRefuses
from bridge.postgres.migrate import migrate
from capture.history import Db, actions, events, problems, run

DIRECT = "insert into bridge.tracking_request (tracked, entity_type, ends) values ({table}, {name}, {ends})"


@pytest.fixture
def owner(db: Db, either_version: str, roles: Roles) -> Iterator[Db]:
    """The session of such a role; a superuser's table `told` is tracked, and may be read."""
    run(db, "grant create on schema public to public", "create table told (id int primary key, secret text)")
    run(db, "select bridge.enable_tracking('told', mask => '{secret}')", "grant select on told to public")
    with psycopg.connect(roles.url(either_version, "capture"), autocommit=True) as conn:
        conn.execute("set search_path = public")
        yield conn


def settings(db: Db) -> list[tuple[Any, ...]]:
    query = """select entity_type, cardinality(masked), exists (select from pg_trigger where tgrelid = t.relation)
                 from bridge.tracked_table as t where t.relation = to_regclass('public.told')"""
    return db.execute(query).fetchall()


UNCHANGED = [("told", 1, True)]


def test_on_and_off(db: Db, owner: Db) -> None:
    """All that can become of a table in between; in the end nothing is left of it."""
    run(owner, "create table t (id int, email text, constraint k primary key (id))")
    run(owner, "select bridge.enable_tracking('t', 'thing', mask => '{email}')", "insert into t values (1, 'x')")
    run(owner, "alter table t drop constraint k", "alter table t add constraint k primary key (id) deferrable")
    run(owner, "select bridge.enable_tracking('t', replicated => true)", "update t set email = 'y'")
    run(db, "select bridge.refresh_tracking()", "set session_replication_role = replica")
    run(db, "update t set email = 'z'", "truncate t", "reset session_replication_role")
    assert actions(db, "thing") == [("INSERT", "1"), *[("UPDATE", "1")] * 2, ("DELETE", "1"), ("TRUNCATE", "*")]
    assert events(db, "thing")[0][3] == {"id": 1, "email": "[masked]"}
    assert problems(db) == []
    assert owner.execute("select count(*) from bridge.tracked_table where entity_type = 'thing'").fetchone() == (1,)
    run(owner, "select bridge.disable_tracking('t')", "insert into t values (2)")
    assert len(actions(db, "thing")) == 5
    left = """select (select count(*) from bridge.tracked_table where entity_type = 'thing')
                   + (select count(*) from pg_trigger where tgrelid = 't'::regclass and not tgisinternal)
                   + (select count(*) from pg_proc as p where p.pronamespace = 'bridge_tracking'::regnamespace
                         and not exists (select from pg_trigger as g where g.tgfoid = p.oid))
                   + (select count(*) from pg_class as c, aclexplode(c.relacl) as a
                       where c.oid = 't'::regclass and a.grantee <> c.relowner)
                   + (select count(*) from bridge.tracking_request)"""
    assert db.execute(left).fetchone() == (0,)


@pytest.mark.parametrize("who", ["capture", "publisher"])
def test_new_partitions_of_a_tracked_table(db: Db, either_version: str, roles: Roles, who: str) -> None:
    """Postgres asks its owner, whoever tracked it, for a right on the functions of its triggers."""
    run(db, "grant create on schema public to public")
    with psycopg.connect(roles.url(either_version, who), autocommit=True) as owner:
        run(owner, "set search_path = public")
        run(owner, "create table t (id int primary key, n int) partition by range (id)")
        run(owner, "create table t0 partition of t for values from (0) to (10)")
        run(owner if who == "capture" else db, "select bridge.enable_tracking('t')")
        run(owner, "create table t1 partition of t for values from (10) to (20)", "create table t2 (like t)")
        run(owner, "alter table t attach partition t2 for values from (20) to (30)")
        run(owner, "insert into t values (1), (11), (21)", "update t set n = 1 where id = 11", "delete from t2")
        run(db, "select bridge.refresh_tracking()", "select bridge.refresh_tracking()")
        run(owner, "truncate t1", "alter table t detach partition t1", "insert into t1 values (12)")
    assert actions(db) == [
        *(("INSERT", "1"), ("INSERT", "11"), ("INSERT", "21"), ("UPDATE", "11"), ("DELETE", "21")),
        *(("DELETE", "11"), ("TRUNCATE", "*")),
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "select bridge.enable_tracking('told', 'mine')",
        "select bridge.enable_tracking('told', mask => '{}')",
        "select bridge.disable_tracking('told')",
        DIRECT.format(table="'told'", name="'mine'", ends="false"),
        DIRECT.format(table="'told'", name="null", ends="true"),
        "insert into bridge.tracking_request (tracked, ends, asked_by) values ('told', true, 'bridge')",
        "insert into bridge.tracking_request values ('told', true)",
        "select bridge.configure_tracking('told', 'mine', null, null, null, null, null, null, null, null)",
        "select bridge.generate_capture(1)",
        "update bridge.tracked_table set masked = '{}'",
        "delete from bridge.tracked_table",
    ],
)
def test_others_tables_are_refused(db: Db, owner: Db, statement: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege), owner.transaction():
        run(owner, "lock table told in access share mode", statement)
    assert settings(db) == UNCHANGED


ASKS = """
    create function {name}() returns int language plpgsql as $$ begin
        lock table public.told in access share mode;
        {statement};
        return 1;
    exception when insufficient_privilege then
        raise warning '{name} as %', current_user;
        return 1;
    end $$;
    create function {name}_always(int) returns int language sql immutable as 'select public.{name}()';
    create index on mine ({name}_always(id))"""


def test_whoevers_session_it_is(db: Db, owner: Db) -> None:
    """Code in a table's index, which a superuser looks after: Postgres runs it as the table's owner, and so do we."""
    run(owner, "create table mine (id int primary key)", "insert into mine values (1)")
    run(owner, ASKS.format(name="ends", statement="perform bridge.disable_tracking('public.told')"))
    run(owner, ASKS.format(name="asks", statement=DIRECT.format(table="'public.told'", name="'mine'", ends="false")))
    told: set[str] = set()
    db.add_notice_handler(lambda notice: told.add(notice.message_primary or ""))
    for statement in ("analyze mine", "reindex table mine"):
        told.clear()
        run(db, statement)
        assert told == {f"{name} as {owner.info.user}" for name in ("ends", "asks")}
        assert settings(db) == UNCHANGED


def test_a_role_that_was_taken_on(db: Db, owner: Db) -> None:
    """What counts is not who logged in: a superuser may act as a role that does not own the table."""
    with pytest.raises(errors.InsufficientPrivilege), db.transaction():
        run(
            db,
            f"set local role {owner.info.user}",
            "lock table told in access share mode",
            DIRECT.format(table="'told'", name="'mine'", ends="false"),
        )
    assert settings(db) == UNCHANGED


ODD = """
    create type odd as (n int);
    create function cast_to({type}) returns text language plpgsql immutable as $$ begin
        perform set_config('test.seen', current_setting('test.seen', true) || ' ' || current_user, false);
        return '1';
    end $$;
    create cast ({type} as text) with function cast_to({type}) as implicit"""
FORGED = "create table {name} (id odd, n odd)"
ATTACH = """
    create trigger a after insert or update or delete on {name} for each row execute function {routine};
    create trigger b before insert or update on {name} for each row execute function {routine};
    create trigger c before truncate on {name} for each statement execute function {routine}"""
USE = (
    "insert into {name} values (row(1), row(1))",
    *("update {name} set n = row(2)", "delete from {name}", "truncate {name}"),
)


TABLE = "(id int primary key, n int)"
PARTITIONED = f"{TABLE} partition by list (id)"


@pytest.mark.parametrize(("tracked", "was_partition"), [(TABLE, False), (PARTITIONED, False), (PARTITIONED, True)])
def test_a_trigger_function_on_another_table(db: Db, owner: Db, tracked: str, *, was_partition: bool) -> None:
    """It records nothing of it, and runs none of its owner's code with bridge's rights."""
    run(owner, f"create table t {tracked}", ODD.format(type="odd"))
    if was_partition:
        run(owner, "create table forged partition of t default")
    run(owner, "select bridge.enable_tracking('t')")
    (routine,) = owner.execute(
        "select distinct tgfoid::regprocedure::text from pg_trigger where tgrelid = 't'::regclass and not tgisinternal"
    ).fetchone() or ("",)
    if was_partition:
        run(owner, "alter table t detach partition forged", "alter table forged drop constraint forged_pkey")
        run(owner, "alter table forged alter id drop not null", "alter table forged alter id type odd using row(id)")
        run(owner, "alter table forged alter n type odd using row(n)")
    else:
        run(owner, FORGED.format(name="forged"))
    run(owner, ATTACH.format(name="forged", routine=routine))
    run(db, "set test.seen = 'begin'")
    run(db, *(statement.format(name="forged") for statement in USE))
    assert db.execute("select current_setting('test.seen')").fetchone() == ("begin",)
    assert actions(db) == []


def test_a_trigger_of_anothers_function(db: Db, owner: Db) -> None:
    """It would keep that table's tracking from being ended, followed, and begun anew. A new owner may have it soon."""
    query = "select tgfoid::regprocedure::text from pg_trigger where tgrelid = 'told'::regclass and tgtype & 1 <> 0"
    (routine,) = db.execute(query).fetchone() or ("",)
    run(owner, "create table mine (id int primary key)")
    attach = f"create trigger a after insert on mine for each row execute function {routine}"
    with pytest.raises(errors.InsufficientPrivilege, match="permission denied for function"):
        run(owner, attach)
    run(db, f"alter table told owner to {owner.info.user}", "select bridge.refresh_tracking()")
    run(owner, attach)
    may = """select array_agg(a.grantee::regrole::text order by 1) from pg_proc as p, aclexplode(p.proacl) as a
              where p.oid = %s::regprocedure"""
    assert db.execute(may, (routine,)).fetchone() == (sorted(["bridge_capture", owner.info.user]),)


def test_a_table_is_not_given_away_meanwhile(db: Db, owner: Db, either_version: str) -> None:
    """Nobody settles beforehand, in a transaction that stays open, how another's table will be tracked."""
    run(owner, "create table t (id int primary key, email text)", "select bridge.enable_tracking('t')")
    run(owner, "grant select on t to public")
    give = f"alter table public.t owner to {db.info.user}"
    with psycopg.connect(either_version, autocommit=True) as receiver:
        run(receiver, "set lock_timeout = '200ms'")
        with owner.transaction():
            run(owner, "select bridge.enable_tracking('t', mask => '{email}')")
            with pytest.raises(errors.LockNotAvailable):
                run(receiver, give)
        with pytest.raises(errors.InsufficientPrivilege):  # by which it would not be kept
            run(owner, DIRECT.format(table="'t'", name="'mine'", ends="false"))
        with owner.transaction():
            run(owner, "set transaction isolation level repeatable read", "select 1")
            run(receiver, give)
            with pytest.raises(errors.ObjectNotInPrerequisiteState):  # its snapshot has the former owner
                run(owner, "lock table t in access share mode", DIRECT.format(table="'t'", name="'mine'", ends="false"))
        with pytest.raises(errors.InsufficientPrivilege):
            run(owner, "select bridge.enable_tracking('t', 'mine')")
    assert db.execute("select entity_type from bridge.tracked_table where relation = 't'::regclass").fetchone() == (
        "t",
    )


TRAP = """
    create type base as (id int, n text);
    create function seen() returns boolean language plpgsql immutable as $$ begin
        perform set_config('test.seen', current_setting('test.seen', true) || ' ' || current_user, false);
        return true;
    end $$"""
NAMESAKES = {
    "a domain": "create domain t as base check (seen())",
    "a view": "create view t as select 1 as id, seen()::text as n",
    "a table": "create table t (id xid, n json)",
}


@pytest.mark.parametrize("namesake", NAMESAKES)
def test_a_name_that_is_anothers_once_its_lock_is_there(db: Db, owner: Db, either_version: str, namesake: str) -> None:
    """Who asks for the types of a table's columns waits for it, and finds something else of that name then."""
    run(owner, "create table t (id int primary key, n text)", TRAP, "select bridge.enable_tracking('t')")
    (table,) = db.execute("select 't'::regclass::oid::bigint").fetchone() or (0,)
    columns: list[tuple[Any, ...]] = []

    def ask() -> None:
        with psycopg.connect(either_version, autocommit=True) as asker:
            run(asker, "set test.seen = 'begin'")
            query = "select name, type::regtype::text from bridge.current_columns(%s::oid::regclass)"
            columns.extend(asker.execute(query, (table,)).fetchall())
            columns.extend(asker.execute("select current_setting('test.seen'), 'who'").fetchall())

    asking = threading.Thread(target=ask)
    with owner.transaction():
        run(owner, "lock table t in access exclusive mode", "alter table t rename to t2", NAMESAKES[namesake])
        asking.start()
        waits = "select exists (select from pg_locks where relation = %s::oid and not granted)"
        eventually(lambda: db.execute(waits, (table,)).fetchone() == (True,) or not asking.is_alive())
    asking.join()
    assert columns[-1] == ("begin", "who")
    assert columns[:-1] in ([("id", "integer"), ("n", "text")], [("id", None), ("n", None)])


def test_a_schemas_name_that_is_anothers_before_rows_are_read(db: Db, owner: Db, either_version: str) -> None:
    """TRUNCATE's lock keeps a table's name, and not that of its schema: what is read then is that table, or nothing."""
    run(db, f"grant create on database {db.info.dbname} to {owner.info.user}")
    run(owner, "create schema here", "create schema trap", "grant usage on schema here, trap to public")
    run(owner, "create table here.t (id int primary key)", "insert into here.t values (1)")
    run(owner, "create table trap.ran (who text)", "grant insert on trap.ran to public")
    run(owner, """create function trap.run() returns int language plpgsql as
        $$ begin insert into here.ran values (current_user); return 2; end $$""")  # fmt: skip
    (table,) = owner.execute("select 'here.t'::regclass::oid::bigint").fetchone() or (0,)
    run(owner, f"create view trap.t as select trap.run() as id, {table}::oid as tableoid")
    run(owner, "grant select on trap.t to public", "select bridge.enable_tracking('here.t', 'mine')")

    def truncate() -> None:
        with psycopg.connect(either_version, autocommit=True) as writer:
            run(writer, "truncate here.t")

    truncating = threading.Thread(target=truncate)
    with db.transaction():  # the rows are counted by then, and are to be read
        run(db, "lock table bridge.history in access exclusive mode")
        truncating.start()
        waits = "select exists (select from pg_locks where relation = 'bridge.history'::regclass and not granted)"
        with psycopg.connect(either_version, autocommit=True) as watcher:
            eventually(lambda: watcher.execute(waits).fetchone() == (True,))
        with owner.transaction():
            run(owner, "alter schema here rename to there", "alter schema trap rename to here")
    truncating.join()
    assert owner.execute("select who from here.ran").fetchall() == []
    assert actions(db, "mine") == [("DELETE", "1"), ("TRUNCATE", "*")]


TOLD = "from bridge.tracked_table where entity_type = 'told'"


def test_a_table_that_is_gone_is_nobodys(db: Db, owner: Db) -> None:
    run(db, "drop table told")
    run(owner, "create table told (id int primary key)", "select bridge.enable_tracking('told')")
    run(owner, "insert into told values (1)")
    assert actions(db, "told") == [("INSERT", "1")]
    run(owner, "drop table told")
    (gone,) = db.execute(f"select relation::oid::bigint {TOLD}").fetchone() or (0,)
    run(owner, f"select bridge.disable_tracking({gone}::oid::regclass)")
    assert db.execute(f"select count(*) {TOLD}").fetchone() == (0,)


def test_anothers_name_is_not_to_be_had(db: Db, owner: Db) -> None:
    run(owner, "create table mine (id int primary key)")
    with pytest.raises(errors.UniqueViolation, match="told is tracked as told already"):
        run(owner, "select bridge.enable_tracking('mine', 'told')")
    assert settings(db) == UNCHANGED


def test_a_partition_of_another(db: Db, owner: Db) -> None:
    """Its owner has not agreed to triggers of it."""
    run(owner, "create table t (id int primary key) partition by range (id)")
    run(owner, "create table t0 partition of t for values from (0) to (10)")
    run(db, f"alter table t0 owner to {db.info.user}")
    with pytest.raises(errors.InsufficientPrivilege):
        run(owner, "select bridge.enable_tracking('t')")
    assert db.execute("select count(*) from pg_trigger where tgrelid = 't0'::regclass").fetchone() == (0,)
    assert db.execute("select count(*) from bridge.tracked_table where entity_type = 't'").fetchone() == (0,)


@pytest.mark.parametrize(
    "text", ["a'b\\", "\\' || current_user || E'\\", "{{old_state}}", "$template$; --", "a\n%L %s"]
)
def test_texts_become_no_code(db: Db, owner: Db, text: str) -> None:
    run(owner, f'create table t (id int primary key, "{text}" text)', "set standard_conforming_strings = off")
    run(owner, "set client_encoding = 'utf8'", "set escape_string_warning = off")
    for activity in (False, True):
        owner.execute(
            "select bridge.enable_tracking('t', %s::text, %s::text, activity => %s, event_key => %s::text)",
            (text, text, activity, f"{text.replace('{', '').replace('}', '')}:{{id}}"),
        )
        run(owner, "delete from t", "insert into t values (1, 'x')", "update t set id = 2", "update t set id = 1")
    told = db.execute("select distinct entity_type, entity_event_type from bridge.history").fetchall()
    assert told == [(text, text)]
    assert len(actions(db, text)) == 11


@pytest.fixture
def no_superuser(empty_database: str) -> Iterator[tuple[Db, Db]]:
    """The sessions of a role that owns the schema bridge, and of one of the kind `capture`: neither is the other's."""
    names = [f"bridge_test_{kind}_{secrets.token_hex(4)}" for kind in ("owner", "capture")]
    urls = [make_conninfo(empty_database, user=name, password="x") for name in names]  # noqa: S106 - a test's own
    with psycopg.connect(empty_database, autocommit=True) as db:
        run(db, *(f"create role {name} login password 'x'" for name in names))
        for internal in INTERNAL:
            run(db, f"do $$ begin create role {internal} nologin; exception when duplicate_object then null; end $$")
        run(db, f"grant create on database {db.info.dbname} to {', '.join(names)}")
        run(db, f"grant {', '.join(INTERNAL)} to {names[0]}")
        migrate(urls[0], engine_only=True)
        with psycopg.connect(urls[0], autocommit=True) as bridge, psycopg.connect(urls[1], autocommit=True) as capture:
            run(
                bridge,
                *(s for (s,) in bridge.execute("select bridge.role_grants('capture', %s)", names[1:]).fetchall()),
            )
            yield bridge, capture
        run(db, f"drop owned by {', '.join(names)} cascade", f"drop role {', '.join(names)}")


def test_where_the_owner_of_bridge_is_no_superuser(no_superuser: tuple[Db, Db]) -> None:
    """And may do nothing to the table but what its owner lets him by tracking it."""
    bridge, owner = no_superuser
    run(owner, "create schema shop", "set search_path = shop")
    run(owner, "create table t (id int primary key, email text)", "create table p (id int) partition by list (id)")
    run(owner, "alter table p add primary key (id)", "create table p1 partition of p for values in (1)")
    run(owner, "select bridge.enable_tracking('t', 't', mask => '{email}', replicated => true)")
    run(owner, "select bridge.enable_tracking('p', 'p')", "create table p2 partition of p for values in (2)")
    run(owner, "insert into t values (1, 'x')", "alter table t add n int", "insert into p values (1), (2)")
    run(bridge, "select bridge.refresh_tracking()")
    run(owner, "update t set n = 1", "truncate t", "select bridge.enable_tracking('t', truncate_rows => 0)")
    assert actions(bridge) == [("INSERT", "1"), ("UPDATE", "1"), ("DELETE", "1"), ("TRUNCATE", "*")]
    assert events(bridge)[1][3] == {"id": 1, "email": "[masked]", "n": 1}
    assert actions(bridge, "p") == [("INSERT", "1"), ("INSERT", "2")]
    run(owner, "select bridge.disable_tracking('t')", "select bridge.disable_tracking('p')")
    assert bridge.execute("select count(*) from bridge.tracked_table").fetchone() == (0,)


def test_a_schema_that_the_owner_of_bridge_may_not_use(no_superuser: tuple[Db, Db], empty_database: str) -> None:
    """It is another's than the table, whose owner can grant nothing there: what is missing is said."""
    bridge, owner = no_superuser
    with psycopg.connect(empty_database, autocommit=True) as db:
        run(db, "create schema shop", f"grant usage, create on schema shop to {owner.info.user}")
        run(owner, "create table shop.t (id int primary key)")
        with pytest.raises(DatabaseRefuses, match="the owner of bridge may not use the schema") as refused:
            track(owner, "shop.t", Wanted(), 0)
        run(db, refused.value.hint or "")
    track(owner, "shop.t", Wanted(), 0)
    run(owner, "insert into shop.t values (1)", "truncate shop.t")
    assert actions(bridge, "shop.t") == [("INSERT", "1"), ("DELETE", "1"), ("TRUNCATE", "*")]
