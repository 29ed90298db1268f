"""From "events are late" to the cause, by two commands at most; docs/operations.md has what they say."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from fix_acl import TOPIC, User, all_rights
from fix_command import Run
from fix_relay import THING, Site, eventually, stop
from forked import Process
from kafka_settings import create
from reaction import publish
from roles import Roles
from transcript import documented

from bridge.admin.checks import postgres
from bridge.local.stack import Endpoints, Stack

Ask = Callable[..., str]


@pytest.fixture(scope="module", autouse=True)
def sees_sessions(servers: Endpoints, migrated_template: str, roles: Roles) -> Iterator[None]:
    """The reader is told what others' sessions do, which is no right on anything of bridge's."""
    with psycopg.connect(servers.database_url, autocommit=True) as db:
        db.execute(f"grant pg_read_all_stats to {roles.name('reader')}")
        yield
        db.execute(f"revoke pg_read_all_stats from {roles.name('reader')}")


@pytest.fixture
def ask(site: Site, run: Run) -> Ask:
    """As `asking`, for the site that most tests have."""
    return asking(site, run)


def asking(site: Site, run: Run) -> Ask:
    """Gives what a command prints of these words: `trace` in its first lines, `doctor` in those that are not ok."""

    def asked(command: str, *arguments: str, words: str = "", most: int = 2) -> str:
        lines = run(command, *arguments, "--config", str(site.config)).out.splitlines()
        if command == "doctor":
            return "\n".join(line for line in lines if words in line and not line.startswith("ok"))
        return "\n".join(line for line in lines[:most] if words in line or line.startswith("  do:"))

    return asked


def traced(ask: Ask, id_: str, words: str) -> str:
    """What trace says once it says these words."""
    last = ""

    def says() -> bool:
        nonlocal last
        last = ask("trace", id_, words=words)
        return words in last

    eventually(says, 30, lambda: last)
    return last


TRACE = "bridge trace 01a2...9779"


@pytest.mark.relay("keep_house = false")  # or it may make the partitions that are to be lacking
def test_seven_causes_that_one_relay_shows(site: Site, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    site.publish(1)
    site.publish(1, event_type="other.changed")
    site.drain()  # makes the topics
    text = site.config.read_text()
    text = text.replace("create_missing = true", "create_missing = false")
    site.config.write_text(text.replace("[registry]\n", "[registry]\nregister = false\n"))
    site.configure("\n")
    site.route("new.type", "new", THING)
    admin = AdminClient({"bootstrap.servers": site.settings.kafka.bootstrap_servers})
    create(admin, NewTopic(f"{site.name}.new", 3, 1))
    relay = site.start()
    eventually(lambda: site.scalar("select count(*) from bridge.relay") == 1)
    a_long_transaction(site, ask)
    a_dead_key(site, ask)
    a_deleted_topic(site, ask)
    a_held_schema(site, ask)
    a_clock(site, ask, monkeypatch)
    no_runway(site, ask)
    a_paused_relay(site, ask, relay)
    site.end(relay)


def a_long_transaction(site: Site, ask: Ask) -> None:
    with site.connect() as db, db.transaction(force_rollback=True):
        db.execute("set application_name = 'nightly import'")
        row = db.execute("select bridge.publish_event('thing.changed', 'l', '{\"n\": 1}', '{}')::text").fetchone()
        assert row is not None
        found = ask("trace", row[0], words="event", most=9)
        assert f"process {db.info.backend_pid} (nightly import" in found
        documented(site, "A long transaction", (TRACE, found))


def a_dead_key(site: Site, ask: Ask) -> None:
    dead, late = publish(site, ("thing.changed", "dead", '{"n": "x"}'), ("thing.changed", "dead", '{"n": 1}'))
    found = traced(ask, late, f"behind event {dead}")
    assert "$.n" in found
    documented(site, "A dead event of its key", (TRACE, found))


def a_deleted_topic(site: Site, ask: Ask) -> None:
    admin = AdminClient({"bootstrap.servers": site.settings.kafka.bootstrap_servers})
    admin.delete_topics([f"{site.name}.others"])[f"{site.name}.others"].result(30)
    (late,) = publish(site, ("other.changed", "o", '{"n": 1}'))
    found = traced(ask, late, "its topic takes nothing, and is held")
    doctor = ask("doctor", words=f"kafka topic {site.name}.others")
    assert doctor.startswith("problem")
    documented(site, "A topic that was deleted", (TRACE, found), ("bridge doctor", doctor))


def a_held_schema(site: Site, ask: Ask) -> None:
    (late,) = publish(site, ("new.type", "s", '{"n": 1}'))
    found = traced(ask, late, "its schema is not to be had")
    assert "registry.register is false" in found
    documented(site, "A schema that is held", (TRACE, found))


def a_clock(site: Site, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The application's clock is ahead, and so is this machine's, by which it says when an event is due."""

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Ahead:
            return cls.fromtimestamp(datetime.now(tz).timestamp() + 3600, tz)

    due = "now() + interval '1 hour'"
    late = str(
        site.scalar(
            "insert into bridge.event_queue (event_type, event_key, payload, available_at)"
            f" values ('thing.changed', 'due', '{{\"n\": 1}}', {due}) returning id"
        )
    )
    found = traced(ask, late, "available_at")
    with monkeypatch.context() as changed:
        changed.setattr(postgres, "datetime", Ahead)
        doctor = ask("doctor", words="postgres clock")
    assert "s behind this machine's" in doctor
    documented(site, "A clock that is wrong", (TRACE, found), ("bridge doctor", doctor))


def no_runway(site: Site, ask: Ask) -> None:
    with site.connect() as db:
        leaves = db.execute(
            "select inhrelid::regclass::text from pg_inherits where inhparent = 'bridge.outbox'::regclass"
            " and inhrelid::regclass::text not like '%default' and pg_relation_size(inhrelid) = 0"
        ).fetchall()
        for (leaf,) in leaves:
            db.execute(f"alter table bridge.outbox detach partition {leaf}")
    doctor = ask("doctor", words="keeper bridge.outbox")
    assert "no partition runway" in doctor
    documented(site, "No partition runway", ("bridge doctor", doctor))


def a_paused_relay(site: Site, ask: Ask, relay: Process) -> None:
    stop(relay)
    try:
        (late,) = publish(site, ("thing.changed", "p", '{"n": 1}'))
        found = traced(ask, late, "no relay is at work: the last sign of life of")
        assert f":{relay.pid}:" in found
        documented(site, "A paused relay", (TRACE, found))
    finally:
        relay.send_signal(signal.SIGCONT)


def test_a_right_that_was_taken_away(secured_site: Site, user: User, run: Run) -> None:
    site = secured_site
    user.grant(*all_rights(site.name))
    relay = site.start()
    site.publish(1)
    eventually(lambda: site.pending() == 0)
    topic = f"{site.name}.things"
    user.revoke((TOPIC, f"{site.name}.*", "WRITE"))
    user.grant(*((TOPIC, name, "WRITE") for name in site.topics if name != topic))
    user.grant((TOPIC, site.settings.topics.control, "WRITE"))
    (late,) = publish(site, ("thing.changed", "r", '{"n": 1}'))
    ask = asking(site, run)
    found = traced(ask, late, "its topic takes nothing, and is held")
    doctor = ask("doctor", words=f"kafka topic {topic}")
    assert "we lack" in doctor
    assert "WRITE" in doctor
    assert "settings may not be asked for" in ask("doctor", words="kafka settings")
    assert not ask("doctor", words="kafka release")  # told before any login
    documented(site, "A right in Kafka that was taken away", (TRACE, found), ("bridge doctor", doctor))
    site.end(relay)


@pytest.fixture
def small_disk(stack: Stack, site: Site, tmp_path: Path) -> Iterator[Path]:
    """Four megabytes, on which Postgres has a tablespace `small`."""
    place = tmp_path / "small"
    place.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place], check=False).returncode
    ):
        pytest.skip("no file system may be mounted here")
    owner = stack.postgres.data.stat()
    for path in (place, *list(place.parents)[:3]):
        path.chmod(0o755)
    os.chown(place, owner.st_uid, owner.st_gid)
    space = f"small_{site.name}"
    with site.connect() as db:
        db.execute(f"create tablespace {space} location '{place}'")
    yield place
    (place / "filler").unlink(missing_ok=True)
    with site.connect() as db:
        db.execute("alter table bridge.tick set tablespace pg_default")
        db.execute(f"drop tablespace {space}")
    subprocess.run(["umount", place], check=True)


def test_a_disk_that_is_full(site: Site, small_disk: Path, ask: Ask) -> None:
    site.publish(1)
    site.drain()
    with site.connect() as db:
        db.execute("truncate bridge.tick")
        db.execute(f"alter table bridge.tick set tablespace small_{site.name}")
    with contextlib.suppress(OSError), (small_disk / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))
    relay = site.start()
    (late,) = publish(site, ("thing.changed", "f", '{"n": 1}'))
    found = traced(ask, late, "No space left on device")
    documented(site, "A full disk", (TRACE, found))
    (small_disk / "filler").unlink()
    eventually(lambda: site.pending() == 0)
    site.end(relay)


def test_a_pooler_in_the_way(site: Site, pgbouncer: None, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_DATABASE_URL", site.environment["BRIDGE_DATABASE_URL"])
    found = ask("doctor", words="postgres pooler")
    assert "a pooler is in between, in transaction mode" in found
    documented(site, "A pooler in the way", ("bridge doctor", found))
