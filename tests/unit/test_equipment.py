"""What the shards of one process share."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient  # type: ignore[attr-defined]
from fix_relay import eventually

from bridge.encoding.limits import TopicLimits
from bridge.errors import ConfigError
from bridge.relay import equipment
from bridge.relay.equipment import Equipment
from bridge.relay.schema_ids import SchemaIds
from bridge.settings import Settings


def clients() -> int:
    """How many Kafka clients this process has: each has one thread of that name, those of other tests may yet go."""
    names = [file.read_text() for file in Path("/proc/self/task").glob("*/comm")]
    return names.count("rdk:main\n")


def test_limits_that_are_asked_for_again_leave_no_client_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """confluent-kafka never frees the error of a failed call, nor what was being handled then."""

    def refuses(_settings: Settings, _shards: int) -> dict[str, int]:
        client = AdminClient({"bootstrap.servers": "localhost:1", "log_level": "0"})
        raise ConfigError(f"there is no topic in {client}")

    def asks(_settings: Settings) -> dict[str, int]:
        with pytest.raises(KafkaException):
            AdminClient({"no.such.property": ""})
        return {"t": 1}

    monkeypatch.setattr(equipment, "ensure_topics", refuses)
    monkeypatch.setattr(equipment, "topic_limits", asks)
    settings = Settings()
    limits = TopicLimits({})
    before = clients()
    Equipment(settings, SchemaIds.__new__(SchemaIds), limits).refresh_limits()
    eventually(lambda: clients() <= before)
