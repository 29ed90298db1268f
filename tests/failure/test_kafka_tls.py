"""Kafka with TLS, on a real broker: each way in, each wrong form of it, and passwords that change under a relay."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from fix_consumer import read_all
from fix_relay import Site, beside, eventually, open_site
from fix_tls import PASSWORD, TlsBroker, write_certificate
from forked import Process
from reaction import assert_flows

from bridge.admin.tail import tail
from bridge.consumer.feed import Feed
from bridge.errors import BrokerRefuses, BrokerUnavailable, ConfigError
from bridge.kafka.cluster import Cluster
from bridge.local.stack import Endpoints
from bridge.settings import KafkaSettings, Settings

CALM_SECONDS = 3.0
MOST_CONNECTIONS = 60  # in that time, of two shards: their clients' own pauses begin at 100 ms, and ours end at 3 s
WAYS = ("tls", "mtls", "scram", "oauth")
EACH = 20
SHARDS = 2


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


def test_each_way_in_carries_events_exactly_once(tls_broker: TlsBroker, tls_site: Site, client: Path) -> None:
    for number, way in enumerate(WAYS, 1):
        settings = go_by(tls_site, tls_broker, way, tls_broker.way(way, tls_site.name, client))
        tls_site.publish(EACH)
        tls_site.environment["BRIDGE_KAFKA_PROPERTIES_DEBUG"] = "all"
        log = tls_site.drain("--wait-seconds", "0", "--verbose")
        assert "librdkafka" in log
        assert not any(
            secret in log for secret in (PASSWORD, tls_broker.issuer.client_secret, *tls_broker.issuer.tokens)
        )
        shown = list(tail(settings, [f"{tls_site.name}.things"], from_beginning=True, exit_on_end=True))
        assert len(shown) == number * EACH, way
        assert all(record.schema_id is not None for record in shown)
        read = read_all(settings, f"{tls_site.name}.things", f"{tls_site.name}-{way}", number * EACH)
        assert set(read) == tls_site.written, way
    audit = tls_site.audit()
    assert audit.is_clean, audit
    go_by(tls_site, tls_broker, "scram", tls_broker.way("scram", "nobody", client))
    refused = tls_site.start("--until-empty")
    assert refused.wait(60) == BrokerRefuses.exit_code
    assert "no way into Kafka at" in tls_site.log(refused)


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
    "brokers that are elsewhere": ("far", {}, ConfigError, "advertised.listeners.*at kafka.example.org, not on this"),
    "TLS to a listener without": ("inside", {}, BrokerUnavailable, "SSL connection closed by peer.*kafka.properties"),
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
        settings = Settings(kafka=KafkaSettings(tls_broker.at[way], right | given))
        with pytest.raises(kind, match=f"(?s){words}") as told:
            Cluster(settings).partition_counts()
        assert type(told.value) is kind, name
        assert "canary" not in str(told.value)
        assert "\n" not in str(told.value)


def test_health_sees_brokers_that_are_elsewhere(tls_broker: TlsBroker) -> None:
    """They may have been here when the relay began."""
    with pytest.raises(ConfigError, match=r"advertised\.listeners.*at kafka\.example\.org, not on this"):
        Cluster(Settings(kafka=KafkaSettings(tls_broker.at["far"], {}))).reach()


def test_a_consumer_does_not_go_to_brokers_elsewhere_either(tls_broker: TlsBroker, unique: str) -> None:
    with closing(Feed(tls_broker.at["far"], unique, [unique], {}, allow_insecure=False)) as feed:
        with pytest.raises(ConfigError, match=r"advertised\.listeners.*at kafka\.example\.org, not on this") as told:
            eventually(lambda: feed.next(1))
        assert "allow_insecure=True" in str(told.value)


def test_a_password_that_changes_under_a_relay_costs_nothing(
    tls_broker: TlsBroker, tls_site: Site, client: Path, tmp_path: Path
) -> None:
    """Changed in the broker and then in the file, the other way round, and while there is nothing to publish."""
    site, file, ending = tls_site, tmp_path / "password", threading.Event()
    given = tls_broker.way("scram", site.name, client)
    replace_file(file, given.pop("sasl.password"))
    go_by(site, tls_broker, "scram", given)
    site.environment["BRIDGE_KAFKA_PROPERTIES_SASL_PASSWORD_FILE"] = str(file)
    relay = site.start("-v", "--http", "127.0.0.1:0")

    def write() -> None:
        while not ending.wait(0.05):
            site.publish(10)

    eventually(lambda: "is ours" in site.log(relay), 120)
    with beside(write, ending):
        assert_flows(site)
        tls_broker.set_password(site.name, "S3CR3T-the-second")
        tls_broker.scram_proxy.reset()
        eventually(lambda: "Kafka refuses" in site.log(relay))
        assert "Check sasl.mechanism and the login in kafka.properties" in site.log(relay)
        before = tls_broker.scram_proxy.accepted
        time.sleep(CALM_SECONDS)
        assert tls_broker.scram_proxy.accepted - before < MOST_CONNECTIONS
        replace_file(file, "S3CR3T-the-second")
        assert_flows(site)
        replace_file(file, "S3CR3T-the-third")
        tls_broker.set_password(site.name, "S3CR3T-the-third")
        tls_broker.scram_proxy.reset()
        assert_flows(site)
    eventually(lambda: site.pending() == 0)
    replace_file(file, "S3CR3T-the-fourth")
    tls_broker.set_password(site.name, "S3CR3T-the-fourth")
    tls_broker.scram_proxy.reset()
    assert_flows(site)
    eventually(lambda: clients_of(relay) == SHARDS + 1)  # and health's; none that was refused still tries
    site.assert_exactly_once(relay)
    assert "S3CR3T" not in site.log(relay)


def clients_of(relay: Process) -> int:
    """How many Kafka clients a process has: each has one thread of that name."""
    count = 0
    for file in Path(f"/proc/{relay.pid}/task").glob("*/comm"):
        with suppress(OSError):  # it has just ended
            count += file.read_text() == "rdk:main\n"
    return count


def replace_file(file: Path, content: str) -> None:
    """As Kubernetes does it, in one step."""
    new = file.with_suffix(".new")
    new.write_text(f"{content}\n")
    new.replace(file)
