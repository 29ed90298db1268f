"""Wrong input and missing parts: one line of what, where and what to do, the documented exit code, no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from fix_relay import Site

NOWHERE = "127.0.0.1:1"


def bridge(config: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Run a command; returns its exit code and the lines of stderr that are not log lines."""
    result = subprocess.run(
        [sys.executable, "-m", "bridge", *arguments, *(("--wait-seconds", "0") if arguments[0] == "run" else ())],
        env={**os.environ, "BRIDGE_CONFIG": str(config), **environment},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert "Traceback" not in result.stderr, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("bridge: ")]
    assert len(lines) == 1, result.stderr
    return result.returncode, lines[0]


def with_part(url: str, **parts: str) -> str:
    return urlsplit(url)._replace(**parts).geturl()


COMMANDS = [["run", "--until-empty"], ["status"], ["verify"]]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_no_database_server(site: Site, command: list[str]) -> None:
    code, line = bridge(site.config, *command, BRIDGE_DATABASE_URL=f"postgresql://someone:S3CR3T@{NOWHERE}/db")
    assert code == 3
    assert NOWHERE in line
    assert "refused" in line
    assert "BRIDGE_DATABASE_URL" in line
    assert "S3CR3T" not in line


def test_wrong_password(site: Site) -> None:
    url = site.settings.database.url
    with psycopg.connect(url) as db:
        if db.pgconn.used_password is False:
            pytest.skip("the server asks for no password")
    parts = urlsplit(url)
    wrong = with_part(url, netloc=f"{parts.username}:S3CR3T@{parts.hostname}:{parts.port}")
    code, line = bridge(site.config, "run", BRIDGE_DATABASE_URL=wrong)
    assert code == 3
    assert "password" in line
    assert "S3CR3T" not in line


def test_wrong_database(site: Site) -> None:
    code, line = bridge(site.config, "run", BRIDGE_DATABASE_URL=with_part(site.settings.database.url, path="/nope"))
    assert code == 3
    assert '"nope" does not exist' in line


def test_no_broker(site: Site) -> None:
    code, line = bridge(site.config, "run", BRIDGE_KAFKA_BOOTSTRAP_SERVERS=NOWHERE)
    assert code == 3
    assert NOWHERE in line
    assert "BRIDGE_KAFKA_BOOTSTRAP_SERVERS" in line


def test_no_registry(site: Site) -> None:
    code, line = bridge(site.config, "run", BRIDGE_REGISTRY_URL=f"http://{NOWHERE}")
    assert code == 3
    assert NOWHERE in line
    assert "Check this URL" in line


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_missing_migration(site: Site, empty_database: str, command: list[str]) -> None:
    code, line = bridge(site.config, *command, BRIDGE_DATABASE_URL=empty_database)
    assert code == 4
    assert "bridge migrate" in line


def test_newer_migration(site: Site) -> None:
    with site.connect() as db:
        db.execute(
            "insert into bridge.schema_migration (layer, file, checksum, oldest_program)"
            " values ('engine', 'migrations/9999_later.sql', repeat('0', 64), 9999)"
        )
    code, line = bridge(site.config, "run")
    assert code == 4
    assert "needs one that knows migration 9999" in line


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("[relay]", "[relay]\nbatch_row = 5"), "Did you mean 'batch_rows'?"),
        (("[relay]", "[relay]\nbatch_rows = 0"), "batch_rows must be from 1 to 100000, because"),
        (("[relay]", '[relay]\nbatch_rows = "5"'), "must be a whole number, not '5'"),
        (("[relay]", '[relay]\ndelivery = "twice"'), "exactly_once"),
        (("[relay]", "[relays]"), "Did you mean 'relay'?"),
        (("[relay]", "[relay"), "not valid TOML"),
        (('topic = "', 'topics = "'), "Did you mean 'topic'?"),
        (("things-test.Thing", "things-test.Gone"), "things-test.Gone.avsc"),
    ],
)
def test_bad_configuration(site: Site, change: tuple[str, str], expected: str) -> None:
    site.config.write_text(site.config.read_text().replace(*change, 1))
    code, line = bridge(site.config, "run")
    assert code == 4
    assert expected in line


def test_no_such_configuration_file(site: Site) -> None:
    code, line = bridge(site.config.with_name("gone.toml"), "run")
    assert code == 4
    assert "gone.toml" in line


def test_bad_environment(site: Site) -> None:
    code, line = bridge(site.config, "run", BRIDGE_RELAY_BATCH_ROWS="many")
    assert code == 4
    assert "many" in line


def test_missing_topics_are_named(site: Site) -> None:
    code, line = bridge(site.config, "run", BRIDGE_TOPICS_CREATE_MISSING="false")
    assert code == 4
    for topic in (*site.topics, f"{site.name}.shards"):
        assert topic in line
    assert "create_missing" in line


def test_a_shard_whose_ledger_contradicts_kafka_is_stopped(site: Site) -> None:
    site.publish(100)
    site.drain()
    with site.connect() as db:
        db.execute("update bridge.shard set batch_no = batch_no - 1, batch_id = gen_random_uuid() where shard = 1")
    site.publish(100)
    code, line = bridge(site.config, "run", "--until-empty")
    assert code == 5
    assert "shard 1 is stopped" in line
    assert "gone back in time" in line
    left = site.scalar("select count(*) from bridge.event_queue where status = 'PENDING' and shard <> 1")
    assert left == 0, "the other shards go on"
    audit = site.audit()
    assert len(audit.unsettled) == 1
    assert replace(audit, unsettled=()).is_clean, audit


def test_another_bridge_of_the_same_name(site: Site) -> None:
    """A new database with an old name: nothing is published, whatever the offsets say."""
    site.publish(100)
    site.drain()
    with site.connect() as db:
        db.execute("update bridge.shard set batch_no = 0, batch_id = null")
    site.publish(10)
    code, line = bridge(site.config, "run", "--until-empty")
    assert code == 5
    assert "relay.name" in line
    assert site.pending() == 10
