"""Every knob and its default, as frozen values; `bridge.configuration` fills them from file and environment.

A default is written once, here. `config/bridge.toml` shows every knob with its meaning; a test holds the two equal.
What may hold a password is not shown by `repr` (`is_secret`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any


class Delivery(StrEnum):
    """How often a consumer may see an event after a crash."""

    EXACTLY_ONCE = "exactly_once"
    AT_LEAST_ONCE = "at_least_once"


class OnDead(StrEnum):
    """What the later events of a dead event's key do."""

    HOLD = "hold"
    SKIP = "skip"


class Compatibility(StrEnum):
    """Which changes of a schema the registry accepts."""

    BACKWARD = "BACKWARD"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"


@dataclass(frozen=True)
class DatabaseSettings:
    """How to reach Postgres: a libpq URL or keyword string."""

    url: str = field(default="", repr=False)


@dataclass(frozen=True)
class KafkaSettings:
    """How to reach Kafka; `properties` go to librdkafka, for every client that bridge makes."""

    bootstrap_servers: str = ""
    properties: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)


@dataclass(frozen=True)
class RegistrySettings:
    """How to reach the schema registry (the Confluent API)."""

    url: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    timeout_seconds: float = 10.0
    register: bool = True
    compatibility: Compatibility = Compatibility.BACKWARD


@dataclass(frozen=True)
class RelaySettings:
    """How the relay carries events; the comments in config/bridge.toml name the consequence of extremes."""

    name: str = "bridge"
    delivery: Delivery = Delivery.EXACTLY_ONCE
    on_dead: OnDead = OnDead.HOLD
    batch_rows: int = 5000
    batch_bytes: int = 8_388_608
    poll_min_seconds: float = 0.002
    poll_max_seconds: float = 0.25
    lease_seconds: float = 10.0
    transaction_timeout_seconds: float = 10.0
    keep_house: bool = True


@dataclass(frozen=True)
class TopicSettings:
    """The topics that routes do not name, and whether missing ones are created."""

    create_missing: bool = False
    partitions: int = 6
    replication_factor: int = 3
    control: str = "bridge.shards"
    dead_letters: str = "bridge.dead_letters"


@dataclass(frozen=True)
class Route:
    """Where events of one type go: the topic and the registry's subject, which names the schema file."""

    event_type: str
    topic: str
    subject: str


@dataclass(frozen=True)
class Settings:
    """All settings of one run; `schemas` is a directory of `<subject>.avsc` files, or None for the shipped ones."""

    database: DatabaseSettings = field(default_factory=DatabaseSettings)
    kafka: KafkaSettings = field(default_factory=KafkaSettings)
    registry: RegistrySettings = field(default_factory=RegistrySettings)
    relay: RelaySettings = field(default_factory=RelaySettings)
    topics: TopicSettings = field(default_factory=TopicSettings)
    routes: tuple[Route, ...] = ()
    schemas: Path | None = None


SECTIONS: Mapping[str, type] = {
    "database": DatabaseSettings,
    "kafka": KafkaSettings,
    "registry": RegistrySettings,
    "relay": RelaySettings,
    "topics": TopicSettings,
}


def is_secret(knob: Field[Any]) -> bool:
    """Whether a knob's value may hold a password, and must not be shown as it is."""
    return not knob.repr
