"""`bridge migrate`: again, at once, killed, refused, and without the rights."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from fix_relay import eventually
from psycopg import sql

from bridge.errors import ConfigError, DatabaseUnavailable, MigrationError
from bridge.postgres.connection import connect
from bridge.postgres.migrate import migrate, plan, render, require_current
from bridge.postgres.queries import query
from bridge.postgres.script import program, scripts

NAMES = [script.name for script in scripts()]
ENGINE = [script.name for script in scripts(engine_only=True)]

# What the database holds apart from the runner's own records: compared between a plain and an interrupted run.
OBJECTS = """
select 'relation', c.oid::regclass::text, c.relkind::text from pg_class c
 where relnamespace in ('bridge'::regnamespace, 'crm'::regnamespace)
union all select 'function', p.oid::regprocedure::text, md5(pg_get_functiondef(p.oid)) from pg_proc p
 where pronamespace in ('bridge'::regnamespace, 'crm'::regnamespace)
union all select 'trigger', t.tgrelid::regclass::text, t.tgname from pg_trigger t where not tgisinternal
 order by 1, 2, 3
"""


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bridge", "migrate", *arguments]
    result = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, timeout=120)
    assert "Traceback" not in result.stderr, result.stderr
    return result


def applied(url: str) -> list[str]:
    with psycopg.connect(url) as conn:
        rows = conn.execute("select layer || '/' || file from bridge.schema_migration").fetchall()
    return sorted(name for (name,) in rows)


def objects(url: str) -> list[tuple[str, str, str]]:
    """With as many shards as the tests' template has."""
    with psycopg.connect(url) as conn:
        conn.execute("select bridge.set_shard_count(2)")
        conn.execute("set search_path = pg_catalog")  # names are shown in full
        return conn.execute(OBJECTS).fetchall()


def test_a_second_run_does_nothing(empty_database: str) -> None:
    assert migrate(empty_database) == NAMES
    before = objects(empty_database)

    assert migrate(empty_database) == []
    assert objects(empty_database) == before
    with psycopg.connect(empty_database) as conn:
        require_current(conn)


def test_the_command_says_what_it_did(empty_database: str) -> None:
    first = run(BRIDGE_DATABASE_URL=empty_database)
    second = run("--database-url", without_password(empty_database), PGPASSWORD=urlsplit(empty_database).password or "")

    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.splitlines()[0] == f"applied {NAMES[0]}"
    functions = [name for name in NAMES if name.startswith("engine/functions/")]
    assert f"applied engine/functions: {len(functions)} files\n" in first.stdout
    assert first.stdout.splitlines()[-1] == f"{len(NAMES)} files applied"
    assert (second.returncode, second.stdout) == (0, "the database is up to date\n")


def test_the_engine_alone_and_the_domain_later(empty_database: str) -> None:
    assert migrate(empty_database, engine_only=True) == ENGINE
    with psycopg.connect(empty_database) as conn:
        assert conn.execute("select to_regnamespace('crm')").fetchone() == (None,)
        require_current(conn)

    assert migrate(empty_database) == NAMES[len(ENGINE) :]
    assert migrate(empty_database, engine_only=True) == []


LEFT_OUT = "The reference application (schema crm) is left out: bridge migrate --with-application adds it\n"


def test_an_update_adds_no_application(empty_database: str) -> None:
    """A production database was set up with --engine-only; who updates it need not think of that."""
    migrate(empty_database, engine_only=True)
    with psycopg.connect(empty_database) as conn:
        conn.execute("update bridge.schema_migration set checksum = 'x' where file = 'functions/publish_event.sql'")

    planned = run("--dry-run", "--json", BRIDGE_DATABASE_URL=empty_database)
    updated = run(BRIDGE_DATABASE_URL=empty_database)

    assert json.loads(planned.stdout)["data"] == {"to_apply": ["engine/functions/publish_event.sql"]}
    assert updated.stdout == "applied engine/functions/publish_event.sql\n1 file applied\n"
    assert (planned.stderr, updated.stderr) == (LEFT_OUT, LEFT_OUT)
    assert applied(empty_database) == sorted(ENGINE)
    assert run("--engine-only", BRIDGE_DATABASE_URL=empty_database).stderr == ""

    asked = run("--with-application", BRIDGE_DATABASE_URL=empty_database)
    assert (asked.returncode, asked.stderr, applied(empty_database)) == (0, "", sorted(NAMES))
    assert run(BRIDGE_DATABASE_URL=empty_database).stderr == ""


def test_a_changed_function_is_applied_again(database: str) -> None:
    with psycopg.connect(database) as conn:
        conn.execute("update bridge.schema_migration set checksum = 'x' where file = 'functions/publish_event.sql'")
    with psycopg.connect(database) as conn, pytest.raises(MigrationError, match=r"lacks .*publish_event.*migrate"):
        require_current(conn)

    assert migrate(database) == ["engine/functions/publish_event.sql"]
    assert migrate(database) == []


def test_a_changed_migration_is_refused(database: str) -> None:
    with psycopg.connect(database) as conn:
        conn.execute("update bridge.schema_migration set checksum = 'x' where file = 'migrations/0001_outbox.sql'")

    result = run(BRIDGE_DATABASE_URL=database)

    assert result.returncode == 4
    assert result.stderr.startswith("bridge: engine/migrations/0001_outbox.sql was changed after it had been applied. ")
    assert len(result.stderr.splitlines()) == 1


FUTURE = (
    "insert into bridge.schema_migration (layer, file, checksum, oldest_program)"
    " values ('engine', 'migrations/9999_future.sql', 'x', %s)"
)


def test_a_newer_database_that_this_program_can_work_with(database: str) -> None:
    """Also where the newer one has replaced functions: they are not put back."""
    with psycopg.connect(database) as conn:
        conn.execute(FUTURE, (program(),))
        conn.execute("update bridge.schema_migration set checksum = 'x' where file = 'functions/publish_event.sql'")

    assert migrate(database) == []
    assert plan(database) == []
    with psycopg.connect(database) as conn:
        require_current(conn)


def test_a_newer_database_that_this_program_cannot_work_with(database: str) -> None:
    with psycopg.connect(database) as conn:
        conn.execute(FUTURE, (9999,))

    result = run(BRIDGE_DATABASE_URL=database)

    assert result.returncode == 4
    assert result.stderr.count("\n") == 1
    assert "newer version" in result.stderr
    assert f"knows migration 9999, and this one knows {program():04}" in result.stderr
    assert "docs/upgrading.md" in result.stderr
    with psycopg.connect(database) as conn, pytest.raises(MigrationError, match="9999"):
        require_current(conn)


def test_a_migration_that_was_given_up(database: str) -> None:
    """It was killed while it waited for older relays: this program, which is one of them, lets itself in again."""
    with psycopg.connect(database) as conn:
        conn.execute(FUTURE.replace("'x'", "null"), (9999,))
    with psycopg.connect(database) as conn, pytest.raises(MigrationError, match="is being, migrated by a newer"):
        require_current(conn)

    assert migrate(database) == []
    with psycopg.connect(database) as conn:
        require_current(conn)


def test_an_older_relay_that_claims_to_live_for_ever_is_not_waited_for_longer_than_the_longest_lease(
    database: str,
) -> None:
    with connect(database) as conn:
        conn.execute("insert into bridge.relay (relay_id, host, pid, seen_until) values ('x', 'h', 1, 'infinity')")
        ((_, seconds),) = conn.execute(query("older_relays"), {"oldest": 1}).fetchall()
    assert 3599 < seconds <= 3600


def test_what_is_printed_takes_turns_with_others_too() -> None:
    assert render(plan("")).startswith(query("migration_lock").rstrip())


def test_a_database_without_migrations_is_not_current(empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as conn:
        with pytest.raises(
            MigrationError, match=r"0000_schema_migration\.sql and \d+ more\. Run: bridge migrate --engine-only \("
        ):
            require_current(conn)
        assert conn.execute("select 1").fetchone() == (1,)


def test_two_at_once(empty_database: str) -> None:
    barrier = threading.Barrier(2)

    def run_at_once(_: int) -> list[str]:
        barrier.wait()
        return migrate(empty_database)

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(run_at_once, range(2)))

    assert sorted(results) == [[], NAMES]
    assert applied(empty_database) == sorted(NAMES)


# Blocks a migration when it has created the named object, until the test lets go of the advisory lock.
BLOCK = """
create function public.block() returns event_trigger language plpgsql as $$
begin
    if exists (select from pg_event_trigger_ddl_commands() where object_identity = 'crm.contacts') then
        perform pg_advisory_xact_lock_shared(4242);
    end if;
end $$;
create event trigger block on ddl_command_end when tag in ('CREATE TABLE') execute function public.block();
"""
BLOCKED = "select exists (select from pg_locks where locktype = 'advisory' and objid = 4242 and not granted)"


def test_killed_in_the_middle(empty_database: str, database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as conn:
        conn.execute(BLOCK)
        conn.execute("select pg_advisory_lock(4242)")
        process = subprocess.Popen(
            [sys.executable, "-m", "bridge", "migrate"],
            env=os.environ | {"BRIDGE_DATABASE_URL": empty_database},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(lambda: conn.execute(BLOCKED).fetchone() == (True,))
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        conn.execute("select pg_advisory_unlock(4242)")
    done = [name for name in NAMES if name in set(applied(empty_database))]
    assert done == ENGINE  # the file in the middle of which it was killed is not among them

    assert migrate(empty_database) == NAMES[len(ENGINE) :]
    with psycopg.connect(empty_database, autocommit=True) as conn:
        conn.execute("drop event trigger block; drop function public.block()")
    assert objects(empty_database) == objects(database)


def test_a_connection_that_is_lost(empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as conn, ThreadPoolExecutor(1) as pool:
        conn.execute(BLOCK)
        conn.execute("select pg_advisory_lock(4242)")
        running = pool.submit(migrate, empty_database)
        eventually(lambda: conn.execute(BLOCKED).fetchone() == (True,))
        conn.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'bridge migrate'")
        with pytest.raises(DatabaseUnavailable, match=r"lost at domain/migrations/0001_crm\.sql.*migrate again"):
            running.result(30)
        conn.execute("select pg_advisory_unlock(4242)")
    assert migrate(empty_database) == NAMES[len(ENGINE) :]


def test_a_file_that_fails_leaves_nothing(empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as conn:
        conn.execute("create schema crm; create table crm.contacts (mine int)")

    with pytest.raises(MigrationError, match=r'domain/migrations/0001_crm\.sql.*"contacts" already exists'):
        migrate(empty_database)

    assert applied(empty_database) == sorted(ENGINE)
    with psycopg.connect(empty_database, autocommit=True) as conn:
        conn.execute("drop table crm.contacts")
    assert migrate(empty_database) == NAMES[len(ENGINE) :]


def test_a_dry_run_changes_nothing_and_prints_what_would_be_run(empty_database: str, database: str) -> None:
    printed = run("--dry-run", BRIDGE_DATABASE_URL=empty_database)
    assert (printed.returncode, printed.stderr) == (0, "")
    with psycopg.connect(empty_database, autocommit=True) as conn:
        assert conn.execute("select to_regnamespace('bridge')").fetchone() == (None,)
        conn.execute(printed.stdout.encode())

    assert migrate(empty_database) == []
    assert objects(empty_database) == objects(database)
    assert run("--dry-run", BRIDGE_DATABASE_URL=database).stdout == "-- Nothing to apply.\n"


def test_a_dry_run_without_a_database_prints_everything() -> None:
    result = run("--dry-run", BRIDGE_DATABASE_URL="")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == render(plan(""))
    assert [line[3:] for line in result.stdout.splitlines() if line[3:] in NAMES] == NAMES


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata"])
def test_settings_of_the_database_do_not_matter(empty_database: str, database: str, zone: str) -> None:
    name = psycopg.conninfo.conninfo_to_dict(empty_database)["dbname"]
    with psycopg.connect(empty_database, autocommit=True) as conn:
        conn.execute("create schema odd; create function odd.now() returns timestamptz return timestamptz '2001-01-01'")
        for setting in (f"timezone = '{zone}'", "datestyle = 'SQL, DMY'", "search_path = odd, public, pg_catalog"):
            conn.execute(f"alter database {name} set {setting}")

    assert migrate(empty_database) == NAMES
    assert objects(empty_database) == objects(database)


def test_missing_rights_are_named(empty_database: str, role: str) -> None:
    parts = urlsplit(empty_database)
    user = f"{role}:{role}@{parts.hostname}:{parts.port}"
    with pytest.raises(MigrationError, match=rf"permission denied for database.*Grant {role} CREATE on the database"):
        migrate(parts._replace(netloc=user).geturl())


@pytest.fixture
def role(empty_database: str) -> Iterator[str]:
    """A role that may connect and no more; its password is its name."""
    name = f"bridge_test_{secrets.token_hex(4)}"
    identifier = sql.Identifier(name)
    with psycopg.connect(empty_database, autocommit=True) as conn:
        conn.execute(sql.SQL("create role {} login password {}").format(identifier, sql.Literal(name)))
        yield name
        conn.execute(sql.SQL("drop owned by {}").format(identifier))
        conn.execute(sql.SQL("drop role {}").format(identifier))


def without_password(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.username}@{parts.hostname}:{parts.port}").geturl()


def test_a_missing_database(empty_database: str) -> None:
    parts = urlsplit(empty_database)
    with pytest.raises(DatabaseUnavailable, match='database "nope" does not exist'):
        migrate(parts._replace(path="/nope").geturl())
    elsewhere = parts._replace(netloc="someone:S3CR3T@127.0.0.1:1").geturl()
    result = run("--dry-run", BRIDGE_DATABASE_URL=elsewhere)
    assert result.returncode == 3
    assert "S3CR3T" not in result.stderr + result.stdout
    assert len(result.stderr.splitlines()) == 1
    refused = run("--dry-run", "--database-url", elsewhere)
    assert refused.returncode == 2
    assert "which others could read" in refused.stderr
    assert "S3CR3T" not in refused.stderr + refused.stdout


def test_no_database_given(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        migrate("")
    result = run(BRIDGE_DATABASE_URL="")
    assert result.returncode == 4
    assert result.stderr == (
        "bridge: no database is given. Set BRIDGE_DATABASE_URL, or pass --database-url or --config\n"
    )


def test_a_lock_that_is_not_to_be_had(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.postgres.migrate.LOCK_SECONDS", 0)
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("update bridge.schema_migration set checksum = 'x' where file like 'triggers/touch%'")
        with conn.transaction():
            conn.execute("lock table crm.contacts in share mode")
            with pytest.raises(MigrationError, match=r"triggers/touch_updated_at\.sql.*holds a lock.*again"):
                migrate(database)
    assert migrate(database) == ["domain/triggers/touch_updated_at.sql"]


def test_writers_go_on_while_a_migration_waits_for_a_long_transaction(database: str) -> None:
    """It needs a lock that nobody shares, and whoever comes later would queue behind it."""
    write = "insert into bridge.event_queue (event_type, event_key, payload) values ('x', 'k', '{}')"
    with (
        psycopg.connect(database) as long,
        psycopg.connect(database, autocommit=True) as writer,
        ThreadPoolExecutor(1) as pool,
    ):
        writer.execute("update bridge.schema_migration set checksum = 'x' where file = 'views/event_queue.sql'")
        long.execute(write)
        migration = pool.submit(migrate, database)
        for _ in range(2):  # it came again
            eventually(lambda: value(writer, QUEUES) == (True,))
            writer.execute(write)
            assert not migration.done()
        long.commit()
        assert migration.result(60) == ["engine/views/event_queue.sql"]


QUEUES = (
    "select exists (select from pg_locks as l join pg_stat_activity as a using (pid) where not l.granted"
    " and l.locktype = 'relation' and a.application_name = 'bridge migrate' and a.datname = current_database())"
)


def value(conn: psycopg.Connection, statement: str) -> object:
    return conn.execute(statement.encode()).fetchone()
