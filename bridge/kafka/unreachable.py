"""Why no broker answers a client: what it says of that in the background, and what can be seen from outside."""

from __future__ import annotations

import re
from collections.abc import Iterable

from confluent_kafka import KafkaError, KafkaException

from bridge.errors import BrokerRefuses, BrokerUnavailable, ConfigError
from bridge.kafka.client import words
from bridge.kafka.handshake import handshake_trouble
from bridge.kafka.refusal import refusal_hint
from bridge.kafka_transport import exposed_brokers, servers
from bridge.settings import KafkaSettings

# How librdkafka speaks of a broker that another one has named: by host, port and number. Of those that it was given,
# it says `/bootstrap`.
_NAMED = re.compile(r"(?:^|//)([^/\s]+):\d+/\d+: ")


class Trouble:
    """What one client says in the background. It must not hold the client, whose threads would go on for longer."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self.all_down = False
        self._kafka = kafka
        self._last: KafkaError | None = None

    def note(self, error: KafkaError) -> None:
        """The client's `error_cb`."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # the one before it says why
            self.all_down = True
        else:
            self._last = error

    def forget(self) -> None:
        """What was said before another question."""
        self._last, self.all_down = None, False

    @property
    def is_refusal(self) -> bool:
        """Whether it is none that passes by itself."""
        if self._last is None:
            return False
        has_code = self._last.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL)
        return has_code or refusal_hint(self._last) is not None

    def explained(self, error: KafkaException) -> BrokerUnavailable:
        """What a call ended with. Raises ConfigError where a broker is elsewhere, and was named by another one."""
        why = words(error) if self._last is None else str(self._last.str())
        require_protected(self._kafka, _NAMED.findall(why))
        hint = None if self._last is None else refusal_hint(self._last)
        if hint is not None or self._last is None:
            why = self._seen_from_outside() or why
        why = why.rpartition("/bootstrap: ")[2]
        if hint is not None:
            return BrokerRefuses(f"no way into Kafka at {self._kafka.bootstrap_servers}: {why}", hint=hint)
        return BrokerUnavailable(
            f"no Kafka broker answers at {self._kafka.bootstrap_servers}: {why}",
            hint="Check BRIDGE_KAFKA_BOOTSTRAP_SERVERS, kafka.properties and that the broker runs",
        )

    def _seen_from_outside(self) -> str | None:
        kafka = self._kafka
        asked = (handshake_trouble(one.host, one.port, kafka.properties) for one in servers(kafka.bootstrap_servers))
        return next(asked, None)  # the first alone: what is wrong is mostly wrong with all


def require_protected(kafka: KafkaSettings, hosts: Iterable[str]) -> None:
    """Brokers may be elsewhere, although those that they were asked for with are here. Raises ConfigError."""
    exposure = None if kafka.allow_insecure else exposed_brokers(hosts, kafka.properties)
    if exposure is not None:
        raise ConfigError(exposure.message, hint=exposure.for_operators.hint)
