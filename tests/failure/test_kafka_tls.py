"""Kafka with TLS, on a real broker: each way in, each wrong form of it, and passwords that change under a relay."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trustme
from fix_relay import Site, beside, eventually, open_site
from fix_tls import PASSWORD, TlsBroker, write_certificate

from bridge.admin.tail import tail
from bridge.consumer import Consumer, Message
from bridge.errors import BrokerRefuses, BrokerUnavailable, ConfigError
from bridge.kafka.cluster import Cluster
from bridge.local.stack import Endpoints
from bridge.settings import KafkaSettings, Settings

WAYS = ("tls", "mtls", "scram", "oauth")
EACH = 20


@pytest.fixture
def client(tls_broker: TlsBroker, tmp_path: Path) -> Path:
    write_certificate(tls_broker.authority, tmp_path / "client")
    return tmp_path / "client"


@pytest.fixture
def tls_site(tls_broker: TlsBroker, database: str, servers: Endpoints, unique: str, tmp_path: Path) -> Iterator[Site]:
    """A bridge whose auditor comes by the listener that asks for nothing; `go_by` says how its relays come."""
    tls_broker.set_password(unique, PASSWORD)
    endpoints = replace(servers, database_url=database, kafka_bootstrap_servers=tls_broker.inside)
    with open_site(endpoints, unique, tmp_path) as site:
        yield site


def go_by(site: Site, broker: TlsBroker, way: str, properties: Mapping[str, str]) -> Settings:
    """From now on relays and commands of `site` come by this way; returns their settings."""
    names = {f"BRIDGE_KAFKA_PROPERTIES_{name.upper().replace('.', '_')}": of for name, of in properties.items()}
    site.environment = {"BRIDGE_KAFKA_BOOTSTRAP_SERVERS": broker.at[way], **names}
    return replace(site.settings, kafka=KafkaSettings(broker.at[way], dict(properties)))


def read_by_consumer(site: Site, kafka: KafkaSettings, group: str, count: int) -> list[str]:
    """The ids that a consumer of `bridge.consumer` is given, until there are `count`."""
    consumer = Consumer(
        kafka=kafka.bootstrap_servers,
        properties=kafka.properties,
        registry=site.settings.registry.url,
        database=site.settings.database.url,
        group=group,
        topics=[f"{site.name}.things"],
    )
    found: list[str] = []

    @consumer.handler("thing.changed")
    def _(message: Message, _connection: psycopg.Connection[Any]) -> None:
        found.append(str(message.headers["ce_id"]))
        if len(found) == count:
            consumer.stop()

    consumer.create_inbox()
    watchdog = threading.Timer(60, consumer.stop)
    watchdog.start()
    consumer.run()
    watchdog.cancel()
    return found


def test_each_way_in_carries_events_exactly_once(tls_broker: TlsBroker, tls_site: Site, client: Path) -> None:
    for number, way in enumerate(WAYS, 1):
        settings = go_by(tls_site, tls_broker, way, tls_broker.way(way, tls_site.name, client))
        tls_site.publish(EACH)
        tls_site.drain("--wait-seconds", "0")
        shown = list(tail(settings, [f"{tls_site.name}.things"], from_beginning=True, exit_on_end=True))
        assert len(shown) == number * EACH, way
        assert all(record.schema_id is not None for record in shown)
        read = read_by_consumer(tls_site, settings.kafka, f"{tls_site.name}-{way}", number * EACH)
        assert set(read) == tls_site.written, way
    audit = tls_site.audit()
    assert audit.is_clean, audit


WRONG: dict[str, tuple[str, dict[str, str], type[Exception], str]] = {
    "another CA": ("tls", {"ssl.ca.location": "{other_ca}"}, BrokerRefuses, "not believed: .*issuer.*ssl.ca.location"),
    "no CA of one's own": (
        "tls",
        {"ssl.ca.location": "probe"},
        BrokerRefuses,
        "could not be verified.*ssl.ca.location",
    ),
    "another host's name": ("other", {}, BrokerRefuses, "certificate is not valid for '127.0.0.1'.*named"),
    "no certificate": ("mtls", {}, BrokerRefuses, "certificate required.*ssl.certificate.location"),
    "a certificate of another CA": (
        "mtls",
        {"ssl.certificate.location": "{other}.pem", "ssl.key.location": "{other}.key"},
        BrokerRefuses,
        "certificate required.*ssl.certificate.location",
    ),
    "another's key": (
        "mtls",
        {"ssl.certificate.location": "{client}.pem", "ssl.key.location": "{other}.key"},
        ConfigError,
        "ssl.key.location failed: .*key values mismatch",
    ),
    "another password": ("scram", {"sasl.password": "canary"}, BrokerRefuses, "invalid credentials.*login in kafka"),
    "another mechanism": ("scram", {"sasl.mechanism": "SCRAM-SHA-256"}, BrokerRefuses, "supported.*SCRAM-SHA-512"),
    "another client's secret": (
        "oauth",
        {"sasl.oauthbearer.client.secret": "canary"},
        BrokerUnavailable,
        "Failed to acquire SASL OAUTHBEARER token: .*invalid_client",
    ),
    "nobody who gives tokens": (
        "oauth",
        {"sasl.oauthbearer.token.endpoint.url": "http://127.0.0.1:1/token"},
        BrokerUnavailable,
        "Failed to acquire SASL OAUTHBEARER token: .*[Cc]onnect",
    ),
    "no TLS": ("tls", {"security.protocol": "PLAINTEXT"}, BrokerUnavailable, "it speaks TLS, and security.protocol"),
    "TLS to a listener without": ("inside", {}, BrokerUnavailable, "connecting to a PLAINTEXT broker listener"),
}


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Files of a certificate of an authority that the broker does not know, and of that authority."""
    authority = trustme.CA()
    write_certificate(authority, tmp_path / "other")
    authority.cert_pem.write_to_path(str(tmp_path / "other-ca.pem"))
    return tmp_path / "other"


def test_each_wrong_form_is_told_for_what_it_is(tls_broker: TlsBroker, unique: str, client: Path, other: Path) -> None:
    tls_broker.set_password(unique, PASSWORD)
    files = {"other_ca": f"{other}-ca.pem", "other": other, "client": client}
    for name, (way, wrong, kind, words) in WRONG.items():
        given = {key: value.format(**files) for key, value in wrong.items()}
        right = tls_broker.way("tls" if way == "mtls" else way, unique, client)
        place = tls_broker.inside if way == "inside" else tls_broker.at[way]
        settings = Settings(kafka=KafkaSettings(place, right | given))
        with pytest.raises(kind, match=f"(?s){words}") as told:
            Cluster(settings).partition_counts()
        assert type(told.value) is kind, name
        assert "canary" not in str(told.value)
        assert "\n" not in str(told.value)
