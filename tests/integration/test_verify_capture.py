"""`bridge verify --capture`: nothing is found where all is recorded, and each kind of difference where it is not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from fix_command import Run, data_of
from fix_database import unstamped
from fix_relay import eventually
from psycopg.conninfo import make_conninfo

from bridge.admin import verify_capture as auditor
from bridge.admin.verify_capture import CaptureVerdict, TableVerdict, verify_capture
from bridge.cli import verify_capture as command
from bridge.cli.main import main
from bridge.errors import ConfigError
from bridge.postgres.queries import query
from bridge.settings import DatabaseSettings, Settings

Db = psycopg.Connection[Any]
pytestmark = pytest.mark.usefixtures("same_day")
FILL = "insert into item select g, 'n' || g, g, g from generate_series(1, 10) as g"


@pytest.fixture
def db(database: str) -> Iterator[Db]:
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("set search_path = public")
        conn.execute("create table item (id int primary key, name text, price numeric(8, 2), note int)")
        yield conn


@pytest.fixture
def settings(database: str) -> Settings:
    return Settings(database=DatabaseSettings(url=database))


Found = Callable[[], dict[str, list[str]]]


@pytest.fixture
def found(settings: Settings) -> Found:
    """What is found of the table item: keys by kind."""

    def found() -> dict[str, list[str]]:
        return {kind: sorted(keys) for kind, keys in verify(settings, "item").examples.items()}

    return found


def verify(settings: Settings, *names: str) -> TableVerdict:
    (verdict,) = verify_all(settings, *names).tables
    return verdict


def verify_all(settings: Settings, *names: str) -> CaptureVerdict:
    return verify_capture(settings, names)


def track(db: Db, *, name: str = "item", **how: object) -> None:
    given = "".join(f", {parameter} => %({parameter})s" for parameter in how)
    db.execute(f"select bridge.enable_tracking('{name}'{given})", how)


def test_what_is_recorded_is_what_is_there(db: Db, settings: Settings, found: Found) -> None:
    track(db)
    db.execute(FILL)
    db.execute("update item set name = name || 'x' where id < 4")
    db.execute("update item set id = id + 100 where id = 5")
    db.execute("delete from item where id in (1, 6)")
    db.execute("insert into item values (6, 'again')")
    assert found() == {}
    assert verify(settings, "item").keys == 11  # 5 and 1 have gone
    db.execute("truncate item")
    db.execute("insert into item values (1, 'anew')")
    assert found() == {}
    verdict = verify_all(settings)
    assert verdict.passed
    assert len(verdict.tables) > 1


@pytest.mark.parametrize(
    ("change", "kind", "key"),
    [
        ("insert into item values (77)", "missing", "77"),
        ("insert into item values (3)", "missing", "3"),
        ("delete from item where id = 4", "gone", "4"),
        ("update item set name = 'other' where id = 4", "stale", "4"),
        ("update item set price = null where id = 4", "stale", "4"),
    ],
)
def test_a_change_that_was_not_recorded(db: Db, found: Found, change: str, kind: str, key: str) -> None:
    track(db)
    db.execute(FILL)
    db.execute("delete from item where id = 3")
    with unstamped(db):
        db.execute(change.encode())
    assert found() == {kind: [key]}
    db.execute("update item set name = 'z', price = 0 where id in (3, 4, 77)")
    db.execute("insert into item values (4) on conflict do nothing")
    assert set(found()) <= {"broken"}


def test_a_chain_that_is_broken(db: Db, found: Found) -> None:
    track(db)
    db.execute(FILL)
    with unstamped(db):
        db.execute("update item set name = 'other' where id = 4")
        db.execute("delete from item where id = 5")
    db.execute("update item set name = 'known again' where id = 4")
    db.execute("insert into item values (5)")
    assert found() == {"broken": ["4", "5"]}


def test_rows_from_before_tracking(db: Db, settings: Settings, found: Found) -> None:
    db.execute(FILL)
    track(db)
    assert found() == {}
    db.execute("vacuum (freeze) item")
    db.execute("update item set name = 'x' where id = 1")
    db.execute("delete from item where id = 2")
    assert found() == {}
    with unstamped(db):
        db.execute("insert into item values (11)")
    assert found() == {"missing": ["11"]}
    db.execute("vacuum (freeze) item")
    assert found() == {"missing": ["11"]}


def test_rows_that_were_written_while_the_lock_was_waited_for(db: Db, database: str, found: Found) -> None:
    """Tracking begins when its triggers are there, not when they were asked for."""
    with psycopg.connect(database) as other:
        other.execute("insert into public.item values (1)")
        thread = threading.Thread(target=track, args=(db,))
        thread.start()
        waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and pid = %s"
        with psycopg.connect(database, autocommit=True) as watcher:
            eventually(lambda: watcher.execute(waits, (db.info.backend_pid,)).fetchone() == (1,))
            watcher.execute("insert into public.item values (2)")
        other.commit()
        thread.join()
    assert found() == {}


def test_tracked_once_before(db: Db, found: Found) -> None:
    track(db)
    db.execute(FILL)
    db.execute("select bridge.disable_tracking('item')")
    db.execute("update item set name = 'unseen'")
    db.execute("delete from item where id = 1")
    track(db)
    assert found() == {}
    db.execute("update item set name = 'seen'")
    assert found() == {}


def test_other_settings_and_columns(db: Db, found: Found) -> None:
    """What only one of the states has is no difference, nor what either has masked."""
    track(db)
    db.execute(FILL)
    track(db, mask=["name"])
    assert found() == {}
    db.execute("update item set name = 'secret' where id = 1")
    track(db, exclude=["name"])
    db.execute("update item set name = 'unseen' where id = 2")
    assert found() == {}
    track(db)
    db.execute("update item set price = 1 where id = 1")
    for change in ("add more int default 5", "drop note", "rename price to cost", "alter id type bigint"):
        db.execute(f"alter table item {change}".encode())
        assert found() in ({}, {"stale": ["2"]})  # name was excluded when it was changed
    with unstamped(db):
        db.execute("update item set id = 12 where id = 10")
    assert found()["gone"] == ["10"]


def test_another_name_and_key_begin_anew(db: Db, found: Found) -> None:
    track(db)
    db.execute(FILL)
    track(db, entity_type="thing")
    assert found() == {}
    db.execute("alter table item alter name set not null, add unique (name)")
    track(db, entity_type="thing", key=["name"])
    assert found() == {}
    with unstamped(db):
        db.execute("insert into item values (11, 'eleven')")
    assert found() == {"missing": ["eleven"]}


def test_truncate_without_events_of_the_rows(db: Db, found: Found) -> None:
    track(db, truncate_rows=2)
    db.execute(FILL)
    db.execute("truncate item")
    assert found() == {}
    with unstamped(db):
        db.execute("insert into item values (3)")
    assert found() == {"missing": ["3"]}
    db.execute("update item set name = 'x' where id = 3")
    assert found() == {"broken": ["3"]}
    db.execute("insert into item values (1)")
    assert found() == {"broken": ["3"]}


def test_truncate_of_one_partition(db: Db, settings: Settings) -> None:
    db.execute("create table parts (id int primary key, n int) partition by range (id)")
    db.execute("create table parts_1 partition of parts for values from (0) to (10)")
    db.execute("create table parts_2 partition of parts for values from (10) to (20)")
    track(db, name="parts", truncate_rows=0)
    db.execute("insert into parts select g, g from generate_series(5, 14) as g")
    db.execute("update parts set id = 9 + 10 where id = 9")
    db.execute("truncate parts_1")
    assert verify(settings, "parts").examples == {}
    with unstamped(db):
        db.execute("truncate parts_2")
    verdict = verify(settings, "parts")
    assert (verdict.gone, len(verdict.examples["gone"])) == (6, 5)


def test_a_parent_is_compared_without_its_children(db: Db, found: Found) -> None:
    track(db)
    db.execute("create table special () inherits (item)")
    db.execute("insert into special values (1)")
    db.execute("insert into item values (2)")
    assert found() == {}


def test_values_that_sessions_write_differently(db: Db, settings: Settings) -> None:
    db.execute(
        "create table wide (id interval primary key, t timestamptz, b bytea, f float8, m money, d date, j json,"
        " r int4range, a text[], n numeric)"
    )
    for name, value in {"timezone": "Asia/Tokyo", "datestyle": "German", "bytea_output": "escape",
                        "extra_float_digits": "-5", "intervalstyle": "postgres_verbose"}.items():  # fmt: skip
        db.execute(f"set {name} = '{value}'")
    track(db, name="wide")
    db.execute(
        "insert into wide values ('1 day 2 hours', now(), '\\x00ff', 0.1 + 0.2, 12.5, '2024-02-29',"
        " '{\"a\":\"\\u0000\"}', '[1,5)', '{a,null}', 'NaN')"
    )
    assert verify(settings, "wide").examples == {}
    with unstamped(db):
        db.execute("update wide set t = t + interval '1 microsecond'")
    assert verify(settings, "wide").examples == {"stale": ["P1DT2H"]}


def test_a_key_of_several_columns_and_odd_text(db: Db, settings: Settings) -> None:
    db.execute("create table pair (a text, b int, primary key (b, a))")
    track(db, name="pair")
    for a in ("x", "", '"quoted"', "100%", "a\nb", "{}", "*"):
        db.execute("insert into pair values (%s, 1)", (a,))
    with unstamped(db):
        db.execute("delete from pair where a = '100%'")
    assert verify(settings, "pair").examples == {"gone": ['[1, "100%"]']}


def test_a_row_that_cannot_be_converted_as_a_whole(db: Db, found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read column by column, as its trigger did it."""
    track(db)
    db.execute(FILL)
    with unstamped(db):
        db.execute("update item set note = 0 where id = 4")
    statement, states = auditor._statement, []

    def failing(subject: Any, state: str, view: str) -> Any:
        states.append(state)
        return statement(subject, "to_jsonb(1 / (v.entire).note)" if len(states) == 1 else state, view)

    monkeypatch.setattr(auditor, "_statement", failing)
    assert found() == {"stale": ["4"]}
    assert "careful_state" in states[1]


def test_it_is_told_how_far_it_is(
    db: Db, settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    track(db)
    db.execute(FILL)
    monkeypatch.setattr("bridge.cli.progress.SECONDS", 0)
    monkeypatch.setattr(auditor, "BATCH_ROWS", 4)
    command.verify_tables(settings, ["item"], as_json=False)
    assert capsys.readouterr().err.splitlines() == [f"keys of public.item: {n}" for n in (4, 8, 10)]


def test_events_that_were_inserted_by_hand_are_left_alone(db: Db, found: Found) -> None:
    track(db)
    db.execute(FILL)
    db.execute("insert into bridge.entity_events (entity_type, entity_id, action) values ('item', '1', 'DELETE')")
    assert found() == {}


def test_what_cannot_be_compared(db: Db, settings: Settings) -> None:
    with pytest.raises(ConfigError, match=r"public\.item is not tracked\. See bridge tracked"):
        verify(settings, "item")
    with pytest.raises(ConfigError, match=r"there is no table iten\. Did you mean public\.item\?"):
        verify(settings, "iten")
    track(db)
    db.execute("alter table item drop id")
    assert verify(settings, "item").unreadable == "a column of its key was dropped, or is hidden"
    db.execute("drop table item")
    assert verify(settings, "item").unreadable == "the table is gone"
    assert not verify_all(settings).passed


def test_rows_that_a_policy_hides_are_not_taken_for_gone(db: Db, settings: Settings, unique: str) -> None:
    track(db)
    db.execute(FILL)
    db.execute("alter table item enable row level security")
    db.execute(f"create role {unique} login password 'secret'")
    try:
        db.execute(f"grant select on all tables in schema public, bridge to {unique}")
        db.execute(f"grant usage on schema bridge, bridge_tracking to {unique}")
        db.execute(f"grant execute on all functions in schema bridge to {unique}")
        db.execute(f"grant create on schema bridge_tracking to {unique}")
        url = make_conninfo(settings.database.url, user=unique, password="secret")  # noqa: S106 - a test's own
        assert "row-level security" in str(verify(Settings(database=DatabaseSettings(url=url)), "item").unreadable)
    finally:
        db.execute(f"drop owned by {unique}")
        db.execute(f"drop role {unique}")


def test_the_owners_functions_are_not_run(db: Db, settings: Settings, unique: str) -> None:
    """Whoever plans a query of a table evaluates the functions in its indexes, with his own rights."""
    track(db)
    db.execute(FILL)
    db.execute(f"create role {unique}")
    try:
        db.execute(f"alter table item owner to {unique}")
        assert verify(settings, "item").passed
        db.execute("create function f() returns int immutable language sql as 'select 1'")
        db.execute(f"alter function f() owner to {unique}")
        db.execute("create index on item (id) where f() = 1")
        db.execute(
            "create or replace function f() returns int immutable language plpgsql as 'begin raise ''ran''; end'"
        )
        unreadable = verify(settings, "item").unreadable
        assert unreadable is not None
        assert f"function public.f() of {unique} in index public." in unreadable
    finally:
        db.execute("drop function f cascade")
        db.execute(f"drop owned by {unique} cascade")
        db.execute(f"drop role {unique}")


def test_a_locked_table_is_told_and_the_others_compared(
    db: Db, database: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    track(db)
    monkeypatch.setattr("bridge.admin.verify_capture.query", lambda name: query(name).replace("'10s'", "'100ms'"))
    with psycopg.connect(database, application_name="keeps it") as other:
        other.execute("lock table item in access exclusive mode")
        found = {table.relation: (table.unreadable, table.is_busy) for table in verify_all(settings).tables}
        words = f"too busy: locks on it are held by process {other.info.backend_pid} (keeps it) for "
    told, is_busy = found.pop("public.item")
    assert (str(told).startswith(words), is_busy) == (True, True)
    assert set(found.values()) == {(None, False)}


def test_two_at_once_of_another_owners_table(db: Db, database: str, unique: str, run: Run) -> None:
    """The second could not be sure of it; that is no difference, unless it finds one elsewhere."""
    track(db)
    db.execute(FILL)
    db.execute(f"create role {unique}; alter table item owner to {unique}")
    try:
        with psycopg.connect(database, application_name="bridge verify") as first:
            first.execute("select bridge.lock_for_reading('public.item')")
            done = run("verify", "--capture")
            assert done.code == 3, done.err
            assert f"public.item too busy: locks on it are held by process {first.info.backend_pid}" in done.err
            assert "(bridge verify)" in done.err
            db.execute("create table other (id int primary key); select bridge.enable_tracking('other')")
            with unstamped(db):
                db.execute("insert into other values (1)")
            assert run("verify", "--capture").code == 6
            db.execute("drop table other")
        assert run("verify", "--capture", "item").code == 0
    finally:
        db.execute(f"reassign owned by {unique} to current_user; drop role {unique}")


def test_the_command(
    db: Db, database: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRIDGE_DATABASE_URL", database)
    monkeypatch.setattr("sys.excepthook", lambda *_: None)
    monkeypatch.setattr("threading.excepthook", threading.excepthook)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["bridge", "verify", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return (int(ended.value.code or 0), *capsys.readouterr())

    track(db)
    db.execute(FILL)
    code, out, err = run("--capture", "item")
    assert (code, err) == (0, "")
    assert out.splitlines()[1:] == ["  public.item: 10 keys, 0 missing, 0 gone, 0 stale, 0 broken"]
    with unstamped(db):
        db.execute("delete from item where id < 8")
        db.execute("update item set name = 'other' where id = 8")
    code, out, err = run("--capture")
    assert code == 6
    assert err == "bridge: tracked tables differ from their events: public.item 7 gone, 1 stale\n"
    assert "  public.item: 10 keys, 0 missing, 7 gone, 1 stale, 0 broken" in out
    assert "      stale    8\n" in out
    (gone,) = [line for line in out.splitlines() if line.startswith("      gone ")]
    assert gone.endswith(", ...")
    assert gone.count(",") == 5
    code, out, _ = run("--capture", "item", "--json")
    (table,) = data_of(out)["tables"]
    assert (code, table["gone"], len(table["examples"]["gone"])) == (6, 7, 5)
    assert run("item")[0] == 2
    assert run("--capture", "nothing")[0] == 4


def retire(db: Db, *, is_counted: bool = True) -> None:
    """All that has been recorded so far is two to three days old, and leaves with its partition of the history."""
    day = "date_trunc('day', now(), 'UTC')"
    with unstamped(db):
        db.execute(f"update bridge.history set occurred_at = {day} - interval '2 days 3 hours'".encode())
        db.execute("update bridge.tracked_table set since = since - interval '4 days'")
    for ago in (3, 2, 1):  # so that what is tracked was tracked before the first partition
        db.execute(
            f"select bridge.create_partition('bridge.history', {day} - interval '{ago} days',"
            f" {day} - interval '{ago - 1} days')".encode()
        )
    (leaf,) = db.execute(
        f"select leaf::text from bridge.partition_bounds('bridge.history') where range_from = {day} - interval '3 days'"
    ).fetchone() or ("",)
    with db.transaction():
        db.execute(f"alter table bridge.history detach partition {leaf}".encode())
        db.execute(
            "insert into bridge.retired_partition (parent, leaf, relation, range_from, range_to, expiry, max_xid)"
            f" select 'bridge.history', '{leaf}', '{leaf}'::regclass,"
            f"        {day} - interval '3 days', {day} - interval '2 days', 'detach',"
            f"        case when %s then (select max(xid::text)::xid8 from {leaf}) end",
            (is_counted,),
        )


@pytest.mark.parametrize("is_counted", [True, False])
def test_events_that_left_with_their_partition(db: Db, settings: Settings, found: Found, *, is_counted: bool) -> None:
    track(db)
    db.execute(FILL)
    with db.transaction():  # its row is of a transaction within, whose number is above its event's
        db.execute("update item set name = 'x' where id = 2")
        with db.transaction():
            db.execute("insert into item values (11)")
    db.execute("delete from item where id = 1")
    retire(db, is_counted=is_counted)
    assert found() == {}
    assert verify(settings, "item").not_judged == {"left": 10}
    db.execute("update item set name = 'y' where id in (2, 3)")
    db.execute("insert into item values (1, 'again')")
    assert found() == {}
    with unstamped(db):
        db.execute("insert into item values (12)")
        db.execute("delete from item where id = 3")
        db.execute("update item set name = 'z' where id = 2")
    assert found() == {"missing": ["12"], "gone": ["3"], "stale": ["2"]}
    db.execute("update item set name = 'known again' where id = 2")  # and 12 is of the first hour that is kept
    assert found() == {"gone": ["3"], "broken": ["2"]}


def test_events_that_left_from_between_others(db: Db, settings: Settings, found: Found) -> None:
    track(db)
    db.execute(FILL)
    (middle,) = db.execute("select max(seq) from bridge.history").fetchone() or (0,)
    db.execute("update item set name = 'x' where id < 6")
    db.execute("delete from item where id = 5")
    db.execute(f"create table kept as select * from bridge.history where seq <= {middle}".encode())
    with unstamped(db):
        db.execute(f"delete from bridge.history where seq <= {middle}".encode())
    retire(db)
    with unstamped(db):
        db.execute("update kept set occurred_at = occurred_at - interval '10 days'")
        db.execute("insert into bridge.history select * from kept")
    assert found() == {}
    assert verify(settings, "item").not_judged == {"left": 5}
    db.execute("update item set name = 'y'")
    db.execute("insert into item values (5)")
    assert found() == {}
    assert verify(settings, "item").not_judged == {}
    with unstamped(db):
        db.execute("update item set name = 'unseen' where id = 6")
    db.execute("update item set name = 'seen' where id = 6")
    assert found() == {"broken": ["6"]}


def test_a_partition_that_would_leave_while_tables_are_compared(
    db: Db, database: str, found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Postgres hides a detached partition from older snapshots, too."""
    track(db)
    db.execute(FILL)
    subjects, refused = auditor._subjects, []

    def meanwhile(conn: Any, wanted: Any) -> Any:
        with psycopg.connect(database, autocommit=True) as other:
            other.execute("set lock_timeout = '100ms'")
            try:
                other.execute("alter table bridge.history detach partition bridge.history_default")
            except psycopg.errors.LockNotAvailable:
                refused.append(True)
        return subjects(conn, wanted)

    monkeypatch.setattr(auditor, "_subjects", meanwhile)
    assert (found(), refused) == ({}, [True])
