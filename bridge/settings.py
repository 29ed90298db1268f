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
    """What waits behind a dead event until a person has decided: its topic's later events of its key, none, or all."""

    HOLD = "hold"
    SKIP = "skip"
    STOP = "stop"


class Encoding(StrEnum):
    """What a record's value is."""

    AVRO = "avro"  # in the Confluent wire format, with a schema of the registry
    JSON = "json"  # the payload as it is
    RAW = "raw"  # the bytes of which the payload is the base64 text


class SubjectNameStrategy(StrEnum):
    """What the subject of a route is called that names none."""

    TOPIC_NAME = "TopicName"  # <topic>-value
    RECORD_NAME = "RecordName"  # the record's full name, which is the event type or the table
    TOPIC_RECORD_NAME = "TopicRecordName"  # <topic>-<record's full name>


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
    """How to reach Postgres: a libpq URL or keyword string. `allow_insecure`: also in ways that `transport` refuses."""

    url: str = field(default="", repr=False)
    allow_insecure: bool = field(default=False, kw_only=True)


@dataclass(frozen=True)
class KafkaSettings:
    """How to reach Kafka; `properties` go to librdkafka, for every client that bridge makes."""

    bootstrap_servers: str = ""
    allow_insecure: bool = field(default=False, kw_only=True)
    properties: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)


@dataclass(frozen=True)
class RegistrySettings:
    """How to reach the schema registry (the Confluent API): by user and password, a bearer `token`, or a certificate.

    `ca_file`: whom to believe, else the usual authorities. All files are PEM; they are read again for each question.
    """

    url: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False, kw_only=True)
    ca_file: str = field(default="", kw_only=True)
    certificate_file: str = field(default="", kw_only=True)
    key_file: str = field(default="", kw_only=True)
    allow_insecure: bool = field(default=False, kw_only=True)
    timeout_seconds: float = 10.0
    register: bool = True
    compatibility: Compatibility = Compatibility.BACKWARD
    subject_name_strategy: SubjectNameStrategy = SubjectNameStrategy.TOPIC_NAME


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
    transaction_header: bool = False


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
    """Where events go, and as what: those of one type, those whose type begins like it, or a tracked table's.

    `event_type` may end in `*`, `table` is the `entity_type` of a tracked table; one of the two is empty. `subject` is
    the registry's, which names the schema file, for Avro. `headers` are added to each record. `drop` and `mask` name
    fields of the payload, or columns of the table. `tombstone`: each record, or each of a DELETE, is followed by one.
    `on_dead`: what waits behind one of its events that is dead; None: as relay.on_dead says.
    """

    event_type: str = ""
    topic: str = ""
    subject: str = ""
    table: str = ""
    encoding: Encoding = Encoding.AVRO
    headers: tuple[tuple[str, str], ...] = ()
    drop: tuple[str, ...] = ()
    mask: tuple[str, ...] = ()
    tombstone: bool = False
    on_dead: OnDead | None = None

    @property
    def is_prefix(self) -> bool:
        """Whether `event_type` stands for all types that begin like it."""
        return self.event_type.endswith("*")

    @property
    def rule(self) -> str:
        """What `bridge.matching_route()` compares: `=type`, `^beginning`, or `@table`."""
        if self.table:
            return f"@{self.table}"
        return f"^{self.event_type[:-1]}" if self.is_prefix else f"={self.event_type}"

    def __str__(self) -> str:
        return f"table {self.table}" if self.table else f"event type {self.event_type}"


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
