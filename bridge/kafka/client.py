"""What every Kafka client of bridge shares: its properties, its logger, its words for an error."""

from __future__ import annotations

import logging
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from bridge.errors import ConfigError
from bridge.settings import Settings

# These make librdkafka load a library or run a command, so a configuration file must not be able to set them.
REFUSED_PROPERTIES = ("plugin.library.paths", "ssl.engine.location", "sasl.kerberos.kinit.cmd")


def _demote(record: logging.LogRecord) -> bool:
    record.levelno, record.levelname = logging.DEBUG, "DEBUG"
    return librdkafka.isEnabledFor(logging.DEBUG)


# librdkafka says every few milliseconds that a broker is away; we say it once, in our own words.
librdkafka = logging.getLogger("bridge.librdkafka")
librdkafka.addFilter(_demote)


def client_properties(settings: Settings) -> dict[str, Any]:
    """What every Kafka client of bridge is made with, its logger included.

    Raises ConfigError when no server is given, or a property is refused.
    """
    kafka = settings.kafka
    if not kafka.bootstrap_servers:
        hint = "Set BRIDGE_KAFKA_BOOTSTRAP_SERVERS, or kafka.bootstrap_servers in the configuration"
        raise ConfigError("no Kafka is given", hint=hint)
    for name in REFUSED_PROPERTIES:
        if name in kafka.properties:
            raise ConfigError(f"kafka.properties must not set {name!r}: it makes librdkafka run code of its own")
    return {
        "client.id": settings.relay.name,
        "reconnect.backoff.max.ms": 1000,  # not 10 seconds: a broker that is back is to be noticed
        **kafka.properties,
        "bootstrap.servers": kafka.bootstrap_servers,
        "logger": librdkafka,
    }


def words(error: KafkaException) -> str:
    """librdkafka's words, or its code's name where it has none."""
    cause = error.args[0]
    return cause.str() or cause.name() if isinstance(cause, KafkaError) else str(cause)
