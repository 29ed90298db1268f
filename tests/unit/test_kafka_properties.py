"""Kafka's properties: what bridge sets is refused or gives way, never replaced in silence; what librdkafka takes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from bridge.configuration.kafka_properties import CREDENTIALS, RESERVED, is_credential, is_secret, reserved
from bridge.configuration.load import load
from bridge.encoding.limits import TopicLimits
from bridge.errors import ConfigError
from bridge.kafka.client import client_properties
from bridge.kafka.properties import (
    TUNING,
    control_properties,
    producer_properties,
    property_troubles,
    reader_properties,
    require_valid,
    transactional_properties,
)
from bridge.settings import KafkaSettings, Settings

OURS = Settings(kafka=KafkaSettings("localhost:1"))
GIVES_WAY = {*TUNING, "client.id", "reconnect.backoff.max.ms", "queued.max.messages.kbytes"}


OTHERS = ("topic.acks", "topic.partitioner", "test.mock.num.brokers", "error_cb", "ut_handle_ProduceResponse")
SAME = {
    "ENABLE_IDEMPOTENCE": "true",
    "ISOLATION_LEVEL": "read_committed",
    "PARTITIONER": "murmur2_random",
    "API_VERSION_REQUEST": "true",
}


def with_properties(**properties: str) -> Settings:
    given = {name.replace("_", "."): value for name, value in properties.items()}
    return replace(OURS, kafka=KafkaSettings("localhost:1", given))


def all_sets(settings: Settings) -> dict[str, Any]:
    """All properties that bridge gives to any client."""
    producer = producer_properties(settings, TopicLimits({"t": 1000})) | transactional_properties(settings, 0)
    return client_properties(settings) | control_properties(settings) | reader_properties(settings) | producer


def test_whatever_bridge_sets_is_reserved_or_gives_way() -> None:
    assert {name for name in all_sets(OURS) if reserved(name) is None} == GIVES_WAY


def test_operations_md_says_the_same() -> None:
    lines = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8").splitlines()
    refused = [re.findall(r"`([a-z._]+)`", line) for line in lines if line.startswith("| refused, because")]
    (gives_way,) = (re.findall(r"`([a-z.]+)`", line) for line in lines if line.startswith("| give way"))
    assert set(gives_way) == GIVES_WAY
    knobs = {"kafka.bootstrap_servers", "relay.transaction_timeout_seconds", "max.message.bytes"}
    named = {name for names in refused for name in names} - knobs
    assert len(named) > 20
    assert all(reserved(name) for name in named)


@pytest.mark.parametrize("name", sorted(GIVES_WAY))
def test_what_is_only_tuned_gives_way(name: str) -> None:
    value = {"compression.type": "gzip", "client.id": "mine"}.get(name, "7")
    assert all_sets(replace(OURS, kafka=KafkaSettings("localhost:1", {name: value})))[name] == value


def test_a_bound_gives_way_with_what_it_bounds() -> None:
    properties = all_sets(with_properties(retry_backoff_ms="500", reconnect_backoff_ms="5000"))
    assert {"retry.backoff.max.ms", "reconnect.backoff.max.ms"}.isdisjoint(properties)
    require_valid(with_properties(retry_backoff_ms="500", reconnect_backoff_ms="5000"))


def test_another_name_of_what_is_tuned_counts() -> None:
    properties = all_sets(with_properties(compression_codec="gzip", queue_buffering_max_ms="50"))
    assert {"compression.type", "linger.ms"}.isdisjoint(properties)


@pytest.mark.parametrize("name", [*RESERVED, *OTHERS])
def test_what_is_the_protocols_is_refused_with_a_reason(name: str, tmp_path: Path) -> None:
    config = tmp_path / "bridge.toml"
    config.write_text(f'[kafka.properties]\n"{name}" = "1"\n')
    with pytest.raises(ConfigError, match=rf"^{config}:2: kafka.properties must not set '{name}': .{{10}}"):
        load(config, {})
    with pytest.raises(ConfigError, match=f"must not set '{name}'"):
        client_properties(replace(OURS, kafka=KafkaSettings("localhost:1", {name: "1"})))


@pytest.mark.parametrize("value", ["all", "-1"])
def test_what_says_the_same_is_taken(value: str) -> None:
    same = {f"BRIDGE_KAFKA_PROPERTIES_{name}": of_name for name, of_name in SAME.items()}
    settings = load(None, same | {"BRIDGE_KAFKA_PROPERTIES_ACKS": value})
    require_valid(settings)
    assert settings.kafka.properties["acks"] == value


def test_two_names_of_one_property_are_refused() -> None:
    both = {"BRIDGE_KAFKA_PROPERTIES_SASL_MECHANISM": "PLAIN", "BRIDGE_KAFKA_PROPERTIES_SASL_MECHANISMS": "GSSAPI"}
    with pytest.raises(ConfigError, match=r"'sasl\.mechanisms' is another name of 'sasl\.mechanism' \(BRIDGE_KAFKA_"):
        load(None, both)


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"securty.protocol": "SSL"}, [("securty.protocol", 'No such configuration property: "securty.protocol"')]),
        ({"security.protocol": "TLS"}, [("security.protocol", 'Invalid value "TLS"')]),
        ({"linger.ms": "x", "a": "b", "client.id": "c"}, [("linger.ms", "Invalid value"), ("a", "No such")]),
        ({"linger.ms": "9999999"}, [("linger.ms", "outside allowed range 0..900000")]),
        ({"ssl.truststore.location": "x"}, [("ssl.truststore.location", "use `ssl.ca.location`")]),
        ({"sasl.jaas.config": "canary"}, [("sasl.jaas.config", "JAAS configuration is not supported")]),
        ({"builtin.features": "canary"}, [("builtin.features", "Invalid value")]),
        ({"": "x"}, [("", "No such configuration property")]),
        ({"retries": "0"}, [("", "`retries` must be set >= 1")]),
        ({"max.in.flight": "6"}, [("", "`max.in.flight` must be set <= 5")]),
        ({"queuing.strategy": "lifo"}, [("", "`queuing.strategy` must be set to `fifo`")]),
        ({"linger.ms": "20000"}, [("", "`message.timeout.ms` must be greater than `linger.ms`")]),
        ({"security.protocol": "SSL", "ssl.ca.location": "/nowhere"}, [("", "ssl.ca.location")]),
        ({"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN"}, [("", "sasl.username and sasl.password must")]),
        ({"security.protocol": "SSL", "ssl.key.pem": "canary"}, [("", "ssl.key.pem failed: not in PEM format")]),
        ({"group.protocol": "consumer", "session.timeout.ms": "6000"}, [("", "`session.timeout.ms` is not supported")]),
        ({"fetch.max.bytes": "x", "ssl.key.password": "canary"}, [("fetch.max.bytes", "Invalid value")]),
        ({"security.protocol": "SSL", "sasl.password": "canary", "compression.level": "3"}, []),
    ],
)
def test_librdkafka_is_asked_without_a_broker(properties: dict[str, str], said: list[tuple[str, str]]) -> None:
    found = list(property_troubles(replace(OURS, kafka=KafkaSettings("localhost:1", properties))))
    assert [name for name, _ in found] == [name for name, _ in said]
    for (_, trouble), (_, words) in zip(found, said, strict=True):
        assert words in trouble
        assert "\n" not in trouble
    assert "canary" not in str([trouble for name, trouble in found if name != "builtin.features"])


def test_the_longest_transaction_is_one_that_librdkafka_takes() -> None:
    longest = replace(OURS, relay=replace(OURS.relay, transaction_timeout_seconds=300.0))
    assert list(property_troubles(longest)) == []


def test_secrets_are_known_by_their_names() -> None:
    secret = ("sasl.password", "ssl.key.password", "sasl.oauthbearer.client.secret", "ssl.key.pem")
    secret += ("sasl.oauthbearer.config", "ssl.keystore.password", "sasl.oauthbearer.client.credentials.client.secret")
    shown = ("sasl.username", "ssl.ca.location", "security.protocol", "sasl.oauthbearer.assertion.private.key.file")
    assert all(is_secret(name) for name in secret)
    assert not any(is_secret(name) for name in shown)
    assert is_credential("sasl.username")
    assert "file" not in CREDENTIALS, "or three of librdkafka's own properties could not be given by the environment"


@pytest.mark.parametrize("limit", [0, 1, 600_000_000, 2**31 - 1])
def test_any_limit_that_kafka_takes_for_a_topic(limit: int) -> None:
    limits = TopicLimits({"odd": limit})
    settings = Settings(kafka=KafkaSettings("localhost:1"))
    Producer(producer_properties(settings, limits)).close()
    assert limits.cut < 2**31  # Postgres' left() takes no more
