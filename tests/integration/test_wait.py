"""`bridge wait`: ends when what it waits for has come about, when that needs a person, or when time is up."""

from __future__ import annotations

import uuid
from pathlib import Path

import psycopg
import pytest
from fix_command import Run, data_of
from fix_relay import Site

from bridge.admin.checks import sessions
from bridge.postgres import connection

DEAD = """
insert into bridge.parked (seq, source, event_id, at, shard, topic, key_hash, state, blocks, deaths, reason)
select seq, 'event_queue', id, created_at, shard, 't', 1, %s, true, 1, 'it does not fit' from bridge.event_queue
 where id = %s
"""
READ = """
update bridge.shard
   set (all_to, scan_from, cursor, snapshot)
       = (select max(seq), max(seq), max(seq), pg_current_snapshot() from bridge.event_queue)
"""


@pytest.fixture
def db(database: str) -> psycopg.Connection:
    return psycopg.connect(database, autocommit=True)


def publish(db: psycopg.Connection) -> str:
    (id,) = db.execute("select bridge.publish_event('a', 'k', '{}')::text").fetchone() or ("",)
    return str(id)


def test_ready(db: psycopg.Connection, run: Run) -> None:
    def look() -> tuple[int, str]:
        done = run("wait", "--for", "ready", "--timeout", "0")
        assert done.out == ""
        return done.code, done.err

    with db:
        db.execute("select bridge.set_shard_count(2)")
        assert look() == (7, "bridge: not within 0 s: no relay holds shard 0, 1\n")
        db.execute("update bridge.shard set owner = 'r', lease_until = now() + interval '1 hour'")
        assert look() == (0, "")
        db.execute("update bridge.shard set lease_until = now() - interval '1 second' where shard = 1")
        assert look() == (7, "bridge: not within 0 s: no relay holds shard 1\n")
        db.execute("update bridge.shard set lease_until = now() + interval '1 hour'")
        db.execute(
            "insert into bridge.relay (relay_id, host, pid, seen_until, waits)"
            """ values ('r', 'h', 1, now() + interval '1 h', '[{"kind": "topic", "topic": "t", "reason": "no t"}]')"""
        )
        assert look() == (0, ""), "the others flow"
        db.execute("""update bridge.relay set waits = waits || '[{"kind": "refusal", "reason": "an ACL"}]'""")
        assert look() == (7, "bridge: not within 0 s: an ACL\n")
        db.execute("update bridge.shard set stopped = 'shard 0 is stopped' where shard = 0")
        assert look() == (5, "bridge: shard 0 is stopped. See bridge recover --dry-run\n")


def test_a_table_that_somebody_keeps_locked(
    db: psycopg.Connection, database: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who looks for what is wrong does not wait for it, and `doctor` names it."""
    monkeypatch.setattr(connection, "LOCK_SECONDS", 0.2)
    monkeypatch.setattr(sessions, "LOCKED", 0.0)
    with psycopg.connect(database, autocommit=True) as other:
        id_ = publish(other)
    with db, db.transaction():
        db.execute("set application_name = 'for\x1bgotten'")
        db.execute("lock table bridge.shard in access exclusive mode")
        for arguments, code in (
            (("status",), 3),
            (("trace", id_), 3),
            (("wait", "--for", "ready", "--timeout", "0"), 7),
        ):
            done = run(*arguments)
            assert (done.code, "lock timeout" in done.err) == (code, True), done
        for url, level in ((database, "note"), (f"{database}?connect_timeout=30", "problem")):  # a reader; the owner
            monkeypatch.setenv("BRIDGE_DATABASE_URL", url)
            (locks,) = [line for line in run("doctor").out.splitlines() if "postgres locks" in line]
            assert locks.startswith(level)
            assert f"process {db.info.backend_pid}" in locks
            assert "keeps AccessExclusiveLock on bridge.shard" in locks
    (locks,) = [line for line in run("doctor").out.splitlines() if "postgres locks" in line]
    assert locks.startswith("ok")


def test_a_database_that_is_still_to_come(
    empty_database: str, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BRIDGE_DATABASE_URL", f"postgresql://nobody@/x?host={tmp_path}")
    done = run("wait", "--for", "empty", "--timeout", "0")
    assert (done.code, "cannot connect to Postgres" in done.err) == (7, True)
    monkeypatch.setenv("BRIDGE_DATABASE_URL", empty_database)
    monkeypatch.setattr("bridge.cli.wait.TELL_SECONDS", 0)
    for seconds in (0.1, 1, 10):  # long enough for more than one look
        done = run("wait", "--for", "empty", "--timeout", str(seconds))
        assert (done.code, "Run: bridge migrate" in done.err.splitlines()[-1]) == (7, True)
        if len(done.err.splitlines()) > 1:
            break
    assert done.err.startswith("still waits: the database")
    assert run("migrate", "--engine-only").code == 0
    done = run("wait", "--for", "empty", "--json")
    assert (done.code, data_of(done.out)["for"]) == (0, "empty")


def test_empty_and_one_event(db: psycopg.Connection, run: Run) -> None:
    def look(*what: str) -> tuple[int, str]:
        done = run("wait", "--for", *what, "--timeout", "0")
        return done.code, done.err

    with db:
        assert look("empty") == (0, "")
        first, second = publish(db), publish(db)
        assert look("empty") == (7, "bridge: not within 0 s: 2 events are pending\n")
        assert look("event", second) == (7, f"bridge: not within 0 s: {second} is pending\n")
        db.execute(DEAD, ("dead", first))
        db.execute(DEAD, ("waiting", second))
        db.execute(READ)
        code, said = look("empty")
        assert (code, "1 event waits behind dead events" in said) == (5, True)
        code, said = look("event", first)
        assert (code, f"{first} is dead: it does not fit" in said) == (5, True)
        code, said = look("event", second)
        assert (code, f"{second} waits behind the dead event {first}" in said) == (5, True)
        db.execute("select bridge.retry_dead(%s)", (first,))
        assert look("event", second) == (7, f"bridge: not within 0 s: {second} is pending\n")
        db.execute("delete from bridge.parked")
        assert (look("empty"), look("event", second)) == ((0, ""), (0, ""))
        assert look("event", str(uuid.uuid4()))[0] == 4
        assert look("event")[0] == look("ready", second)[0] == 2
        publish(db)
        db.execute("update bridge.shard set stopped = 'every shard is stopped'")
        assert look("empty") == (5, "bridge: every shard is stopped. See bridge recover --dry-run\n")


def test_it_ends_when_it_comes_about(site: Site) -> None:
    with site.connect() as db:
        db.execute("select bridge.publish_event('thing.changed', 'dead', '{\"n\": \"no number\"}')")
        publish = "select bridge.publish_event('thing.changed', 'k', '{\"n\": 1}')::text"
        (id,) = db.execute(publish).fetchone() or ("",)
    relay = site.start()
    assert [site.bridge("wait", "--for", *what).returncode for what in (["ready"], ["event", id], ["empty"])] == [
        0,
        0,
        0,
    ]
    site.end(relay)
