"""The brokers: which release, with which known bugs, and settings of theirs that limit a relay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bridge.admin.checks.check import Check, note, ok, problem
from bridge.admin.checks.topics import check_topics
from bridge.kafka.api_versions import NEWEST, highest_level, release_of
from bridge.kafka.inspection import Brokers, Inspection
from bridge.kafka_transport import ENCRYPTED, exposed_hosts, exposed_kafka, protocol_of
from bridge.settings import KafkaSettings, Settings

CERTIFICATES = ("ssl.certificate.location", "ssl.certificate.pem", "ssl.keystore.location")
HANGS = ("4.3", "4.4")  # 4.3.0, 4.3.1 and 4.4.0: KAFKA-20734, docs/decisions/0005


def check_kafka(settings: Settings) -> Iterator[Check]:
    """Raises BrokerUnavailable, ConfigError."""
    inspection = Inspection(settings)
    brokers = inspection.brokers()
    hosts = ", ".join(f"{host}:{port}" for host, port in brokers.addresses.values())
    yield ok("kafka brokers", f"{len(brokers.addresses)} answer ({hosts}), cluster {brokers.cluster_id}")
    yield from way(settings.kafka, [host for host, _ in brokers.addresses.values()])
    yield release(_releases(brokers, settings.kafka.properties))
    yield from limits(brokers, settings)
    yield from check_topics(inspection, settings, len(brokers.addresses))


def way(kafka: KafkaSettings, hosts: Sequence[str]) -> Iterator[Check]:
    """How brokers are reached, those too that the first ones named; and what of that is only allowed."""
    name, protocol = "kafka tls", protocol_of(kafka.properties)
    exposures = {exposure.name: exposure for exposure in exposed_kafka(kafka.bootstrap_servers, kafka.properties)}
    if (exposure := exposed_hosts(hosts, kafka.properties)) is not None:
        exposures.setdefault(exposure.name, exposure)
    for exposure in exposures.values():
        yield note(name, f"kafka.allow_insecure allows what others could use: {exposure.message}", exposure.mend)
    if exposures:
        return
    if kafka.allow_insecure:
        yield note(name, "kafka.allow_insecure is true, and nothing needs it", "Take it out")
    login = kafka.properties.get("sasl.mechanism") or kafka.properties.get("sasl.mechanisms")
    certificate = any(one in kafka.properties for one in CERTIFICATES)
    by = ", ".join(filter(None, (login, "a certificate of ours" if certificate else None))) or "none"
    where = "" if protocol in ENCRYPTED else ", on this machine"
    yield ok(name, f"security.protocol={protocol}{where}; login: {by}")


def release(found: Mapping[int, str | None]) -> Check:
    """By broker; what does not tell its release is None."""
    name = "kafka release"
    releases = sorted({one for one in found.values() if one is not None})
    if not releases:
        return note(name, "no broker tells it; Kafka 4.3.0, 4.3.1 and 4.4.0 forget to end transactions (KAFKA-20734)")
    text = f"Kafka {' and '.join(releases)}"
    if any(one in HANGS for one in releases):
        text += ": 4.3.0, 4.3.1 and 4.4.0 forget to end transactions after a crash (KAFKA-20734); a broker does not"
        return problem(name, f"{text} tell its last number", "Use 4.2, or one in which that is mended; decision 0005")
    if NEWEST in releases:
        return note(name, f"{text} or newer, which bridge does not know yet")
    return ok(name, text)


def limits(brokers: Brokers, settings: Settings) -> Iterator[Check]:
    """Settings of the brokers, where we may ask for them."""
    config, name = brokers.config, "kafka settings"
    if config is None:
        why = f"the brokers' settings may not be asked for: {brokers.trouble}"
        yield note(name, why, "Grant DESCRIBE_CONFIGS on the cluster to whoever asks; a relay does not need it")
        return
    ours = int(settings.relay.transaction_timeout_seconds * 1000)
    most = _number(config, "transaction.max.timeout.ms")
    if most is not None and most < ours:
        text = f"transaction.max.timeout.ms is {most}, and relay.transaction_timeout_seconds {ours / 1000:g}"
        yield problem(name, f"{text}: no transaction begins", "Lower ours, or raise theirs")
    else:
        yield ok(name, f"transaction.max.timeout.ms={most}, ours {ours}")
    if config.get("auto.create.topics.enable") == "true":
        text = "auto.create.topics.enable is true: a consumer that mistypes a name makes a topic; relays never do"
        yield note(name, text, "auto.create.topics.enable=false")


def _releases(brokers: Brokers, properties: Mapping[str, str]) -> dict[int, str | None]:
    found: dict[int, str | None] = {}
    for number, (host, port) in sorted(brokers.addresses.items()):
        try:
            level = highest_level(host, port, properties)
        except OSError:  # a certificate that only librdkafka knows, say
            level = None
        found[number] = None if level is None else release_of(level)
    return found


def _number(config: Mapping[str, str], name: str) -> int | None:
    try:
        return int(config[name])
    except (KeyError, TypeError, ValueError):
        return None
