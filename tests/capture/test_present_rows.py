"""The rows that a table has already: each recorded once, as it is, and in the order of its changes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from fix_relay import eventually
from psycopg import errors

from bridge.admin import snapshot_run
from bridge.admin.snapshot import Snapshot, begin_snapshot, list_snapshots
from bridge.admin.snapshot_run import Limits, Progress, carry_out
from bridge.admin.verify_capture import verify_capture
from bridge.errors import ConfigError
from bridge.postgres.connection import connect
from bridge.settings import DatabaseSettings, Settings
from capture.history import Db, actions, events, hidden, run, table

LIMITS = Limits(rows_per_second=None, max_pending=1_000_000)
Take = Callable[..., list[Progress]]


@pytest.fixture
def take(either_version: str, monkeypatch: pytest.MonkeyPatch) -> Take:
    """Carry a snapshot of a table out, a few rows at a time."""
    monkeypatch.setattr(snapshot_run, "CHUNK_ROWS", 3)

    def take(name: str = "t", where: str | None = None, limits: Limits = LIMITS, **how: bool) -> list[Progress]:
        with connect(either_version, application_name="bridge snapshot") as conn:
            snapshot, named = begin_snapshot(conn, name, where, restart=how.get("restart", False))
            return list(carry_out(conn, snapshot, named, limits))

    return take


def reads(db: Db, entity_type: str = "t") -> list[str]:
    return [key for action, key in actions(db, entity_type) if action == "READ"]


def verified(url: str, *names: str) -> bool:
    return verify_capture(Settings(database=DatabaseSettings(url=url)), names).passed


def snapshots(url: str) -> list[Snapshot]:
    with connect(url) as conn:
        return list_snapshots(conn)


def needs_icu(db: Db, column: str) -> None:
    if "icu" in column and not db.execute("select from pg_collation where collname = 'und-x-icu'").fetchall():
        pytest.skip("this Postgres was built without ICU")


KEYS = {
    "an integer": ("id int primary key", "select g from generate_series(-5, 5) as g"),
    "text, by a language's order": (
        'id text collate "und-x-icu" primary key',
        "select unnest(array['b', 'A', 'a', 'ä', 'B', 'z', 'Z', '', ' ', 'a b', 'ab', '%', E'\\n', '''', '\\'])",
    ),
    "text that the index orders otherwise": (
        'id text collate "und-x-icu" not null, unique (id)',
        "select unnest(array['b', 'A', 'a', 'ä', 'B', 'z', 'Z', '', 'a b', 'ab'])",
    ),
    "varchar by its patterns": ("id varchar(9) not null", "select unnest(array['b', 'A', 'a', 'B', '', 'ab', 'a-b'])"),
    "padded text": ("id char(4) primary key", "select unnest(array['b', 'A', 'a ', 'B', 'abcd', ''])"),
    "bytes": ("id bytea primary key", "select decode(to_hex(g * 37 + 256), 'escape') from generate_series(1, 9) as g"),
    "an interval": ("id interval primary key", "select g * interval '1 day 7 hours' from generate_series(-4, 4) as g"),
    "a time": ("id timestamptz primary key", "select now() + g * interval '0.1 s' from generate_series(-4, 4) as g"),
    "a float": ("id float8 primary key", "select unnest('{0.1,0.30000000000000004,Infinity,NaN,0.3}'::float8[])"),
    "numbers": ("id numeric primary key", "select unnest('{1.10,1e30,-5,NaN,0.001,2,3}'::numeric[])"),
    "a uuid": ("id uuid primary key", "select gen_random_uuid() from generate_series(1, 10) as g"),
    "an enum": ("id mood primary key", "select unnest(enum_range(null::mood))"),
    "a domain": ("id label primary key", "select unnest(array['z', 'b', 'A', 'a', 'c'])"),
    "an array": ("id int[] primary key", "select array[g % 3, g] from generate_series(1, 10) as g"),
    "a composite": ("id pair primary key", "select row(g % 3, 'x' || g)::pair from generate_series(1, 10) as g"),
}  # fmt: skip


@pytest.mark.parametrize("kind", KEYS)
def test_every_row_is_read_once_whatever_its_key_is(db: Db, either_version: str, take: Take, kind: str) -> None:
    column, values = KEYS[kind]
    needs_icu(db, column)
    run(db, "create type mood as enum ('z', 'sad', 'ok', 'a', 'happy')", "create type pair as (a int, b text)")
    run(db, "create domain label as text check (value <> '')", f"create table t ({column})")
    key = ""
    if "patterns" in kind:
        run(db, "create unique index on t (id text_pattern_ops desc)")
    elif "otherwise" in kind:
        run(db, "alter table t drop constraint t_id_key", 'create unique index on t (id collate "C" desc)')
    if "primary key" not in column:
        key = ", key => '{id}'"
    run(db, f"select bridge.enable_tracking('t'{key})")
    db.execute("alter table t disable trigger user")
    run(db, f"insert into t {values}")
    db.execute("alter table t enable trigger user")
    *_, end = take()
    count = db.execute("select count(*) from t").fetchone()
    assert (end.rows_read, end.rows_written) == (*(count or ()), *(count or ()))
    assert end.is_finished
    assert len(reads(db)) == len(set(reads(db))) == end.rows_read
    assert verified(either_version, "t")
    states = db.execute("select array_agg(new_state -> 'id' order by seq) from bridge.history").fetchone()
    assert states is not None
    assert len(states[0]) == end.rows_read


ODD = 'create table "Odd %T" ("a%" int, "B ""b" text, c uuid, primary key ("B ""b", "a%"))'


def test_a_key_of_several_columns_and_odd_names(db: Db, either_version: str, take: Take) -> None:
    run(db, ODD, """insert into "Odd %T" select g % 4, 'x''{{%s}}' || g / 4, null from generate_series(1, 30) as g""")
    db.execute("""select bridge.enable_tracking('"Odd %%T"', 'odd')""", ())
    take('"Odd %T"', """ "a%" < 3 and "Odd %T"."B ""b" like '%' -- all of them""")
    assert len(reads(db, "odd")) == 23
    take('"Odd %T"')
    assert len(reads(db, "odd")) == 23 + 30
    assert verified(either_version, 'public."Odd %T"')


def test_columns_of_a_key_that_no_comparison_of_rows_can_order(db: Db, either_version: str, take: Take) -> None:
    run(db, "create table t (a text not null, b int not null, c date not null)")
    run(db, "create unique index on t (a text_pattern_ops, b desc, c)")
    run(db, "insert into t select (g % 3)::text, g % 4, date '2024-01-01' + g from generate_series(1, 60) as g")
    run(db, "select bridge.enable_tracking('t', key => '{a,b,c}')")
    take()
    assert len(set(reads(db))) == 60
    assert verified(either_version, "t")


def test_a_key_without_overlaps(db: Db, either_version: str, take: Take) -> None:
    """Its index knows no order, and finds alike what overlaps."""
    if db.info.server_version < 180000:
        pytest.skip("WITHOUT OVERLAPS came with Postgres 18")
    run(db, "create table t (id int4range, at daterange, n int, primary key (id, at without overlaps))")
    days = "daterange(date '2024-01-01' + g, date '2024-01-02' + g)"
    run(db, f"insert into t select int4range(g % 3, g % 3 + 1), {days}, 0 from generate_series(1, 20) as g")
    run(db, "select bridge.enable_tracking('t')")
    take()
    assert len(set(reads(db))) == len(reads(db)) == 20
    run(db, "update t set n = 1", "update t set at = daterange(lower(at), null) where upper(at) = '2024-01-22'")
    assert verified(either_version, "t")


def test_two_keys_that_a_collation_finds_alike_cannot_be_and_none_is_skipped(db: Db, take: Take) -> None:
    needs_icu(db, "icu")
    run(db, "create collation blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
    run(db, "create table t (id text collate blind primary key)")
    run(db, "insert into t values ('a'), ('B'), ('c'), ('D'), ('e'), ('F'), ('g')")
    run(db, "select bridge.enable_tracking('t')")
    take()
    assert reads(db) == ["a", "B", "c", "D", "e", "F", "g"]


def test_partitions_children_generated_and_hidden_columns(db: Db, either_version: str, take: Take) -> None:
    run(
        db,
        "create table t (id int primary key, n int, twice int generated always as (n * 2) stored, pin text, hid text)"
        " partition by range (id)",
        "create table t_1 partition of t for values from (0) to (10)",
        "create table t_3 (pin text, id int not null, hid text, n int, twice int generated always as (n * 2) stored)",
        "alter table t attach partition t_3 for values from (20) to (30)",
        "create table t_2 partition of t for values from (10) to (20)",
        "insert into t (id, n, pin, hid) select g, g, 'SECRET', 'SECRET' from generate_series(0, 29) as g",
        "select bridge.enable_tracking('t', mask => '{pin}', exclude => '{hid}')",
        "create table p (id int primary key)",
        "create table child (id int primary key) inherits (p)",
        "insert into p values (1)",
        "insert into child values (2)",
        "select bridge.enable_tracking('p')",
    )
    take()
    take("p")
    assert reads(db) == [str(n) for n in range(30)]
    assert last_states(db)["7"] == {"id": 7, "n": 7, "twice": 14, "pin": "[masked]"}
    assert hidden(db)
    assert reads(db, "p") == ["1"]
    run(db, "truncate t_3", "update t set n = 0, pin = 'SECRET 2' where id < 12", "delete from t where id = 3")
    assert verified(either_version, "t", "p")
    assert hidden(db)


def last_states(db: Db) -> dict[str, Any]:
    return {key: state for _, key, _, state, _ in events(db)}


def test_rows_that_nobody_recorded_are_missing_only_after_a_snapshot_of_all(
    db: Db, either_version: str, take: Take
) -> None:
    run(db, "create table t (id int primary key, n int)", "insert into t select g, g from generate_series(1, 10) as g")
    run(db, "vacuum freeze t", "select bridge.enable_tracking('t')")
    take(where="n > 5")
    run(
        db,
        "alter table t disable trigger user",
        "update t set n = -1 where id = 1",
        "alter table t enable trigger user",
    )
    run(db, "vacuum freeze t")
    take(where="n < 5")
    assert verified(either_version, "t")
    take()
    run(db, "update t set n = 20 where id = 2", "alter table t disable trigger user", "insert into t values (11)")
    run(db, "vacuum freeze t")
    assert not verified(either_version, "t")
    run(db, "delete from t where id = 11", "update t set n = 0 where id = 3", "alter table t enable trigger user")
    assert not verified(either_version, "t")
    run(db, "update t set n = 3 where id = 3")
    assert not verified(either_version, "t")  # that update began elsewhere


def test_a_read_of_another_state_than_the_events_before_it_is_told(db: Db, either_version: str, take: Take) -> None:
    run(db, "create table t (id int primary key, n int)", "select bridge.enable_tracking('t')")
    run(db, "insert into t values (1, 1), (2, 2)", "alter table t disable trigger user")
    run(db, "update t set n = 5 where id = 1", "alter table t enable trigger user")
    take()
    assert not verified(either_version, "t")


def test_the_older_state_has_the_lower_number(db: Db, either_version: str, take: Take) -> None:
    """Who holds a row is waited for, with few rows at a time; then what he wrote is read."""
    run(db, "create table t (id int primary key, n int)", "insert into t select g, 0 from generate_series(1, 10) as g")
    run(db, "select bridge.enable_tracking('t')")
    done: list[Progress] = []
    with psycopg.connect(either_version) as writer:
        writer.execute("update public.t set n = 1 where id = 5")
        writer.execute("delete from public.t where id = 6")
        thread = threading.Thread(target=lambda: done.extend(take()))
        thread.start()
        eventually(lambda: snapshots(either_version)[:1] and snapshots(either_version)[0].rows_read == 4)
        assert reads(db) == ["1", "2", "3", "4"]
        writer.commit()
        thread.join()
    assert any("locks on it are held by process" in str(now.waits_for) for now in done)
    assert {key: state for key, state in last_states(db).items() if state} == table(db)
    assert [key for key in reads(db) if key == "5"] == ["5"]
    assert [action for action, key in actions(db) if key == "5"] == ["UPDATE", "READ"]
    assert [action for action, key in actions(db) if key == "6"] == ["DELETE"]


@pytest.mark.parametrize("change", ["update t set n = 1 where id = 2", "delete from t where id = 2", "truncate t"])
def test_a_writer_has_the_higher_number_and_waits_for_it(db: Db, either_version: str, change: str) -> None:
    run(db, "create table t (id int primary key, n int)", "insert into t select g, 0 from generate_series(1, 3) as g")
    run(db, "select bridge.enable_tracking('t')")
    with psycopg.connect(either_version) as reader:
        reader.execute(
            "select bridge.record_present((select id from bridge.tracked_table where entity_type = 't'), '{{2}}')"
        )
        db.execute("set lock_timeout = '100ms'")
        with pytest.raises(errors.LockNotAvailable):
            run(db, change)
        with pytest.raises(errors.LockNotAvailable):  # nor is anything hidden that was just read
            run(db, "select bridge.enable_tracking('t', mask => '{n}')")
        reader.commit()
    run(db, change)
    found = [action for action, key in actions(db) if key == "2"]
    assert found[0] == "READ"
    assert len(found) == 2


def test_what_is_unfinished_goes_on(db: Db, either_version: str, take: Take) -> None:
    run(db, "create table t (id int primary key, n int)", "insert into t select g, 0 from generate_series(1, 20) as g")
    run(db, "select bridge.enable_tracking('t')")
    with connect(either_version) as conn:
        steps = carry_out(conn, *begin_snapshot(conn, "t", None, restart=False), LIMITS)
        assert next(steps).rows_read == 3
        assert next(steps).rows_read == 6
        run(
            db,
            "insert into t values (21, 0)",
            "update t set id = 100 where id = 15",
            "update t set id = -1 where id = 20",
        )
        with pytest.raises(ConfigError, match="unfinished that was begun for all rows"):
            take(where="n = 0")
        assert take()[0].rows_read == 9
        with pytest.raises(ConfigError, match="finished or given up by somebody else"):
            list(steps)
    assert reads(db) == [str(n) for n in range(1, 20) if n != 15]
    (done,) = snapshots(either_version)
    assert (done.state, done.rows_read, done.rows_written) == ("finished", 18, 18)
    assert verified(either_version, "t")
    kept = "select last_key, until_key from bridge.snapshot"
    assert db.execute(kept).fetchall() == [(None, None)]


def test_begun_anew(db: Db, either_version: str, take: Take) -> None:
    run(db, "create table t (id int primary key, n int)", "insert into t select g, 0 from generate_series(1, 4) as g")
    run(db, "select bridge.enable_tracking('t')")
    with connect(either_version) as conn:
        next(carry_out(conn, *begin_snapshot(conn, "t", "n = 0", restart=False), LIMITS))
    run(db, "select bridge.enable_tracking('t', entity_type => 'u')")
    with pytest.raises(ConfigError, match=r"when its name or key was another\..*--restart"):
        take(where="n = 0")
    take(where="n < 1", restart=True)
    assert [found.state for found in snapshots(either_version)] == ["finished", "given up"]
    assert reads(db) == ["1", "2", "3"]
    assert reads(db, "u") == ["1", "2", "3", "4"]
    run(db, "select bridge.disable_tracking('t')")
    with pytest.raises(ConfigError, match=r"public\.t is not tracked"):
        take()


def test_an_empty_table(db: Db, either_version: str, take: Take) -> None:
    run(db, "create table t (id int primary key)", "select bridge.enable_tracking('t')")
    assert take() == [Progress(0, 0, None, is_finished=True)]
    assert reads(db) == []


def test_a_row_that_cannot_be_converted_as_a_whole(db: Db, take: Take) -> None:
    """It is read column by column, as its trigger would: jsonb holds no more than 256 MB in all."""
    run(db, "create table t (id int primary key, a text, b text)", "select bridge.enable_tracking('t')")
    run(db, "alter table t disable trigger user", "insert into t values (1, 'x', 'y')")
    run(db, "update t set a = repeat('a', 140000000), b = repeat('b', 140000000)")
    take()
    query = "select entity_id, new_state -> 'id', new_state -> 'b' ? '$unrepresented' from bridge.history"
    assert db.execute(query).fetchall() == [("1", 1, True)]


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("nothing = 1", 'column "nothing" does not exist'),
        ("n =", "syntax error"),
        ("name::int = 1", "InvalidTextRepresentation for a row of the table"),
        ("1 / n = 1", "DivisionByZero for a row of the table"),
        ("'x'", 'invalid input syntax for type boolean: "x"'),
    ],
)
def test_a_condition_that_is_wrong(db: Db, take: Take, where: str, words: str) -> None:
    run(db, "create table t (id int primary key, n int, name text)", "insert into t values (1, 0, 'SECRET')")
    run(db, "select bridge.enable_tracking('t')")
    with pytest.raises(ConfigError) as refused:
        take(where=where)
    assert "the condition cannot be used" in str(refused.value)
    assert "SECRET" not in str(refused.value)
    assert reads(db) == []


def test_names_in_a_condition_mean_what_they_mean_to_others(db: Db, either_version: str, take: Take) -> None:
    """And nothing in the schemas of those is taken for what bridge itself calls."""
    run(db, "create schema app", "create table app.t (id int primary key)", "insert into app.t values (1), (2)")
    run(db, "create function app.wanted(int) returns boolean language sql as 'select $1 = 2'")
    run(db, "create function app.to_jsonb(app.t) returns jsonb language plpgsql as 'begin raise ''ran''; end'")
    run(db, "create function app.format(text, int) returns text language plpgsql as 'begin raise ''ran''; end'")
    run(
        db,
        f"alter database {psycopg.conninfo.conninfo_to_dict(either_version)['dbname']} set search_path = app, public",
    )
    run(db, "select bridge.enable_tracking('app.t', 't')")
    take(where="wanted(id)")
    assert reads(db) == ["2"]


def test_it_is_for_who_owns_the_table_and_no_policy_hides_rows(db: Db, unique: str) -> None:
    run(db, "create table t (id int primary key)", "insert into t values (1)", "select bridge.enable_tracking('t')")
    run(db, f"create role {unique}", f"grant all on schema bridge, bridge_tracking to {unique}")
    try:
        run(db, f"grant execute on all functions in schema bridge to {unique}")
        run(db, f"grant select, insert, update on all tables in schema bridge to {unique}")
        with psycopg.connect(db.info.dsn, password=db.info.password, autocommit=True) as conn:
            conn.execute(f"set role {unique}".encode())
            with pytest.raises(errors.InsufficientPrivilege, match="permission denied for table t"):
                begin_snapshot(conn, "t", None, restart=False)
            run(db, f"grant select, update on t to {unique}", "alter table t enable row level security")
            with pytest.raises(errors.InsufficientPrivilege, match="row-level security policy"):
                begin_snapshot(conn, "t", None, restart=False)
    finally:
        run(db, f"drop owned by {unique} cascade", f"drop role {unique}")
