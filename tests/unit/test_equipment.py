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


def test_who_doubts_the_limits_while_they_are_read_is_not_told_what_was_read_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Somebody has raised one and retried an event of another shard: it would die again by the former."""
    limits = TopicLimits({})
    equipped = Equipment(Settings(), SchemaIds.__new__(SchemaIds), limits)

    def asks(_settings: Settings, _shards: int) -> dict[str, int]:
        equipped.encoder.expect_change()
        return {"t": 1}

    monkeypatch.setattr(equipment, "ensure_topics", asks)
    equipped.refresh_limits()
    assert not limits.are_fresh
    monkeypatch.setattr(equipment, "ensure_topics", lambda _settings, _shards: {"t": 2})
    equipped.refresh_limits()
    assert limits.are_fresh
    assert limits.of("t") == 2


def test_of_two_answers_the_one_that_was_asked_for_later_counts() -> None:
    limits = TopicLimits({})

    def asked_before() -> dict[str, int]:
        limits.update(lambda: {"t": 2})
        return {"t": 1}

    limits.update(asked_before)
    assert limits.of("t") == 2
