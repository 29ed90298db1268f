"""Publishes tombstones: records with a key and nothing else, at which compaction removes what came before of the key.

Without a transaction and with no shard's id, so that no relay is fenced; the order to a relay's records is the caller's
to see to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from bridge.encoding.limits import NO_LIMITS
from bridge.errors import BrokerUnavailable
from bridge.event import Header
from bridge.kafka.client import client_properties, words
from bridge.kafka.properties import producer_properties
from bridge.settings import Settings


def publish_tombstones(
    settings: Settings, topics: Iterable[str], key: bytes, headers: Sequence[Header]
) -> dict[str, str]:
    """One to each topic; returns where each is. Raises BrokerUnavailable; some may be there then."""
    places: dict[str, str] = {}
    troubles: list[KafkaError] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            troubles.append(error)
        else:
            places[str(message.topic())] = f"partition {message.partition()}, offset {message.offset()}"

    properties = client_properties(settings) | producer_properties(settings, NO_LIMITS)
    producer = Producer(properties | {"delivery.report.only.error": False, "error_cb": troubles.append})
    wanted = list(topics)
    try:
        for topic in wanted:
            producer.produce(topic, key=key, value=None, headers=list(headers), on_delivery=delivered)
        producer.flush(settings.relay.transaction_timeout_seconds + 1)
    except KafkaException as error:
        troubles.append(error.args[0])
    if lacking := [topic for topic in wanted if topic not in places]:
        said = words(KafkaException(troubles[-1])) if troubles else "no answer in time"
        raise BrokerUnavailable(f"no tombstone could be published to {', '.join(lacking)}: {said}", hint="Run it again")
    return places
