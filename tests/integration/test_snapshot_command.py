"""`bridge snapshot`, and what `bridge track` says of it: what they print and refuse."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from fix_command import Done, Run, data_of
from fix_relay import eventually
from roles import Roles

Db = psycopg.Connection[Any]


@pytest.fixture
def db(database: str) -> Iterator[Db]:
    with psycopg.connect(database, autocommit=True, application_name="a test's own") as conn:
        conn.execute("set search_path = public")
        conn.execute("create table item (id int primary key, n int)")
        conn.execute("insert into item select g, g from generate_series(1, 20) as g")
        yield conn


def test_a_table_that_has_rows_is_told_of_it(db: Db, run: Run) -> None:
    assert run("track", "item").err == "The rows that it has already have no events: bridge snapshot public.item\n"
    assert run("track", "item", "--mask", "n").err == ""
    db.execute("create table empty (id int primary key)")
    assert run("track", "empty").err == ""
    notices: list[str] = []
    db.add_notice_handler(lambda notice: notices.append(f"{notice.message_primary} {notice.message_hint}"))
    db.execute("select bridge.disable_tracking('item'), bridge.disable_tracking('empty')")
    db.execute("select bridge.enable_tracking('item'), bridge.enable_tracking('empty')")
    words = "the rows that public.item has already have no events bridge snapshot public.item publishes them."
    assert notices == [words.replace("public.item has", "item has")] or notices == [words]


def test_tracked_and_published_in_one_command(db: Db, run: Run) -> None:
    done = run("track", "item", "--snapshot", "--dry-run")
    assert done.out.endswith("20 rows of it would be published: bridge snapshot\nDry run: nothing was changed.\n")
    done = run("track", "item", "--snapshot")
    assert done.out.endswith("20 rows of public.item were recorded as item, and the relay publishes them\n")
    assert db.execute("select count(*) from bridge.entity_events where action = 'READ'").fetchone() == (20,)


def test_counted_published_and_listed(db: Db, run: Run) -> None:
    assert run("snapshot", "--list").err == "There are no snapshots.\n"
    run("track", "item")
    done = run("snapshot", "item", "--where", "n % 2 = 0", "--dry-run")
    assert done.out == "10 rows of public.item would be published as item\nDry run: nothing was published.\n"
    assert run("snapshot", "item", "--where", "n % 2 = 0").code == 0
    listed = run("snapshot", "item", "--list").out.splitlines()
    assert listed[0].startswith("1  public.item as item: finished, 10 rows published, 20 read, by ")
    assert listed[1:] == ["    where n % 2 = 0"]
    (found,) = data_of(run("snapshot", "--list", "--json").out)
    assert {**found, "rows_written": 10, "state": "finished", "condition": "n % 2 = 0"} == found
    counted = data_of(run("snapshot", "item", "--dry-run", "--json").out)
    assert counted == {"relation": "public.item", "name": "item", "rows": 20}
    written = data_of(run("snapshot", "item", "--json").out)
    assert written == {"id": 2, "relation": "public.item", "name": "item", "rows_written": 20}


def test_one_row_is_no_rows(db: Db, run: Run) -> None:
    run("track", "item")
    assert run("snapshot", "item", "--where", "n = 1", "--dry-run").out.startswith("1 row of public.item would be")
    done = run("snapshot", "item", "--where", "n = 1")
    assert done.out == "1 row of public.item was recorded as item, and the relay publishes them\n"


def test_a_table_by_the_name_that_it_is_tracked_by(db: Db, run: Run) -> None:
    run("track", "item", "--name", "big")
    done = run("snapshot", "big")
    assert done.code == 4
    assert "there is no table big. public.item is tracked by that name: name the table" in done.err


def test_refused(db: Db, run: Run) -> None:
    run("track", "item")
    assert run("snapshot").code == 2
    assert run("snapshot", "nothing").code == 4
    wrong = run("snapshot", "item", "--where", "nothing")
    assert wrong == Done(
        4,
        "",
        'bridge: the condition cannot be used: column "nothing" does not exist.'
        " --where is SQL about the table's columns\n",
    )
    db.execute("drop table item")
    gone = run("snapshot", "item")
    assert (gone.code, gone.err) == (4, "bridge: public.item is gone. bridge untrack public.item\n")


def test_rows_that_somebody_keeps(db: Db, database: str, run: Run) -> None:
    run("track", "item")
    with psycopg.connect(database, application_name="keeps it") as other:
        other.execute("update public.item set n = 0 where id = 3")
        done = run("snapshot", "item", "--wait-seconds", "0")
        assert done.code == 3
        assert f"rows of public.item are locked: locks on it are held by process {other.info.backend_pid}" in done.err
        assert done.err.endswith("The same command goes on from here\n")
    assert "unfinished" in run("snapshot", "--list").out
    assert run("snapshot", "item", "--wait-seconds", "5").code == 0


@pytest.mark.parametrize("more", [(), ("--dry-run",)], ids=["publish", "dry run"])
def test_a_table_that_is_being_altered(db: Db, database: str, run: Run, more: tuple[str, ...]) -> None:
    """It is waited for, and who keeps it is told; that may not wait for the lock itself."""
    db.execute("create table parts (id int primary key) partition by range (id)")
    db.execute("create table parts_1 partition of parts for values from (0) to (10)")
    run("track", "parts")
    with psycopg.connect(database, application_name="alters it") as other:
        other.execute("alter table public.parts add column z int")
        done = run("snapshot", "parts", *more, "--wait-seconds", "0")
        assert done.code == 3
        words = f"public.parts is too busy: locks on it are held by process {other.info.backend_pid} (alters it)"
        assert words in done.err
        waiting = "select exists (select from pg_locks where not granted and relation = 'parts'::regclass)"

        def let_go() -> None:
            eventually(lambda: db.execute(waiting).fetchone() == (True,))
            other.commit()

        letting = threading.Thread(target=let_go)
        letting.start()
        assert run("snapshot", "parts", *more).code == 0
        letting.join()


def test_a_terminal_is_told_how_far_it_is(db: Db, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("track", "item")
    assert run("snapshot", "item").err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    done = run("snapshot", "item")
    assert "public.item" in done.err
    assert "20/20" in done.err


@pytest.mark.parametrize("command", [("snapshot", "item"), ("snapshot", "item", "--dry-run"), ("verify", "--capture")])
def test_who_has_no_right_is_told_what_to_do(
    db: Db, database: str, run: Run, roles: Roles, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    run("track", "item")
    monkeypatch.setenv("BRIDGE_DATABASE_URL", roles.url(database, "operator"))
    done = run(*command)
    assert done.code == 3
    assert "permission denied for function" in done.err
    assert "bridge grants" in done.err


def test_replays_are_listed_without_routes(run: Run) -> None:
    assert run("replay", "--list") == Done(0, "", "There are no replays.\n")
