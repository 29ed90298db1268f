"""What every Kafka client of bridge shares: its properties, its logger, its words for an error."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from bridge.configuration.kafka_properties import refused
from bridge.errors import BrokerUnavailable, ConfigError
from bridge.from_file import FileUnreadable, latest
from bridge.kafka_transport import exposed_kafka
from bridge.settings import Settings


def _demote(record: logging.LogRecord) -> bool:
    record.levelno, record.levelname = logging.DEBUG, "DEBUG"
    return librdkafka.isEnabledFor(logging.DEBUG)


# librdkafka says every few milliseconds that a broker is away; we say it once, in our own words.
librdkafka = logging.getLogger("bridge.librdkafka")
librdkafka.addFilter(_demote)


def client_properties(settings: Settings) -> dict[str, Any]:
    """What every Kafka client of bridge is made with, its logger included.

    Raises ConfigError when no server is given, a property is not the operator's, or the way there is not protected.
    """
    if not settings.kafka.bootstrap_servers:
        hint = "Set BRIDGE_KAFKA_BOOTSTRAP_SERVERS, or kafka.bootstrap_servers in the configuration"
        raise ConfigError("no Kafka is given", hint=hint)
    return shared_properties(settings) | {"bootstrap.servers": settings.kafka.bootstrap_servers}


def shared_properties(settings: Settings) -> dict[str, Any]:
    """The same but for the servers. Raises ConfigError, BrokerUnavailable for a file that has gone."""
    properties = _latest(settings.kafka.properties)
    for name, value in properties.items():
        if why := refused(name, value):
            raise ConfigError(f"kafka.properties must not set {name!r}: {why.why}")
    if not settings.kafka.allow_insecure:
        for exposure in exposed_kafka(settings.kafka.bootstrap_servers, properties):
            raise ConfigError(exposure.message, hint=exposure.for_operators.hint)
    # Not 10 seconds: a broker that is back is to be noticed.
    sooner = {} if "reconnect.backoff.ms" in properties else {"reconnect.backoff.max.ms": 1000}
    return {"client.id": settings.relay.name, **sooner, **properties, "logger": librdkafka}


def _latest(properties: Mapping[str, str]) -> dict[str, str]:
    """With what files hold now: a client that is made after a login was replaced has the new one."""
    found = {}
    for name, value in properties.items():
        try:
            found[name] = latest(value)
        except FileUnreadable as error:
            hint = "Put the file back: it is read for each new client"
            raise BrokerUnavailable(f"kafka.properties.{name} {error}", hint=hint) from None
    return found


def words(error: KafkaException) -> str:
    """librdkafka's words on one line, without a full stop, or its code's name where it has none."""
    cause = error.args[0]
    return " ".join((cause.str() or cause.name()).split()).rstrip(".") if isinstance(cause, KafkaError) else str(cause)
