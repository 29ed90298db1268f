"""`bridge track`, `untrack`, `tracked`, `doctor`: what they print, refuse, and do beside others who use the table."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from capture.history import give_up_soon
from fix_command import Done, Run, data_of
from psycopg.conninfo import make_conninfo
from roles import Roles

from bridge.admin import tracking
from bridge.admin.checks.capture import check_capture
from bridge.admin.checks.check import Level
from bridge.configuration.load import load
from bridge.event import CHANGED
from bridge.postgres.explained import RIGHTS
from bridge.postgres.route_findings import route_findings
from bridge.relay.capture import LOOK_SECONDS, CaptureWatch
from bridge.settings import DatabaseSettings, Route, Settings

Db = psycopg.Connection[Any]
PEOPLE = "create table public.people (id int primary key, name text, ssn text, seen timestamptz)"


@pytest.fixture
def db(database: str) -> Iterator[Db]:
    with psycopg.connect(database, autocommit=True, application_name="a test's own") as conn:
        conn.execute("set search_path = public")
        yield conn


def events(db: Db, entity_type: str) -> list[tuple[str, str, Any]]:
    query = "select action, entity_id, new_state from bridge.history where entity_type = %s order by seq"
    return db.execute(query, (entity_type,)).fetchall()


def test_a_table_is_tracked_listed_and_left(db: Db, run: Run) -> None:
    db.execute(PEOPLE)
    done = run("track", "people", "--mask", "ssn", "--exclude", "seen", "--activity")
    assert done.code == 0, done.err
    assert done.out.splitlines() == [
        "public.people is tracked as people (ENTITY_CHANGE)",
        "    key       id",
        "    masked    ssn",
        "    excluded  seen",
        "    also      activity",
        f"    triggers  {', '.join(triggers(db))}",
    ]
    db.execute("insert into people values (1, 'a', 'secret', now())")
    assert events(db, "people") == [("INSERT", "1", {"id": 1, "name": "a", "ssn": "[masked]"})]
    (line,) = [line for line in run("tracked").out.splitlines() if "people" in line]
    assert line.startswith("public.people as people: key id; masked ssn; excluded seen; activity; since 2")
    listed = data_of(run("tracked", "--json").out)
    (people,) = [table for table in listed if table["name"] == "people"]
    assert run("tracked", "public.people").out == f"{line}\n"
    assert run("tracked", "poeple").code == 4
    assert (people["key"], people["masked"], people["activity"], people["problems"]) == (["id"], ["ssn"], True, 0)

    again = run("track", "public.people", "--name", "persons", "--no-activity", "--exclude", "name")
    assert again.out.splitlines()[1:] == [
        *["    key       id", "    masked    ssn", "    excluded  name", f"    triggers  {', '.join(triggers(db))}"],
        *["    before    called: people", "    before    excluded: seen", "    before    also: activity"],
    ]
    assert run("track", "people").out == again.out.split("    before")[0]  # what is not given stays
    reset = run("track", "people", "--reset", "--name", "persons")
    assert "masked" not in reset.out.split("    before")[0]
    assert "    before    masked: ssn" in reset.out.splitlines()
    db.execute("insert into people values (2, 'b', 'shown', now())")
    assert [(action, key) for action, key, _ in events(db, "persons")] == [("INSERT", "2")]

    assert run("untrack", "people") == Done(0, "public.people is not tracked any more\n", "")
    db.execute("insert into people values (3, 'c', null, now())")
    assert len(events(db, "persons")) == 1
    assert run("untrack", "people").code == 4


def test_as_who_owns_the_table(db: Db, run: Run, database: str, roles: Roles, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the rights of the role `capture`, which has none on others' tables."""
    db.execute(
        PEOPLE + f"; alter table people owner to {roles.name('capture')}; create table others (id int primary key)"
    )
    monkeypatch.setenv("BRIDGE_DATABASE_URL", roles.url(database, "capture"))
    for more in (["--dry-run"], []):
        done = run("track", "people", "--mask", "ssn", *more)
        assert (done.code, done.err) == (0, ""), done
    assert "public.people as people: key id; masked ssn" in run("tracked").out
    db.execute("insert into people (id, ssn) values (1, 'SECRET')")
    assert [(action, key) for action, key, *_ in events(db, "people")] == [("INSERT", "1")]
    refused = run("track", "others")
    assert refused.code == 3
    assert "permission denied for table others. This is for who owns the table and has the rights" in refused.err
    assert run("untrack", "people").out == "public.people is not tracked any more\n"


def test_a_dry_run_changes_nothing(db: Db, run: Run) -> None:
    db.execute(PEOPLE)
    done = run("track", "people", "--dry-run")
    assert done.code == 0, done.err
    assert done.out.splitlines()[0] == "public.people is tracked as people (ENTITY_CHANGE)"
    assert done.out.splitlines()[-1] == "Dry run: nothing was changed."
    assert "people" not in run("tracked").out
    assert db.execute("select count(*) from pg_trigger where tgrelid = 'people'::regclass").fetchone() == (0,)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("poeple",), "there is no table poeple. Did you mean public.people?"),
        (("nothing.like_it",), "there is no table nothing.like_it"),
        (("odd\nname",), r" odd\x0aname"),
        (('"people',), '"people'),
        (("a.b.c.d",), "a.b.c.d"),
        ((" ",), "table"),
        (("people", "--mask", "snn"), "table public.people has no column snn"),
        (("people", "--mask", "id"), "the key columns of public.people can be neither excluded nor masked"),
        (("people", "--mask", "ssn", "--exclude", "ssn"), "both excluded and masked"),
        (("people", "--key", "name"), "table public.people has no unique index of just the columns name. It must"),
        (("people", "--name", "contacts"), "Give another entity_type: bridge track --name"),
        (("people", "--name", "x" * 201), "entity_type is longer than 200 characters"),
        (("people", "--name", ""), "must not be empty"),
        (("people", "--event-type", "x" * 201), "entity_event_type_has_a_length"),
        (("keyless",), "table public.keyless has no primary key. Changes can be tracked only by key"),
        (("seen_people",), "public.seen_people is not a table"),
        (("parts_1",), "public.parts_1 is a partition. Track the partitioned table; its partitions follow"),
        (("late",), "is checked at the end of the transaction"),
        (("bridge.history",), "bridge.history belongs to bridge itself"),
        (("pg_catalog.pg_class",), "pg_class belongs to pg_catalog"),
    ],
)
def test_what_cannot_be_tracked_is_told(db: Db, run: Run, arguments: tuple[str, ...], words: str) -> None:
    for statement in (
        PEOPLE, "create table keyless (a int)", "create view seen_people as select * from people",
        "create table parts (id int primary key) partition by range (id)",
        "create table parts_1 partition of parts default",
        "create table late (id int primary key deferrable initially deferred)",
    ):  # fmt: skip
        db.execute(statement)
    done = run("track", *arguments)
    assert done.code == 4, done
    assert words in done.err
    assert len(done.err.splitlines()) == 1
    assert run("untrack", arguments[0]).code == 4


def test_text_that_is_none(run: Run) -> None:
    assert run("track", "\udcff").code == 2
    assert run("track", "people", "--mask", "\udcff").code == 2
    assert run("track", "people", "--truncate-rows", "-1").code == 2
    assert run("track").code == 2


@pytest.mark.parametrize("name", ["Odd Name", 'quo"te', "it's", "100%s %(x)s", "two\nlines", "ключ", "a.b", "{x}"])
def test_odd_names(db: Db, run: Run, name: str) -> None:
    quoted = '"{}"'.format(name.replace('"', '""'))
    db.execute(f'create table {quoted} ({quoted} int primary key, {quoted[:-1]}2" text)')
    done = run("track", quoted, "--mask", f"{name}2")
    assert done.code == 0, done.err
    db.execute(f"insert into {quoted} values (1, 'x')")
    assert events(db, name) == [("INSERT", "1", {name: 1, f"{name}2": "[masked]"})]
    assert run("doctor", "--capture").code == 0
    assert run("verify", "--capture", quoted).code == 0
    db.execute(f"drop table {quoted}")
    assert run("untrack", quoted).code == 0


def test_a_name_without_its_quotes_is_guessed(db: Db, run: Run) -> None:
    db.execute('create table "Odd Name" (id int primary key)')
    assert """Did you mean 'public."Odd Name"'?""" in run("track", "Odd Name").err


def test_a_partitioned_table_and_a_column_that_is_left_out(db: Db, run: Run) -> None:
    db.execute("create table parts (id int, n int, twice int generated always as (n * 2), primary key (id))"
               " partition by range (id)")  # fmt: skip
    db.execute("create table parts_1 partition of parts for values from (0) to (10)")
    done = run("track", "parts")
    assert "    left out  twice (generated, not stored)" in done.out.splitlines()
    assert "    note      generated columns that are not stored are left out: twice. Make them STORED" in done.out
    assert run("doctor", "--capture").code == 0


def test_a_table_that_was_dropped_and_made_anew(db: Db, run: Run) -> None:
    for _ in range(2):
        db.execute(PEOPLE)
        assert run("track", "people").out.startswith("public.people is tracked as people ")
        db.execute("insert into people values (1)")
        assert run("doctor", "--capture").code == 0
        assert run("verify", "--capture").code == 0
        db.execute("drop table people")
    assert len(events(db, "people")) == 2


def test_a_busy_table(db: Db, database: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who keeps it locked is named; whoever writes to it meanwhile waits for a moment only."""
    monkeypatch.setattr(tracking, "PAUSE_SECONDS", 0.1)
    db.execute(PEOPLE)
    db.execute(
        "alter function bridge.execute_briefly(text, integer) set deadlock_timeout = '10s'"
    )  # each try is a short one
    longest, done = 0.0, threading.Event()

    def write() -> None:
        nonlocal longest
        with psycopg.connect(database, autocommit=True) as conn:
            while not done.wait(0.05):
                begun = time.monotonic()
                conn.execute("update public.people set name = name || 'x' where id = 1")
                longest = max(longest, time.monotonic() - begun)

    writer = threading.Thread(target=write)
    with db.transaction():
        db.execute("insert into people values (1, 'a')")
        writer.start()
        begun = time.monotonic()
        busy = run("track", "people", "--wait-seconds", "0")
        tried_for = time.monotonic() - begun
    done.set()
    writer.join()
    pid = db.info.backend_pid
    assert busy.code == 3
    assert f"public.people is too busy: locks on it are held by process {pid} (a test's own) for " in busy.err
    assert busy.err.endswith("Nothing was changed\n")
    assert longest < tried_for / 2
    assert "people" not in run("tracked").out
    assert run("track", "people").code == 0

    give_up_soon(db)
    with db.transaction():
        db.execute("select from people")
        held = run("untrack", "people", "--wait-seconds", "0")
    assert (held.code, f"process {pid}" in held.err) == (3, True)
    assert run("untrack", "people").code == 0


def test_a_busy_table_is_tried_again(db: Db, database: str, run: Run) -> None:
    db.execute(PEOPLE)
    with psycopg.connect(database) as other:
        other.execute("insert into public.people values (1)")
        timer = threading.Timer(0.5, other.rollback)
        timer.start()
        assert run("track", "people").code == 0
        timer.join()


def triggers(db: Db) -> list[str]:
    query = "select tgname::text from pg_trigger where tgrelid = 'people'::regclass and not tgisinternal order by 1"
    return [name for (name,) in db.execute(query).fetchall()]


def harm(db: Db, kind: str) -> None:
    of_rows = triggers(db)[0]
    statements = {
        "disabled": [f'alter table people disable trigger "{of_rows}"'],
        "dropped trigger": [f'drop trigger "{of_rows}" on people'],
        "no key": ["alter table people drop constraint people_pkey"],
        "swapped": ["alter table people rename to people_old", "create table people (id int primary key)"],
        "inherited": ["create table staff () inherits (people)"],
        "gone": ["drop table people"],
    }
    for statement in statements[kind]:
        db.execute(statement)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("disabled", "_row of public.people is disabled. ALTER TABLE public.people ENABLE TRIGGER"),
        ("dropped trigger", "it has no trigger that records its changes. bridge track public.people"),
        ("no key", "no unique index has just its key's columns any more"),
        ("swapped", "another table has its name now: public.people. Track that one, too, with a --name"),
        ("inherited", "changes of public.staff, which inherits from it, are not recorded. bridge track public.staff"),
        ("gone", "the table is gone. bridge untrack public.people"),
    ],
)
def test_what_the_doctor_finds(db: Db, run: Run, kind: str, words: str) -> None:
    db.execute(PEOPLE)
    run("track", "people")
    healthy = run("doctor", "--capture")
    count = len(run("tracked").out.splitlines())
    assert healthy == Done(0, f"Nothing wrong with {count} tracked tables.\n", "")
    harm(db, kind)
    found = run("doctor", "--capture")
    assert found.code == 1
    name = "public.people_old" if kind == "swapped" else "public.people"
    assert f"problem: {name}: " in found.out
    assert words in found.out
    as_json = data_of(run("doctor", "--capture", "--json").out)
    assert (as_json["tracked"], as_json["problems"]) == (count, 1)
    assert as_json["findings"][0]["is_problem"]
    shown = run("status")
    assert shown.code == 0
    assert f"tracking: {name}: " in shown.out
    assert words in shown.out
    if kind == "gone":
        assert run("untrack", "people").out == "public.people is not tracked any more\n"
        assert run("doctor", "--capture").code == 0


def test_a_masked_column_that_was_renamed_stays_masked(db: Db, run: Run) -> None:
    db.execute(PEOPLE)
    run("track", "people", "--mask", "ssn")
    db.execute("alter table people rename ssn to number")
    db.execute("insert into people values (1, 'a', 'secret')")
    assert events(db, "people")[0][2]["number"] == "[masked]"
    found = run("doctor", "--capture")
    assert found.code == 0
    assert "note: public.people: it was altered, and is recorded slowly until a relay has looked at it" in found.out
    db.execute("select bridge.refresh_tracking()")
    assert "masked number" in run("tracked").out
    assert "note" not in run("doctor", "--capture").out


def test_a_renamed_table_is_called_as_it_is_now(db: Db, run: Run) -> None:
    """As it is typed in a shell, where that is advised."""
    db.execute(PEOPLE)
    run("track", "people")
    db.execute("""alter table people rename to "Ada's" """)
    db.execute("""alter table "Ada's" drop constraint people_pkey, add more int""")
    found = run("doctor", "--capture").out
    typed = shlex.quote('public."Ada\'s"')
    assert found.count('public."Ada\'s": ') == 2
    assert f"name another key: bridge track {typed} --key" in found
    assert f"A relay does that twice a minute; or: bridge track {typed}" in found
    assert "public.people" not in found


@pytest.fixture
def watch(database: str, caplog: pytest.LogCaptureFixture) -> CaptureWatch:
    caplog.set_level("INFO", "bridge")
    return CaptureWatch(Settings(database=DatabaseSettings(url=database)))


def look(watch: CaptureWatch, caplog: pytest.LogCaptureFixture) -> list[str]:
    """What is said in two looks."""
    caplog.clear()
    watch.look()
    watch.look()
    return [f"{record.levelname} {record.message}" for record in caplog.records]


def test_a_relay_says_once_what_is_wrong(
    db: Db, run: Run, watch: CaptureWatch, caplog: pytest.LogCaptureFixture
) -> None:
    db.execute(PEOPLE)
    run("track", "people")
    assert look(watch, caplog) == []
    harm(db, "no key")
    problem = "public.people: no unique index has just its key's columns any more: two rows may have one key."
    (said,) = look(watch, caplog)
    assert said.startswith(f"WARNING tracking: {problem} ")
    assert look(watch, caplog) == []
    db.execute("alter table people add primary key (id)")
    (said,) = look(watch, caplog)
    assert said.startswith(f"INFO tracking: no longer: {problem} ")


def test_a_relay_says_what_it_mends_itself(
    db: Db, run: Run, watch: CaptureWatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Something may have been missed meanwhile."""
    db.execute(PEOPLE)
    run("track", "people")
    harm(db, "gone")
    first, second = look(watch, caplog)
    assert (first.split()[0], second.split()[:4]) == ("WARNING", ["INFO", "tracking:", "no", "longer:"])
    assert "the table is gone" in first
    assert "the table is gone" in second
    assert run("doctor", "--capture").code == 0


def test_a_relay_leaves_alone_what_somebody_has_disabled(
    db: Db, run: Run, watch: CaptureWatch, caplog: pytest.LogCaptureFixture
) -> None:
    db.execute(PEOPLE)
    run("track", "people")
    harm(db, "disabled")
    (said,) = look(watch, caplog)
    assert "is disabled" in said
    assert look(watch, caplog) == []
    assert run("doctor", "--capture").code == 1
    run("track", "people")
    assert run("doctor", "--capture").code == 0


def test_a_relay_that_may_not_look_says_so_once(
    db: Db, database: str, unique: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "bridge")
    db.execute(f"create role {unique} login password 'x'")
    try:
        db.execute(f"grant usage on schema bridge to {unique}")
        url = make_conninfo(database, user=unique, password="x")  # noqa: S106 - a test's own
        watch = CaptureWatch(Settings(database=DatabaseSettings(url=url)))
        assert look(watch, caplog) == [
            f"WARNING tracking is not looked after: permission denied for function tracking_report. {RIGHTS}"
        ]
        db.execute(f"grant execute on function bridge.tracking_report, bridge.refresh_tracking to {unique}")
        assert look(watch, caplog) == ["INFO tracking is looked after again"]
    finally:
        db.execute(f"drop owned by {unique}")
        db.execute(f"drop role {unique}")


def test_a_relay_says_which_routes_are_for_nothing(
    db: Db, run: Run, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A table by another name than it is tracked by, a column that hides nothing."""
    caplog.set_level("INFO", "bridge")
    db.execute(PEOPLE)
    db.execute("create table parcels (id int primary key, parcel_address text)")
    run("track", "people")
    routes = (
        Route(topic="a", table="people", mask=("snn", "ssn", "elsewhere")),
        Route(topic="b", table="public.parcels"),
        Route(topic="c", table="nothing_of_the_kind"),
        Route(topic="f", table="My Shop.Ada's things"),
        Route(CHANGED, topic="d", drop=("parcel_adress",)),
        Route("own.type", topic="e", drop=("whatever",)),
    )
    watch = CaptureWatch(Settings(database=DatabaseSettings(url=database), routes=routes))
    untracked = "no tracked table is called so"
    odd = shlex.quote('"My Shop"."Ada\'s things"')
    nothing = "So far it hides nothing: correct the route's"
    expected = [
        f"event type entity.changed: its drop names parcel_adress, which is no column. {nothing} drop",
        f"table My Shop.Ada's things: {untracked}. Correct the route's table, or: bridge track {odd}",
        f"table nothing_of_the_kind: {untracked}. Correct the route's table, or: bridge track nothing_of_the_kind",
        f"table people: its mask names elsewhere, which is no column. {nothing} mask",
        f"table people: its mask names snn, which is no column (ssn is). {nothing} mask",
        f"table public.parcels: {untracked}. Correct the route's table, or: bridge track public.parcels",
    ]
    assert look(watch, caplog) == [f"WARNING routes: route of {text}" for text in expected]
    run("track", "parcels")
    assert look(watch, caplog) == [
        f"WARNING routes: route of {expected[0].replace('column', 'column (parcel_address is)')}",
        f"WARNING routes: route of table public.parcels: {untracked} (parcels is). Correct the route's table",
        f"INFO routes: no longer: route of {expected[0]}",
        f"INFO routes: no longer: route of {expected[5]}",
    ]
    problems = [finding.is_problem for finding in route_findings(db, watch._settings)]
    assert problems == [True, False, True, False, False, True]


def test_a_tracked_table_without_a_route_is_told(db: Db, run: Run, database: str, tmp_path: Path) -> None:
    """Its next event would be dead."""
    db.execute(PEOPLE)
    config = tmp_path / "bridge.toml"
    route = '[[routes]]\ntopic = "a"\nencoding = "json"\n'
    config.write_text(f'{route}event_type = "entity.*"\n')
    words = "no route is for table people: its events will be dead"
    assert f"    problem   {words}. Add a route for this table" in run("track", "people", "--config", str(config)).out
    assert words not in run("track", "people").out  # nothing is carried where there are no routes
    settings = load(config)
    level = next(check.level for check in check_capture(db, settings) if check.text == f"public.people: {words}")
    assert level is Level.PROBLEM
    for rule in ('table = "people"', 'event_type = "entity.changed"'):
        config.write_text(f"{route}{rule}\n")
        assert words not in run("track", "people", "--config", str(config)).out
        assert words not in str(list(check_capture(db, load(config))))


def test_a_route_is_told_how_a_table_is_called_and_typed(db: Db, run: Run, database: str) -> None:
    db.execute('create schema "My Shop"')
    db.execute('create table "My Shop"."Order Line" (id int primary key)')
    run("track", '"My Shop"."Order Line"')
    routes = (Route(topic="a", table="Order Line"), Route(topic="b", table='It\'s "odd"'))
    settings = Settings(database=DatabaseSettings(url=database), routes=routes)
    meant, odd = route_findings(db, settings)
    assert (meant.is_problem, "(My Shop.Order Line is)" in meant.finding) == (True, True)
    assert odd.advice.endswith("""bridge track '"It'"'"'s ""odd""\"'""")
    told = {(check.name, check.level, check.text) for check in check_capture(db, settings)}
    assert ("capture", Level.PROBLEM, f"{meant.relation}: {meant.finding}") in told


def test_a_relay_that_ends_does_not_wait_for_a_look(database: str) -> None:
    watch = CaptureWatch(Settings(database=DatabaseSettings(url=database)))
    watch.start()
    begun = time.monotonic()
    watch.end()
    assert time.monotonic() - begun < LOOK_SECONDS / 2


def test_untracking_says_what_it_forgets(db: Db, run: Run) -> None:
    db.execute(PEOPLE)
    assert run("track", "people", "--mask", "ssn", "--exclude", "seen").code == 0
    said = run("untrack", "people").err
    assert "to track it as before: bridge track public.people --mask ssn --exclude seen" in said
