"""Every knob, its default and where it came from: file < environment < command line.

A default is written once, here. `config/bridge.toml` shows every knob with its meaning; a test holds the two equal.
`BRIDGE_<SECTION>_<KNOB>` in the environment overrides the file, for example BRIDGE_RELAY_BATCH_ROWS.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_type_hints

from bridge.errors import ConfigError
from bridge.resources import resource

COMPATIBILITIES = ("BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE")


class Delivery(StrEnum):
    """How often a consumer may see an event after a crash."""

    EXACTLY_ONCE = "exactly_once"
    AT_LEAST_ONCE = "at_least_once"


class OnDead(StrEnum):
    """What the later events of a dead event's key do."""

    HOLD = "hold"
    SKIP = "skip"


@dataclass(frozen=True)
class DatabaseSettings:
    """How to reach Postgres: a libpq URL or keyword string."""

    url: str = ""


@dataclass(frozen=True)
class KafkaSettings:
    """How to reach Kafka; `properties` go to librdkafka as they are (security.protocol, sasl.*, ssl.*)."""

    bootstrap_servers: str = ""
    properties: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class RegistrySettings:
    """How to reach the schema registry (the Confluent API)."""

    url: str = ""
    username: str = ""
    password: str = ""
    timeout_seconds: float = 10.0
    compatibility: str = "BACKWARD"


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
    heartbeat_hours: float = 24.0


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


def load(path: Path | None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read settings from `path` (None: the shipped config/bridge.toml), then from `environ`.

    Raises ConfigError naming the file, the knob and, for a misspelt one, the nearest known.
    """
    source = path or resource("config", "bridge.toml")
    try:
        document = tomllib.loads(source.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source} is not valid TOML: {error}") from error
    where = str(path or "the shipped bridge.toml")
    _refuse_unknown(document, [*SECTIONS, "routes", "schemas"], where)
    sections = {
        name: _section(kind, document.get(name, {}), f"{where}, [{name}]", _overrides(name, kind, environ))
        for name, kind in SECTIONS.items()
    }
    schemas = environ.get("BRIDGE_SCHEMAS", document.get("schemas"))
    directory = None if schemas is None else (path.parent if path and "BRIDGE_SCHEMAS" not in environ else Path())
    settings = Settings(
        **sections,
        routes=_routes(document.get("routes", []), where),
        schemas=None if directory is None else directory / str(schemas),
    )
    _check(settings, where)
    return settings


def _section(kind: type, values: Any, where: str, overrides: Mapping[str, str]) -> Any:
    if not isinstance(values, dict):
        raise ConfigError(f"{where} must be a table")
    hints = get_type_hints(kind)
    _refuse_unknown(values, list(hints), where)
    typed = {name: _typed(value, hints[name], f"{where}: {name}") for name, value in values.items()}
    typed |= {name: _parsed(text, hints[name], name) for name, text in overrides.items()}
    return kind(**typed)


def _overrides(section: str, kind: type, environ: Mapping[str, str]) -> dict[str, str]:
    names = {f"BRIDGE_{section}_{f.name}".upper(): f.name for f in fields(kind) if f.name != "properties"}
    return {name: environ[variable] for variable, name in names.items() if variable in environ}


def _typed(value: Any, kind: Any, where: str) -> Any:
    if kind is float and type(value) is int:
        return float(value)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _mode(value, kind, where)
    if kind in (str, int, float, bool):
        if type(value) is not kind:
            raise ConfigError(f"{where} must be of type {kind.__name__}, not {value!r}")
        return value
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise ConfigError(f"{where} must be a table of strings")
    return MappingProxyType(dict(value))


def _mode(value: Any, kind: type[StrEnum], where: str) -> StrEnum:
    try:
        return kind(value)
    except ValueError as error:
        raise ConfigError(f"{where} must be one of {', '.join(kind)}, not {value!r}") from error


def _parsed(text: str, kind: Any, name: str) -> Any:
    if issubclass(kind, StrEnum):
        return _mode(text, kind, f"the environment's value for {name}")
    try:
        return {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
    except (ValueError, KeyError) as error:
        raise ConfigError(f"the environment's value for {name} must be of type {kind.__name__}: {text!r}") from error


def _routes(rows: Any, where: str) -> tuple[Route, ...]:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ConfigError(f"{where}: routes must be an array of tables, [[routes]]")
    routes = []
    for number, row in enumerate(rows, 1):
        place = f"{where}, route {number}"
        _refuse_unknown(row, [f.name for f in fields(Route)], place)
        missing = [f.name for f in fields(Route) if not isinstance(row.get(f.name), str)]
        if missing:
            raise ConfigError(f"{place} needs {', '.join(missing)} (text)")
        routes.append(Route(**row))
    return tuple(routes)


def _refuse_unknown(given: Mapping[str, Any], known: list[str], where: str) -> None:
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known are: {', '.join(known)}"
            raise ConfigError(f"{where}: unknown setting {name!r}", hint=hint)


def _check(settings: Settings, where: str) -> None:
    relay, topics = settings.relay, settings.topics
    rules = {
        f"registry.compatibility must be one of {', '.join(COMPATIBILITIES)}": settings.registry.compatibility
        in COMPATIBILITIES,
        "relay.name must be 1 to 64 letters, digits, '.', '_' or '-'": _is_name(relay.name),
        "relay.batch_rows must be from 1 to 100000": 1 <= relay.batch_rows <= 100_000,
        "relay.batch_bytes must be at least 65536": relay.batch_bytes >= 65_536,
        "relay.poll_min_seconds must be above 0 and at most relay.poll_max_seconds": 0
        < relay.poll_min_seconds
        <= relay.poll_max_seconds,
        "relay.lease_seconds must be at least 1": relay.lease_seconds >= 1,
        "relay.transaction_timeout_seconds must be at least 1": relay.transaction_timeout_seconds >= 1,
        "registry.timeout_seconds must be above 0": settings.registry.timeout_seconds > 0,
        "topics.partitions and topics.replication_factor must be at least 1": topics.partitions >= 1
        and topics.replication_factor >= 1,
    }
    for rule, holds in rules.items():
        if not holds:
            raise ConfigError(f"{where}: {rule}")


def _is_name(text: str) -> bool:
    return 1 <= len(text) <= 64 and all(c.isascii() and (c.isalnum() or c in "._-") for c in text)
