"""Topics on a real broker, and what is said when there is none."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic
from fix_relay import eventually
from kafka_settings import configure, create

from bridge.errors import BrokerUnavailable, ConfigError
from bridge.kafka.client import client_properties
from bridge.kafka.cluster import Cluster
from bridge.kafka.topics import ensure_topics
from bridge.settings import KafkaSettings, RelaySettings, Route, Settings, TopicSettings


@pytest.fixture
def settings(kafka: str, unique: str) -> Iterator[Settings]:
    yield Settings(
        kafka=KafkaSettings(kafka),
        relay=RelaySettings(name=unique),
        topics=TopicSettings(True, 3, 1, f"{unique}.control", f"{unique}.dead"),
        routes=(Route("a", f"{unique}.a", "s"), Route("b", f"{unique}.b", "s"), Route("c", f"{unique}.a", "s")),
    )
    admin = AdminClient({"bootstrap.servers": kafka})
    mine = [name for name in admin.list_topics(timeout=10).topics if name.startswith(unique)]
    for gone in admin.delete_topics(mine).values() if mine else ():
        gone.result()


def only(settings: Settings, **topics: object) -> Settings:
    return replace(settings, topics=replace(settings.topics, **topics))


def mine(settings: Settings) -> dict[str, int]:
    """The partitions of this test's topics, by the last part of their name."""
    counts = Cluster(settings).partition_counts()
    return {name.split(".")[1]: count for name, count in counts.items() if name.startswith(settings.relay.name)}


def test_missing_topics_are_created_when_we_may(settings: Settings) -> None:
    limits = ensure_topics(settings, 4)
    assert mine(settings) == {"a": 3, "b": 3, "dead": 3, "control": 4}
    assert set(limits.values()) == {1_048_588}
    assert len(limits) == 4


def test_a_second_time_changes_nothing(settings: Settings) -> None:
    first = ensure_topics(settings, 4)
    assert ensure_topics(only(settings, create_missing=False), 4) == first


def test_several_relays_may_create_them_at_once(settings: Settings) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert len({tuple(found) for found in pool.map(lambda _: ensure_topics(settings, 4), range(4))}) == 1


def test_all_missing_topics_are_named_when_we_may_not(settings: Settings) -> None:
    with pytest.raises(ConfigError, match="create_missing = true") as missing:
        ensure_topics(only(settings, create_missing=False), 4)
    for name, count in {"a": 3, "b": 3, "dead": 3, "control": 4}.items():
        assert f"{settings.relay.name}.{name} ({count} partitions)" in str(missing.value)
    assert mine(settings) == {}


def test_the_control_topic_grows_with_the_shards_when_it_may(settings: Settings) -> None:
    ensure_topics(settings, 2)
    with pytest.raises(ConfigError, match="has 2 partitions, and there are 5 shards"):
        ensure_topics(only(settings, create_missing=False), 5)
    ensure_topics(settings, 5)
    assert mine(settings)["control"] == 5
    ensure_topics(only(settings, create_missing=False), 4)
    assert mine(settings)["control"] == 5


def test_several_relays_may_extend_it_at_once(settings: Settings) -> None:
    ensure_topics(settings, 1)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: ensure_topics(settings, 6), range(4)))
    assert mine(settings)["control"] == 6


@pytest.mark.parametrize("policy", ["delete", "compact,delete"])
def test_a_control_topic_that_forgets_is_refused(settings: Settings, kafka: str, policy: str) -> None:
    """It would not know a shard that was idle for longer than its retention."""
    ensure_topics(settings, 1)
    control = settings.topics.control
    configure(AdminClient({"bootstrap.servers": kafka}), ConfigResource.Type.TOPIC, control, "cleanup.policy", policy)
    with pytest.raises(ConfigError, match=f"{control} has cleanup.policy={policy}") as refused:
        ensure_topics(settings, 1)
    assert "--add-config cleanup.policy=compact" in str(refused.value.hint)


def test_limits_are_those_of_each_topic(settings: Settings, kafka: str) -> None:
    small = NewTopic(f"{settings.relay.name}.a", 1, 1, config={"max.message.bytes": "2000"})
    admin = AdminClient({"bootstrap.servers": kafka})
    create(admin, small)
    limits = ensure_topics(settings, 1)
    assert limits[small.topic] == 2000
    assert limits[f"{settings.relay.name}.b"] == 1_048_588


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda settings: only(settings, replication_factor=3), "replicat"),
        (lambda settings: only(settings, dead_letters="not allowed!"), "not allowed!: .*invalid"),
        (lambda settings: only(settings, dead_letters="x" * 250), "249"),
    ],
)
def test_what_the_broker_refuses_is_a_matter_of_configuration(
    settings: Settings, change: Callable[[Settings], Settings], said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as refused:
        ensure_topics(change(settings), 1)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"securty.protocol": "SSL"}, 'No such configuration property: "securty.protocol"'),
        ({"security.protocol": "TLS"}, 'Invalid value "TLS"'),
        ({"security.protocol": "SSL", "ssl.ca.location": "/nowhere/ca.pem"}, "ssl.ca.location"),
        ({"session.timeout.ms": "6000", "group.protocol": "consumer"}, "session.timeout.ms"),
        ({"sasl.password": "x", "max.in.flight": "6"}, "max.in.flight"),
        ({"plugin.library.paths": "/tmp/x.so"}, "must not set 'plugin.library.paths'"),  # noqa: S108
        ({"ssl.engine.location": "x"}, "must not set 'ssl.engine.location'"),
        ({"sasl.kerberos.kinit.cmd": "touch /tmp/x"}, "must not set 'sasl.kerberos.kinit.cmd'"),
    ],
)
def test_wrong_properties_are_named(settings: Settings, properties: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Cluster(replace(settings, kafka=replace(settings.kafka, properties=properties)))


def test_properties_reach_librdkafka_and_servers_cannot_be_replaced(settings: Settings) -> None:
    given = {"client.id": "mine", "socket.keepalive.enable": "true"}
    found = client_properties(replace(settings, kafka=replace(settings.kafka, properties=given)))
    assert found["client.id"] == "mine"
    assert found["socket.keepalive.enable"] == "true"
    assert found["bootstrap.servers"] == settings.kafka.bootstrap_servers
    with pytest.raises(ConfigError, match=r"must not set 'bootstrap\.servers'.*kafka\.bootstrap_servers"):
        client_properties(replace(settings, kafka=KafkaSettings("here:1", {"bootstrap.servers": "elsewhere:1"})))


def test_no_broker_at_all(settings: Settings, capfd: pytest.CaptureFixture[str]) -> None:
    away = replace(settings, kafka=KafkaSettings("127.0.0.1:1,127.0.0.1:2"))
    with pytest.raises(
        BrokerUnavailable, match=r"answers at 127\.0\.0\.1:1,127\.0\.0\.1:2: .*Connection refused"
    ) as said:
        ensure_topics(away, 1)
    assert "\n" not in str(said.value)
    assert capfd.readouterr() == ("", "")


def test_a_login_that_is_refused_is_said_at_once(settings: Settings) -> None:
    login = {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "us",
        "sasl.password": "canary",
    }
    with pytest.raises(BrokerUnavailable, match="SASL") as said:
        ensure_topics(replace(settings, kafka=replace(settings.kafka, properties=login)), 1)
    assert "canary" not in str(said.value)


def test_librdkafka_speaks_only_to_those_who_debug(
    settings: Settings, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    away = client_properties(replace(settings, kafka=KafkaSettings("127.0.0.1:1")))
    for level, heard in ((logging.INFO, False), (logging.DEBUG, True)):
        caplog.clear()
        with caplog.at_level(level, "bridge.librdkafka"):
            clients = [Producer(away), Consumer(away | {"group.id": "x"}), AdminClient(away)]

            def polled(clients: list[Any] = clients) -> bool:
                for client in clients:
                    client.poll(0.05)
                return bool(caplog.records)

            eventually(polled) if heard else [polled() for _ in range(8)]
            clients[1].close()
        assert bool(caplog.records) is heard
        assert all(record.levelno == logging.DEBUG for record in caplog.records)
    assert capfd.readouterr() == ("", "")
