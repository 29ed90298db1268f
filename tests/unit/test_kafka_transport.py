"""Which ways to Kafka and the registry are refused, and which properties would run code, wherever they are said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridge.admin.checks.check import Level
from bridge.admin.checks.kafka import way
from bridge.admin.checks.registry import way as registry_way
from bridge.configuration.load import load, read
from bridge.consumer import Consumer
from bridge.errors import ConfigError
from bridge.foreign_code import runs_code
from bridge.kafka.client import client_properties
from bridge.kafka_transport import Server, servers
from bridge.registry.api import RegistryApi
from bridge.settings import KafkaSettings, RegistrySettings, Settings

PLAIN = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "us"}
PLAIN |= {"sasl.password": "canary"}
TLS = {"security.protocol": "SSL"}
OIDC = {"sasl.mechanism": "OAUTHBEARER", "sasl.oauthbearer.method": "oidc", "security.protocol": "SASL_SSL"}
SAFE: list[tuple[str, dict[str, str]]] = [
    ("localhost:9092,127.0.0.1,[::1]:9092", {}),
    ("SASL_PLAINTEXT://localhost:9092", PLAIN),
    ("kafka.example:9093,[2001:db8::1]:9093", TLS),
    ("kafka.example:9093", {"security.protocol": " sAsL_sSl"}),  # as librdkafka takes it
    ("kafka.example:9093", TLS | {"enable.ssl.certificate.verification": "T"}),
    ("kafka.example:9093", TLS | {"ssl.endpoint.identification.algorithm": "HTTPS"}),
    ("kafka.example:9093", OIDC | {"sasl.oauthbearer.token.endpoint.url": "HTTPS://issuer.example/token"}),
    ("kafka.example:9093", OIDC | {"sasl.oauthbearer.token.endpoint.url": "http://localhost:1/token"}),
]
NOT_ENCRYPTED = "would not be encrypted"
EXPOSED: list[tuple[str, dict[str, str], str]] = [
    ("kafka.example:9092", {}, f"Kafka at kafka.example, not on this machine, {NOT_ENCRYPTED}"),
    ("localhost:9092,kafka.example:9092", {}, "at kafka.example, not"),
    ("a.example,b.example", {}, "at a.example and 1 more, not"),
    ("[2001:db8::1]:9092", {}, "at 2001:db8::1, not"),
    ("localhost.example:9092", {"security.protocol": "plaintext"}, NOT_ENCRYPTED),
    ("PLAINTEXT://kafka.example:9092", {}, "at kafka.example, not"),
    ("kafka.example:9092", PLAIN, "the password would be sent as it is"),
    ("kafka.example:9092", PLAIN | {"sasl.mechanism": "SCRAM-SHA-512"}, "the password be guessed at"),
    (
        "kafka.example:9092",
        {"security.protocol": "SASL_plaintext", "sasl.mechanisms": "OAUTHBEARER"},
        "the token would",
    ),
    ("kafka.example:9093", TLS | {"enable.ssl.certificate.verification": "FALSE"}, "whoever answers would be believed"),
    ("kafka.example:9093", TLS | {"enable.ssl.certificate.verification": "0"}, "whoever answers would be believed"),
    ("localhost:9093", TLS | {"enable.ssl.certificate.verification": "f"}, "whoever answers would be believed"),
    ("kafka.example:9093", TLS | {"ssl.endpoint.identification.algorithm": " None"}, "any server with a certificate"),
    (
        "kafka.example:9093",
        OIDC | {"sasl.oauthbearer.token.endpoint.url": "http://issuer.example/t"},
        "secret would be",
    ),
    ("kafka.example:9093", OIDC | {"sasl.oauthbearer.token.endpoint.url": "issuer.example/t"}, "secret would be"),
    ("kafka.example:9093", OIDC | {"enable.sasl.oauthbearer.unsecure.jwt": "true"}, "nobody has signed"),
]


def by_environment(servers: str, properties: dict[str, str], **more: str) -> dict[str, str]:
    names = {f"BRIDGE_KAFKA_PROPERTIES_{name.upper().replace('.', '_')}": of for name, of in properties.items()}
    return {"BRIDGE_KAFKA_BOOTSTRAP_SERVERS": servers, **names, **more}


def consumer(kafka: str, properties: dict[str, Any], **more: Any) -> Consumer:
    return Consumer(kafka=kafka, database="", group="g", topics=["t"], properties=properties, **more)


@pytest.mark.parametrize(("kafka", "properties"), SAFE)
def test_a_way_that_is_protected_is_taken(kafka: str, properties: dict[str, str]) -> None:
    client_properties(load(None, by_environment(kafka, properties)))
    consumer(kafka, properties)
    (check,) = way(KafkaSettings(kafka, properties), [])
    assert check.level is Level.OK
    (check, _) = way(KafkaSettings(kafka, properties, allow_insecure=True), [])
    assert "nothing needs it" in check.text


@pytest.mark.parametrize(("kafka", "properties", "words"), EXPOSED)
def test_a_way_that_is_not_is_refused_wherever_it_is_said(
    kafka: str, properties: dict[str, str], words: str, tmp_path: Path
) -> None:
    """With its line; unless that is allowed, and then doctor says it."""
    config = tmp_path / "bridge.toml"
    lines = [f'"{name}" = "{value}"' for name, value in properties.items()]
    config.write_text("\n".join([f'[kafka]\nbootstrap_servers = "{kafka}"\n[kafka.properties]', *lines]))
    (mistake,) = read(config, {}).mistakes
    assert words in mistake.message
    assert mistake.origin.line in range(2, 4 + len(lines))
    assert "kafka.allow_insecure = true (BRIDGE_KAFKA_ALLOW_INSECURE=true)" in str(mistake)
    (mistake,) = read(None, by_environment(kafka, properties)).mistakes
    assert words in mistake.message
    assert "canary" not in str(mistake)
    settings = KafkaSettings(kafka, properties)
    with pytest.raises(ConfigError, match="would"):
        client_properties(Settings(kafka=settings))
    with pytest.raises(ConfigError) as refused:
        consumer(kafka, properties)
    assert words in refused.value.message
    assert "allow_insecure=True" in str(refused.value.hint)

    allowed = load(None, by_environment(kafka, properties, BRIDGE_KAFKA_ALLOW_INSECURE="true"))
    client_properties(allowed)
    consumer(kafka, properties, allow_insecure=True)
    (check,) = way(allowed.kafka, [])
    assert check.level is Level.NOTE
    assert words in check.text


def test_a_program_may_say_false_in_its_own_way() -> None:
    with pytest.raises(ConfigError, match="whoever answers"):
        consumer("localhost:1", {"enable.ssl.certificate.verification": False})


def test_brokers_elsewhere_are_said_by_doctor_too() -> None:
    (check,) = way(KafkaSettings("localhost:9092"), ["127.0.0.1", "kafka.example"])
    assert "at kafka.example, not" in check.text


def test_servers_are_read_as_librdkafka_reads_them() -> None:
    found = list(servers("SASL_SSL://a:1, b,[::1]:2,[::1],,"))
    assert found == [Server("sasl_ssl", "a", 1), Server("", "b", 9092), Server("", "::1", 2), Server("", "::1", 9092)]


def test_a_server_of_another_protocol_is_said() -> None:
    (mistake,) = read(None, by_environment("localhost:1,SASL_SSL://localhost:2", TLS)).mistakes
    assert "says sasl_ssl, and security.protocol is ssl: it is passed over" in mistake.message


CODE = {
    "plugin.library.paths": "/evil.so",
    "ssl.engine.location": "/evil.so",
    "ssl.engine.id": "dynamic",
    "sasl.kerberos.kinit.cmd": "touch /tmp/pwned",
    "ssl.providers": "default,/tmp/evil",
    "sasl.kerberos.principal": "us; touch /tmp/pwned",
    "sasl.kerberos.keytab": '/etc/us.keytab" $(touch /tmp/pwned) "',
    "sasl.kerberos.service.name": "`id`",
}


@pytest.mark.parametrize("name", CODE)
def test_what_would_run_code_is_refused_whatever_is_allowed(name: str) -> None:
    given = by_environment("localhost:1", {name: CODE[name]}, BRIDGE_KAFKA_ALLOW_INSECURE="true")
    (mistake,) = read(None, given).mistakes
    assert f"must not set {name!r}: it makes librdkafka run code" in mistake.message
    with pytest.raises(ConfigError, match="run code"):
        client_properties(Settings(kafka=KafkaSettings("localhost:1", {name: CODE[name]}, allow_insecure=True)))
    with pytest.raises(ConfigError, match="run code"):
        consumer("localhost:1", {name: CODE[name]}, allow_insecure=True)


@pytest.mark.parametrize("value", ["us@EXAMPLE.ORG", "kafka/host.example@EXAMPLE.ORG", "/etc/security/us.keytab", ""])
def test_what_a_shell_leaves_alone_is_taken(value: str) -> None:
    assert not runs_code("sasl.kerberos.principal", value)
    assert not runs_code("ssl.providers", "default,legacy")


@pytest.mark.parametrize("value", ["-c", "%{sasl.password}", "a b", "a\nb", "a'b", "a&b", "a>b", "ä"])
def test_what_a_shell_may_make_more_of_is_not(value: str) -> None:
    assert runs_code("sasl.kerberos.principal", value)


@pytest.mark.parametrize(
    "url", ["http://registry.example:8081", "http://localhost:1,http://registry.example", "HTTP://10.0.0.1"]
)
def test_a_registry_elsewhere_is_asked_by_https(url: str) -> None:
    (mistake,) = read(None, {"BRIDGE_REGISTRY_URL": url}).mistakes
    assert "registry.allow_insecure = true" in str(mistake)
    with pytest.raises(ConfigError, match=r"would not be encrypted\. Write https://"):
        RegistryApi(RegistrySettings(url))
    RegistryApi(RegistrySettings(url, allow_insecure=True))
    assert registry_way(RegistrySettings(url, allow_insecure=True)).level is Level.NOTE
    assert "nothing needs it" in registry_way(RegistrySettings("https://a", allow_insecure=True)).text
    for safe in ("https://registry.example", "http://[::1]:8081", "http://127.0.0.1:1,https://registry.example"):
        load(None, {"BRIDGE_REGISTRY_URL": safe})
        RegistryApi(RegistrySettings(safe))
        assert registry_way(RegistrySettings(safe)).level is Level.OK


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"TOKEN": "canary\n"}, "registry.token must be letters"),
        ({"TOKEN": "canary", "USERNAME": "us"}, "registry.token is another login than registry.username"),
        ({"KEY_FILE": "/etc/hostname"}, "registry.key_file has no effect without registry.certificate_file"),
        ({"CA_FILE": "/nowhere"}, "registry.ca_file cannot be read from '/nowhere': No such file"),
        ({"CERTIFICATE_FILE": "/"}, "registry.certificate_file cannot be read from '/': Is a directory"),
    ],
)
def test_what_is_wrong_with_the_registrys_login_is_said(given: dict[str, str], words: str) -> None:
    environment = {f"BRIDGE_REGISTRY_{name}": value for name, value in given.items()}
    (mistake,) = read(None, environment | {"BRIDGE_REGISTRY_URL": "https://registry.example"}).mistakes
    assert words in mistake.message
    assert "canary" not in str(mistake)
