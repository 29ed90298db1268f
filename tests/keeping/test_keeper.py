"""Who keeps house, what is due when, and what people are told: the lease, `maintain`, `partition`, `status`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from fix_command import data_of
from fix_house import all_done, keep, keep_and_die
from fix_relay import Site, eventually

from bridge.admin.keeping import read_keeping
from bridge.keeping.keeper import JOBS, Keeper
from bridge.keeping.step import House, Step
from bridge.postgres.queries import query
from bridge.relay.house import HouseKeeper
from bridge.settings import DatabaseSettings, Settings
from bridge.telemetry.facts import read_house_facts

Db = psycopg.Connection[Any]


@pytest.fixture
def db(database: str) -> Iterator[Db]:
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("set search_path = pg_catalog")
        yield conn


def bridge(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "BRIDGE_DATABASE_URL": url}
    command = [sys.executable, "-m", "bridge", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def due(db: Db) -> set[str]:
    return {job for (job,) in db.execute(query("due_jobs"), {"jobs": None, "at_once": False}).fetchall()}


def house(db: Db) -> House:
    return House(db, Settings(database=DatabaseSettings("")), lambda _seconds: True)


def policy(db: Db, job: str) -> tuple[Any, ...]:
    row = db.execute("select outcome, detail, failures from bridge.policy where job = %s", (job,)).fetchone()
    assert row is not None
    return row


def test_every_job_of_the_policies_is_there(db: Db) -> None:
    assert due(db) == set(JOBS)


def test_what_was_done_is_not_due_until_its_time_comes(db: Db, database: str) -> None:
    keep(database)
    assert due(db) == set()
    db.execute("update bridge.policy set started_at = started_at - every where job = 'cleanup'")
    assert due(db) == {"cleanup"}
    db.execute("update bridge.policy set enabled = false where job = 'cleanup'")
    assert due(db) == set()
    assert db.execute(query("due_jobs"), {"jobs": ["cleanup"], "at_once": True}).fetchall() == [("cleanup",)]
    db.execute("update bridge.policy set started_at = started_at + interval '1 year'")  # a clock was set back
    assert due(db) == set(JOBS) - {"cleanup"}


def test_what_failed_is_due_sooner_with_growing_pauses(db: Db, database: str) -> None:
    keep(database)
    db.execute("update bridge.policy set outcome = 'error', failures = 1, started_at = now() - interval '31 seconds'"
               " where job = 'retention'")  # fmt: skip
    assert due(db) == {"retention"}
    db.execute("update bridge.policy set failures = 3 where job = 'retention'")
    assert due(db) == set()
    db.execute("update bridge.policy set failures = 100000, started_at = now() - every where job = 'retention'")
    assert due(db) == {"retention"}


def test_one_keeper_at_a_time(db: Db, database: str) -> None:
    db.execute(query("take_keeper"), {"owner": "another", "lease_seconds": 60, "is_pooled": False})
    assert Keeper("this one").keep(house(db), at_once=True) is None
    done = bridge(database, "maintain", "--once")
    assert (done.returncode, "another keeper is at work" in done.stderr) == (1, True)
    db.execute("update bridge.keeper set lease_until = now() - interval '1 second'")
    assert Keeper("this one").keep(house(db), at_once=True) is not None
    assert db.execute("select owner from bridge.keeper").fetchone() == (None,)


def test_a_dead_keepers_lease_is_not_waited_for(db: Db, database: str) -> None:
    """Its session ends with it. Behind a pooler nobody can tell."""
    assert keep_and_die(database, "keeper_began:kill", "capture") == -signal.SIGKILL
    assert db.execute("select lease_until > now() + interval '4 minutes' from bridge.keeper").fetchone() == (True,)
    eventually(lambda: Keeper("the next one").keep(house(db), ["capture"], at_once=True) is not None)
    assert keep_and_die(database, "keeper_began:kill", "capture") == -signal.SIGKILL
    db.execute("update bridge.keeper set pid = null")
    assert Keeper("the next one").keep(house(db), ["capture"], at_once=True) is None


def test_a_keeper_that_was_too_slow_leaves_the_rest_to_the_next(
    db: Db, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(house: House) -> Iterator[Step]:
        from bridge.keeping.step import Outcome

        yield Step("one", "t", Outcome.OK)
        house.conn.execute("update bridge.keeper set owner = 'another', lease_until = now() + interval '1 minute'")
        yield Step("two", "t", Outcome.OK)
        raise AssertionError("it went on")

    monkeypatch.setattr("bridge.keeping.keeper.JOBS", {"cleanup": slow})
    runs = Keeper("this one").keep(house(db), ["cleanup"], at_once=True)
    assert runs is not None
    assert [step.action for step in runs[0].steps] == ["one", "two"]
    assert db.execute("select owner from bridge.keeper").fetchone() == ("another",)


def test_a_bug_in_one_job_stops_no_other(db: Db, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def buggy(_house: House) -> Iterator[Step]:
        raise ZeroDivisionError("a secret value")
        yield

    monkeypatch.setattr("bridge.keeping.keeper.JOBS", {**JOBS, "cleanup": buggy})
    runs = Keeper("this one").keep(house(db), at_once=True)
    assert runs is not None
    assert {run.job: run.outcome for run in runs} == {job: "error" if job == "cleanup" else "ok" for job in JOBS}
    outcome, detail, failures = policy(db, "cleanup")
    assert (outcome, failures) == ("error", 1)
    assert "ZeroDivisionError" in detail
    assert "secret" not in detail


def test_maintain_tells_what_it_did(db: Db, database: str) -> None:
    db.execute("drop table " + str(db.execute(
        "select leaf::text from bridge.partition_bounds('bridge.outbox') order by range_from desc nulls last limit 1"
    ).fetchone()[0]))  # type: ignore[index] # fmt: skip
    done = bridge(database, "maintain", "--once", "--json", "--job", "partitions")
    assert done.returncode == 0, done.stderr
    (run,) = data_of(done.stdout)
    assert (run["job"], run["outcome"], [step["action"] for step in run["steps"]]) == (
        "partitions", "ok", ["create_partition"],
    )  # fmt: skip
    assert db.execute("select action, outcome from bridge.maintenance_log order by id desc limit 1").fetchone() == (
        "create_partition", "ok",
    )  # fmt: skip
    db.execute("revoke all on bridge.keeper from current_user")
    again = bridge(database, "maintain", "--once", "--job", "partitions")
    assert "partitions: ok" in again.stdout


def test_maintain_goes_on_until_it_is_asked_to_end(database: str, db: Db) -> None:
    environment = {**os.environ, "BRIDGE_DATABASE_URL": database}
    command = [sys.executable, "-m", "bridge", "maintain"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as keeper:
        eventually(lambda: all_done(db))
        keeper.send_signal(signal.SIGTERM)
        out, err = keeper.communicate(timeout=60)
        assert keeper.returncode == 0, err
    assert "partitions: ok" in out


def test_a_relay_says_once_that_it_may_not_keep_house(site: Site) -> None:
    """Without the rights it carries events all the same."""
    with site.connect() as db:
        db.execute(
            "create function bridge.refuse() returns trigger language plpgsql as "
            "$$ begin raise insufficient_privilege using message = 'permission denied for keeper'; end $$"
        )
        db.execute("create trigger refuse before update on bridge.keeper execute function bridge.refuse()")
    relay = site.start()
    eventually(lambda: "house is not kept" in site.log(relay))
    site.publish(10)
    eventually(lambda: site.pending() == 0)
    site.end(relay)
    assert site.log(relay).count("house is not kept") == 1


def test_a_keeper_that_has_become_too_old_for_the_database_does_nothing(
    database: str, db: Db, caplog: pytest.LogCaptureFixture
) -> None:
    db.execute(
        "insert into bridge.schema_migration (layer, file, oldest_program)"
        " values ('engine', 'migrations/9999_x.sql', 9999)"
    )
    keeper = HouseKeeper(Settings(database=DatabaseSettings(database)), "old")
    keeper.start()
    eventually(lambda: "house is not kept: " in caplog.text)
    keeper.end()
    keeper.join()
    assert "newer version of bridge" in caplog.text
    assert due(db) == set(JOBS)


# Policies


@pytest.fixture
def visits(db: Db) -> str:
    db.execute('create schema "My s"')
    db.execute('create table "My s"."Visits" (at timestamp not null, n integer) partition by range (at)')
    return '"My s"."Visits"'


def test_a_table_of_ones_own_is_looked_after(db: Db, database: str, visits: str) -> None:
    done = bridge(database, "partition", visits, "--every", "month", "--ahead", "2", "--keep-for", "1 year", "--json")
    assert data_of(done.stdout) == {
        "parent": visits, "control": "at", "step": "month", "premake": 2, "keep_for": "1 year", "expiry": "drop",
        "location": None, "format": "avro", "leaving": {"partitions": 0, "first": None, "last": None},
    }  # fmt: skip
    keep(database, "partitions")
    db.execute(f"insert into {visits} values (now(), 1), (now() + interval '1 month', 2)".encode())
    db.execute(
        f"create table public.old partition of {visits} for values from ('2001-01-01') to ('2001-02-01')".encode()
    )
    db.execute(f"insert into {visits} values ('2001-01-05', 3)".encode())
    keep(database, "retention")
    assert db.execute("select leaf, rows, state from bridge.retired_partition").fetchall() == [
        ("public.old", 1, "dropped")
    ]
    assert db.execute(f"select count(*) from {visits}".encode()).fetchone() == (2,)
    assert bridge(database, "partition", visits, "--forget").returncode == 0
    assert db.execute("select count(*) from bridge.partition_policy").fetchone() == (4,)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["public.plain", "--every", "day"], "is not partitioned"),
        (["public.listed", "--every", "day"], "by a range of one date or time"),
        (["public.numbered", "--every", "day"], "by a range of one date or time"),
        (["{visits}"], "whether a partition is of a day or of a month"),
        (["{visits}", "--every", "day", "--by", "n"], "is partitioned by at, not by n"),
        (["{visits}", "--every", "day", "--keep-for", "5 furlongs"], "Write --keep-for as Postgres writes intervals"),
        (["{visits}", "--every", "day", "--keep-for", "-5 days"], "Give a day at least"),
        (["{visits}", "--every", "day", "--keep-for", "90"], "Give a day at least"),
        (["{visits}", "--every", "day", "--expiry", "files", "--to", "memory://x"], "no place where cold files"),
        (["{visits}", "--every", "day", "--expiry", "files", "--to", "some/where"], "no place that each keeper knows"),
        (["{visits}", "--every", "day", "--expiry", "files", "--to", "s3://me:secret@b/x"], "a password must not"),
        (["{visits}", "--every", "day", "--expiry", "files"], "where the cold files are to go"),
        (["{visits}", "--every", "day", "--expiry", "archive"], "only bridge.activity_log has"),
        (["public.nothing", "--every", "day"], "there is no table"),
        (["bridge.outbox", "--forget"], "is bridge's own"),
        (["public.plain", "--forget"], "does not look after"),
    ],
)
def test_what_cannot_be_is_refused(db: Db, database: str, visits: str, arguments: list[str], words: str) -> None:
    db.execute("create table public.plain (at date)")
    db.execute("create table public.listed (at date) partition by list (at)")
    db.execute("create table public.numbered (n integer) partition by range (n)")
    before = db.execute("select * from bridge.partition_policy order by parent").fetchall()
    done = bridge(database, "partition", *(argument.format(visits=visits) for argument in arguments))
    assert done.returncode == 4, done.stderr
    assert words in done.stderr
    assert db.execute("select * from bridge.partition_policy order by parent").fetchall() == before


@pytest.mark.parametrize("more", [(), ("--dry-run",)], ids=["in earnest", "dry run"])
def test_what_the_keeper_would_refuse_is_told_when_it_is_asked_for(
    db: Db, database: str, visits: str, unique: str, more: tuple[str, ...]
) -> None:
    db.execute(f'create role {unique}; grant usage, create on schema "My s" to {unique}'.encode())
    try:
        db.execute(f"set role {unique}; create function \"My s\".f() returns boolean immutable language sql"
                   f" as 'select true'; reset role".encode())  # fmt: skip
        db.execute(f'alter table {visits} add check ("My s".f())'.encode())
        done = bridge(database, "partition", visits, "--every", "day", *more)
        assert done.returncode == 4, done.stderr
        assert f'function "My s".f() of {unique} in constraint' in done.stderr
        assert "make it" in done.stderr
        assert db.execute("select count(*) from bridge.partition_policy").fetchone() == (4,)
    finally:
        db.execute(f"drop owned by {unique} cascade; drop role {unique}".encode())


def test_a_dry_run_changes_nothing(db: Db, database: str) -> None:
    for parent in ("bridge.history", "bridge.outbox"):
        db.execute("select bridge.create_partition(%s::regclass, '2001-01-01Z', '2001-01-02Z')", (parent,))
    done = bridge(database, "partition", "bridge.history", "--keep-for", "2 years", "--dry-run")
    assert "2 years after its end a partition is dropped" in done.stdout
    assert db.execute("select keep_for from bridge.partition_policy where parent = 'bridge.history'::regclass"
                      ).fetchone() == (None,)  # fmt: skip


def test_status_shows_the_jobs_and_what_is_lacking(db: Db, database: str) -> None:
    keep(database)
    for (leaf,) in db.execute(
        "select leaf::text from bridge.partition_bounds('bridge.outbox') where not is_default"
    ).fetchall():
        db.execute(f"drop table {leaf}".encode())
    db.execute("select bridge.publish_event('a.b', 'k', '{}')")
    db.execute("update bridge.policy set started_at = now() - interval '1 day' where job = 'archive'")
    db.execute("update bridge.policy set outcome = 'error', detail = 'it broke', failures = 3 where job = 'cleanup'")
    status = bridge(database, "status").stdout
    for words in (
        "1 row of bridge.outbox without a partition of its own",
        "bridge.outbox has partitions for 0 hours more",
        "archive has been due since",
        "cleanup: error (3 runs in a row): it broke",
    ):
        assert words in status
    keeping = data_of(bridge(database, "status", "--json").stdout)["keeping"]
    assert {job["job"] for job in keeping["jobs"]} == set(JOBS)
    assert next(table for table in keeping["partitions"] if table["parent"] == "bridge.outbox")["default_rows"] == 1


def at_work(db: Db, job: str, hours: int) -> None:
    """A keeper has been at this for so long; all else waits for it."""
    db.execute(
        "update bridge.policy set started_at = now() - interval '1 minute', succeeded_at = now(), outcome = 'ok'"
    )
    db.execute("update bridge.keeper set owner = 'host:1:a', pid = null, lease_until = now() + interval '1 minute'")
    db.execute(
        "update bridge.policy set started_at = now() - make_interval(hours => %s), outcome = 'running', failures = 1"
        " where job = %s",
        (hours, job),
    )


def test_a_job_that_takes_hours_is_not_late(db: Db) -> None:
    """And what waits behind it is not told that no keeper is at work."""
    at_work(db, "archive", 2)
    now = read_keeping(db)
    assert (now.needs_person, now.lines) == (False, [])
    db.execute("update bridge.policy set started_at = now() - interval '2 hours' where job = 'refresh'")
    now = read_keeping(db)
    assert now.needs_person
    assert [line.partition(" has been due")[0] for line in now.lines] == ["refresh"]
    assert "the keeper is at archive" in now.lines[0]
    db.execute("update bridge.keeper set lease_until = now() - interval '1 minute'")
    lines = read_keeping(db).lines
    assert [line.partition(" has been due")[0] for line in lines] == ["archive", "refresh"]
    assert all("no keeper is at work" in line for line in lines)


def test_what_locks_keep_from_its_work_needs_a_person_after_a_day(db: Db) -> None:
    """A dump at night does that, too, and ends; but not one run in a day is another matter."""
    at_work(db, "archive", 0)
    busy = "update bridge.policy set outcome = 'busy', failures = 9, detail = 'bridge.outbox: locked', succeeded_at = "
    db.execute(f"{busy} now() - interval '5 hours' where job = 'retention'")
    (fact,) = [job for job in read_house_facts(db).jobs if job.job == "retention"]
    assert (fact.failures, fact.is_late) == (0, False)
    assert not read_keeping(db).needs_person
    db.execute(f"{busy} now() - interval '26 hours' where job = 'retention'")
    now = read_keeping(db)
    assert now.needs_person
    (line,) = now.lines
    assert line.startswith("retention was last done")
    assert line.endswith("locks keep it from its work (9 runs in a row): bridge.outbox: locked")
    (fact,) = [job for job in read_house_facts(db).jobs if job.job == "retention"]
    assert (fact.failures, fact.is_late) == (0, True)
