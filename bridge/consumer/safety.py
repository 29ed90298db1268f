"""What a program must not hand to librdkafka by accident: somebody's code, and ways to Kafka that others can read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bridge.errors import ConfigError
from bridge.foreign_code import runs_code
from bridge.kafka_transport import exposed_brokers, exposed_kafka

HINT = "Or give the consumer allow_insecure=True if the network in between can be trusted"


def require_safe(kafka: str, properties: Mapping[str, str], *, allow_insecure: bool) -> None:
    """Raises ConfigError. Values count as librdkafka's binding writes them: False is "False"."""
    written = {name: str(value) for name, value in properties.items()}
    for name, value in written.items():
        if runs_code(name, value):
            raise ConfigError(f"the property {name} must not say this: librdkafka would run code that somebody brings")
    if not allow_insecure:
        for exposure in exposed_kafka(kafka, written):
            raise ConfigError(exposure.message, hint=f"{exposure.mend}. {HINT}")


def require_safe_brokers(hosts: Iterable[str], properties: Mapping[str, str]) -> None:
    """Of those that the first ones name, which may be elsewhere although these are here. Raises ConfigError."""
    written = {name: str(value) for name, value in properties.items()}
    if (exposure := exposed_brokers(hosts, written)) is not None:
        raise ConfigError(exposure.message, hint=f"{exposure.mend}. {HINT}")
