"""`bridge doctor` on real servers: what is well, and what is wrong, a line each, with a way to mend it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource
from fix_command import Run, data_of
from fix_relay import Site, eventually
from kafka_settings import configure
from psycopg import sql
from psycopg.conninfo import make_conninfo
from reaction import publish

from bridge.admin.checks import sessions
from bridge.kafka.api_versions import highest_level, release_of

Examine = Callable[[int], dict[str, Any]]
CANARY = "S3CR3T"
HOSTILE = sql.Identifier("public", 'evil"\x1b[2J\nproblem  forged: a line')


@pytest.fixture
def examine(site: Site, run: Run) -> Examine:
    """Runs the command, whose exit code must be this; the checks that are not ok by name, and all others' names."""

    def examined(code: int) -> dict[str, Any]:
        done = run("doctor", "--json", "--config", str(site.config))
        assert done.code == code, done
        assert CANARY not in done.out + done.err
        document = data_of(done.out)
        bad = [check for check in document["checks"] if check["level"] != "ok"]
        assert all(check["mend"] for check in bad if check["level"] == "problem" and check["name"] != "relays server")
        return {
            "ok": {check["name"] for check in document["checks"] if check["level"] == "ok"},
            "unasked": document["unasked"],
            "text": {check["name"]: f"{check['level']}: {check['text']}" for check in bad},
        }

    return examined


def set_topic(site: Site, topic: str, **config: str) -> None:
    admin = AdminClient({"bootstrap.servers": site.settings.kafka.bootstrap_servers})
    for name, value in config.items():
        configure(admin, ConfigResource.Type.TOPIC, topic, name.replace("_", "."), value)


def test_what_is_well_and_what_is_wrong(
    site: Site, examine: Examine, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with site.connect() as db:
        db.execute(sql.SQL("create table {} (id int primary key)").format(HOSTILE))
        db.execute("select bridge.enable_tracking(%s::regclass)", (HOSTILE.as_string(db),))
    relay = site.start()
    publish(site, ("thing.changed", "a", '{"n": 1}'))
    eventually(lambda: site.pending() == 0)
    found = examine(0)
    assert {
        *("config", "postgres version", "postgres schema", "postgres encoding", "postgres standby", "postgres tls"),
        *("postgres pooler", "postgres autovacuum", "postgres clock", "postgres disk", "relays", "capture"),
        *(
            "keeper bridge.outbox",
            "kafka brokers",
            "kafka release",
            "kafka settings",
            f"kafka topic {site.name}.things",
        ),
        *("registry", "registry schemas"),
    } <= found["ok"]
    assert "postgres rights" in found["ok"]
    text = run("doctor", "--config", str(site.config)).out
    assert text.endswith("Nothing is wrong.\n")
    assert "ok       kafka release: Kafka 4.2\n" in text

    as_owner = f"{site.settings.database.url}?connect_timeout=30"  # who sees what others' sessions do
    monkeypatch.setenv("BRIDGE_DATABASE_URL", as_owner)
    assert "is a superuser" in examine(0)["text"]["postgres rights"]
    monkeypatch.setattr(sessions, "NOTED", 0.0)  # seconds
    publish(site, ("thing.changed", "dead", '{"n": "x"}'), ("thing.changed", "dead", '{"n": 1}'))
    eventually(lambda: site.scalar("select count(*) from bridge.parked") == 2)
    site.end(relay)
    set_topic(site, f"{site.name}.things", min_insync_replicas="2", max_message_bytes="10000")
    set_topic(site, f"{site.name}.others", cleanup_policy="compact")
    set_topic(site, f"{site.name}.shards", cleanup_policy="delete")
    with site.connect() as other, other.transaction(force_rollback=True), site.connect() as db:
        other.execute("set application_name = 'for\x1bgotten'")
        other.execute("select pg_current_xact_id()")
        db.execute("alter table bridge.shard set (autovacuum_enabled = off)")
        db.execute(sql.SQL("alter table {} disable trigger user").format(HOSTILE))
        db.execute(
            "update bridge.policy set started_at = '2020-01-01', finished_at = '2020-01-01' where job = 'refresh'"
        )
        db.execute("update bridge.shard set stopped = 'somebody said so' where shard = 1")
        for (leaf,) in db.execute(
            "select inhrelid::regclass::text from pg_inherits where inhparent = 'bridge.outbox'::regclass"
            " and inhrelid::regclass::text not like '%default'"
        ).fetchall():
            db.execute(f"alter table bridge.outbox detach partition {leaf}")
        wrong = examine(1)["text"]
        assert f"process {other.info.backend_pid}" in wrong["postgres transactions"]
        assert "forgotten" not in wrong["postgres transactions"]
    expected = {
        "postgres autovacuum": "problem: off for bridge.shard",
        "postgres horizon": "held by session",
        "relays": "problem: none is at work",
        "relays shard 1": "stopped: somebody said so",
        "relays dead": "problem: 1 dead events, 1 of them hold back",
        "capture": "problem: public.",
        "keeper refresh": "no keeper is at work",
        "keeper bridge.outbox": "no partition runway",
        f"kafka topic {site.name}.shards": "problem: cleanup.policy=delete",
        f"kafka topic {site.name}.others": "note: compacted, and no route writes tombstones",
    }
    for name, words in expected.items():
        assert words in wrong.get(name, "nothing"), (name, wrong)
    printed = run("doctor", "--config", str(site.config)).out
    assert "nothing can be written" in printed
    assert "larger events become dead" in printed
    assert "\x1b" not in printed
    assert "\nproblem  forged" not in printed


def test_a_server_that_is_away_is_a_line(
    site: Site, examine: Examine, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRIDGE_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("BRIDGE_REGISTRY_URL", f"http://us:{CANARY}@127.0.0.1:1")
    found = examine(3)
    assert found["unasked"] == ["kafka", "registry"]
    assert "postgres version" in found["ok"]
    monkeypatch.setenv("BRIDGE_DATABASE_URL", f"postgresql://us:{CANARY}@127.0.0.1:1/x")
    assert examine(3)["unasked"] == ["postgres", "kafka", "registry"]
    without = run("doctor")  # no routes, no Kafka
    assert without.code == 3
    assert "there are no routes" in without.out


def test_before_migrate_there_is_one_thing_to_do(
    empty_database: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRIDGE_DATABASE_URL", empty_database)
    monkeypatch.setenv("BRIDGE_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    checks = data_of(run("doctor", "--json").out)["checks"]
    wrong = [one["name"] for one in checks if one["level"] == "problem" and one["name"].partition(" ")[0] != "kafka"]
    assert [name for name in wrong if name != "config"] == ["postgres schema"]


def test_rights_that_are_missing_or_too_many(
    site: Site, examine: Examine, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    role, group = f"{site.name}_relay", f"{site.name}_group"
    with site.connect() as db:
        db.execute(f"create role {role} login noinherit password 'x'")
        db.execute(f"create role {group}")
        try:
            monkeypatch.setenv(
                "BRIDGE_DATABASE_URL",
                make_conninfo(site.settings.database.url, user=role, password="x"),  # noqa: S106
            )
            nothing = examine(1)["text"]
            assert "permission denied for schema bridge" in nothing["postgres rights"]
            db.execute(f"select bridge.grant_relay('{role}')")
            found = examine(1)
            assert "postgres rights" in found["ok"], found
            assert "shown without their transactions" in found["text"]["postgres transactions"]
            db.execute(f"revoke update on bridge.shard from {role}")
            db.execute(f"revoke update (rows) on bridge.retired_partition from {role}")
            db.execute(f"revoke execute on function bridge.clean_up from {role}")
            db.execute(f"grant update on bridge.outbox to {role}")
            done = run("doctor", "--config", str(site.config))
            (line,) = [line for line in done.out.splitlines() if line.startswith("problem  postgres rights")]
            for right in (
                "update on bridge.shard",
                "update on bridge.retired_partition:rows",
                "execute on bridge.clean_up",
            ):
                assert right in line
            assert f"note     postgres rights: {role} may update bridge.outbox: more than a relay needs" in done.out
            db.execute(f"alter role {role} createrole bypassrls replication")
            db.execute(f"grant pg_read_all_data, bridge_reader, {group} to {role}")
            db.execute(f"grant truncate on bridge.tick to {group}")
            db.execute(f"grant select (payload) on bridge.event_queue to {role} with grant option")
            monkeypatch.setenv("BRIDGE_DATABASE_URL", site.settings.database.url)
            done = run("doctor", "--config", str(site.config))  # by somebody else: relays, too
            (line,) = [line for line in done.out.splitlines() if f"rights: {role} " in line and "more than" in line]
            for excess in (
                *("may create roles", "may pass over row security", "may replicate", "is a member of pg_read_all_data"),
                *("is a member of bridge_reader", "may select and grant on bridge.event_queue:payload"),
                "may truncate bridge.tick",  # as the role that it may become
            ):
                assert excess in line
            db.execute(f"alter role {role} superuser")
            assert f"{role} is a superuser: more than a relay needs" in run("doctor", "--config", str(site.config)).out
        finally:
            db.execute(f"drop owned by {role}, {group}")
            db.execute(f"drop role {role}, {group}")


def test_a_broker_tells_its_release(site: Site) -> None:
    host, _, port = site.settings.kafka.bootstrap_servers.partition(":")
    level = highest_level(host, int(port), {})
    assert level is not None
    assert release_of(level) == "4.2"
