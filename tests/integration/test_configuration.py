"""Configuration on real servers: what is wrong ends a relay at its start, what is right reaches every client."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic
from fix_relay import Site, eventually
from kafka_settings import create
from psycopg.conninfo import make_conninfo

from bridge.local.stack import Endpoints
from bridge.postgres.connection import connect

CANARY = "canary"


def bridge(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "bridge", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"BRIDGE_KAFKA_PROPERTIES_ACKS": "1"}, "must not set 'acks': exactly once needs every in-sync replica"),
        ({"BRIDGE_KAFKA_PROPERTIES_RETRIES": "0"}, "`retries` must be set >= 1"),
        ({"BRIDGE_KAFKA_PROPERTIES_MAX_IN_FLIGHT": "6"}, "`max.in.flight` must be set <= 5"),
        ({"BRIDGE_KAFKA_PROPERTIES_LINGER_MS": "20000"}, "`message.timeout.ms` must be greater than `linger.ms`"),
        ({"BRIDGE_KAFKA_PROPERTIES_NO_SUCH": "1"}, 'No such configuration property: "no.such"'),
        ({"BRIDGE_RELAY_TRANSACTION_TIMEOUT_SECONDS": "400"}, "librdkafka waits no longer than that"),
        ({"BRIDGE_RELAY_LEASE_SECONDS": "0"}, "relay.lease_seconds must be from"),
    ],
)
def test_what_no_producer_would_take_ends_a_relay_at_its_start(
    site: Site, environment: dict[str, str], said: str
) -> None:
    """Once, each of these was "Kafka is away; waiting", for ever, or nothing at all."""
    done = bridge("run", BRIDGE_CONFIG=str(site.config), **environment)
    assert done.returncode == 4
    assert said in done.stderr
    assert done.stderr.startswith("bridge: ")


def test_a_relay_without_routes_leaves_no_trace(database: str, servers: Endpoints, tmp_path: Path) -> None:
    kafka = AdminClient({"bootstrap.servers": servers.kafka_bootstrap_servers})
    before = set(kafka.list_topics(timeout=10).topics)
    bare = tmp_path / "bridge.toml"
    bare.write_text("[topics]\ncreate_missing = true\nreplication_factor = 1\n")
    environment = {
        "BRIDGE_DATABASE_URL": database,
        "BRIDGE_KAFKA_BOOTSTRAP_SERVERS": servers.kafka_bootstrap_servers,
        "BRIDGE_REGISTRY_URL": servers.registry_url,
        "BRIDGE_TOPICS_CREATE_MISSING": "true",
        "BRIDGE_TOPICS_REPLICATION_FACTOR": "1",
    }
    for arguments in ([], ["--config", str(bare)], ["--workers", "2"]):
        done = bridge("run", *arguments, **environment)
        assert done.returncode == 4
        assert "there are no routes" in done.stderr
    assert set(kafka.list_topics(timeout=10).topics) <= before  # what others have deleted may only be going
    with connect(database) as db:
        assert db.execute("select count(*) from bridge.shard where owner is not null").fetchone() == (0,)


def test_secrets_from_files_carry_events(site: Site, tmp_path: Path) -> None:
    for name, value in (("url", site.settings.database.url), ("registry", site.settings.registry.url)):
        (tmp_path / name).write_text(f"{value}\n")
    text = site.config.read_text()
    for url in (site.settings.database.url, site.settings.registry.url):
        text = text.replace(url, "")
    site.config.write_text(text)
    site.environment = {
        "BRIDGE_DATABASE_URL_FILE": str(tmp_path / "url"),
        "BRIDGE_REGISTRY_URL_FILE": str(tmp_path / "registry"),
        "BRIDGE_SERVICE_HOST": "10.0.0.1",  # as in a pod beside a service called bridge
        "BRIDGE_PORT": "tcp://10.0.0.1:8080",
    }
    site.publish(50)
    site.drain()
    assert site.audit().is_clean


def test_kafka_properties_of_the_environment_reach_every_client(site: Site) -> None:
    site.publish(50)
    site.environment = {
        "BRIDGE_KAFKA_PROPERTIES_COMPRESSION_TYPE": "gzip",
        "BRIDGE_KAFKA_PROPERTIES_RETRY_BACKOFF_MS": "500",
        "BRIDGE_KAFKA_PROPERTIES_ACKS": "all",
    }
    site.drain()
    assert site.audit().is_clean
    for command, *more in (("run", "--wait-seconds", "0"), ("verify",), ("tail", site.topics[0])):
        secure = {"BRIDGE_KAFKA_PROPERTIES_SECURITY_PROTOCOL": "SSL"}
        done = bridge(command, *more, BRIDGE_CONFIG=str(site.config), **secure)
        assert done.returncode == 3, command
        assert "SSL" in done.stderr


@pytest.mark.parametrize("delivery", ["exactly_once", "at_least_once"])
def test_no_secret_is_in_a_log_however_long(site: Site, delivery: str) -> None:
    scheme, _, rest = site.settings.registry.url.partition("://")
    site.environment = {
        "BRIDGE_DATABASE_URL": make_conninfo(site.settings.database.url, sslpassword=CANARY),
        "BRIDGE_REGISTRY_URL": f"{scheme}://someone:{CANARY}@{rest}",
        "BRIDGE_KAFKA_PROPERTIES_SASL_USERNAME": "someone",
        "BRIDGE_KAFKA_PROPERTIES_SASL_PASSWORD": CANARY,
        "BRIDGE_KAFKA_PROPERTIES_DEBUG": "conf,broker,security",
        "BRIDGE_RELAY_DELIVERY": delivery,
    }
    site.publish(10)
    log = site.drain("--verbose")
    assert "POST" in log, "requests to the registry are logged"
    assert "sasl.username" in log, "librdkafka's properties are logged"
    assert CANARY not in log


@pytest.mark.parametrize("way", ["url", "keywords", "PGAPPNAME"])
def test_sessions_have_the_names_by_which_they_are_found(site: Site, way: str) -> None:
    """A relay ends the session of a frozen predecessor, and finds it by its name alone."""
    url = site.settings.database.url
    renamed = {"url": f"{url}?application_name=mine", "keywords": make_conninfo(url, application_name="mine")}
    site.environment = {"BRIDGE_DATABASE_URL": renamed.get(way, url), "PGAPPNAME": "mine"}
    site.start()
    names = {f"{site.name} relay", *(f"{site.name} shard {shard}" for shard in range(2))}
    sessions = "select array_agg(application_name) from pg_stat_activity where datname = current_database()"
    eventually(lambda: names <= set(site.scalar(sessions)))
    assert "mine" not in site.scalar(sessions)


def test_kafka_takes_no_topics_that_differ_in_dots_only(kafka: str, unique: str) -> None:
    """Why routes to such topics are refused."""
    admin = AdminClient({"bootstrap.servers": kafka})
    create(admin, NewTopic(f"{unique}.a", 1, 1))
    with pytest.raises(KafkaException) as refused:
        admin.create_topics([NewTopic(f"{unique}_a", 1, 1)])[f"{unique}_a"].result(30)
    assert refused.value.args[0].code() == KafkaError.TOPIC_EXCEPTION
    admin.delete_topics([f"{unique}.a"])[f"{unique}.a"].result(30)
