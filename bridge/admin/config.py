"""Whether a configuration would work, as far as can be told without reaching a server; and what it comes to."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from bridge.configuration.kafka_properties import is_secret as is_secret_property
from bridge.configuration.knobs import PROPERTIES, SCHEMAS
from bridge.configuration.load import Configuration, no_routes, read
from bridge.configuration.mistake import DEFAULT, Mistake, as_error, in_order
from bridge.configuration.routes import route_key
from bridge.configuration.schemas import schema_mistakes
from bridge.errors import ConfigError
from bridge.kafka.properties import property_troubles
from bridge.libpq import protected
from bridge.postgres.connection import parsed, without_passwords
from bridge.settings import SECTIONS, Route, Settings, is_secret

HIDDEN = "***"


@dataclass(frozen=True)
class Shown:
    """One setting as it may be shown, and where it comes from."""

    setting: str
    value: Any
    origin: str


def checked(path: Path | None, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of a relay that is to start. Raises ConfigError if anything is wrong."""
    configuration = read(path, environ)
    if mistakes := all_mistakes(configuration):
        raise as_error(mistakes)
    return configuration.settings


def all_mistakes(configuration: Configuration) -> tuple[Mistake, ...]:
    """What is wrong, for a relay: routes, schema files and Kafka's properties, too. Reaches no server."""
    mistakes = _mistakes(configuration)
    is_said = any(mistake.setting == "" or mistake.setting.startswith("routes") for mistake in mistakes)
    if not configuration.routes and not is_said:
        mistakes.append(no_routes(configuration.path))
    return in_order([*mistakes, *schema_mistakes(configuration)])


def shown(configuration: Configuration) -> Iterator[Shown]:
    """All settings in the order of config/bridge.toml, secrets hidden. Raises ConfigError if anything is wrong."""
    if mistakes := _mistakes(configuration):  # a property that is mistyped may be a password, too
        raise as_error(in_order(mistakes))
    settings = configuration.settings
    yield _shown(configuration, SCHEMAS, None if settings.schemas is None else str(settings.schemas))
    for section in SECTIONS:
        values = getattr(settings, section)
        for knob in fields(values):
            name, value = f"{section}.{knob.name}", getattr(values, knob.name)
            if name == PROPERTIES:
                yield from _shown_properties(configuration)
                continue
            if name == "database.url" and value:
                value = without_passwords(value)
            elif is_secret(knob) and name != "registry.url" and value:  # a login was moved out of the URL
                value = HIDDEN
            yield _shown(configuration, name, value)
    for number, route in configuration.routes:
        for key, value in given_keys(route):
            yield _shown(configuration, route_key(number, key), value)


def given_keys(route: Route) -> Iterator[tuple[str, Any]]:
    """The keys of a route that say something, as a configuration file has them."""
    for key in fields(route):
        value = getattr(route, key.name)
        if value != key.default:
            yield key.name, dict(value) if key.name == "headers" else value


def _mistakes(configuration: Configuration) -> list[Mistake]:
    return [*configuration.mistakes, *_database_mistakes(configuration), *_property_mistakes(configuration)]


def _shown(configuration: Configuration, name: str, value: Any) -> Shown:
    return Shown(name, value, str(configuration.origins[name]))


def _shown_properties(configuration: Configuration) -> Iterator[Shown]:
    for name, value in configuration.settings.kafka.properties.items():
        yield _shown(configuration, f"{PROPERTIES}.{name}", HIDDEN if is_secret_property(name) and value else value)


def _database_mistakes(configuration: Configuration) -> Iterator[Mistake]:
    database = configuration.settings.database
    try:
        if database.url:
            protected(parsed(database.url), allow_insecure=database.allow_insecure)
    except ConfigError as error:
        yield Mistake("database.url", configuration.origins["database.url"], error.message, error.hint)


def _property_mistakes(configuration: Configuration) -> Iterator[Mistake]:
    origins = {name: origin for name, origin in configuration.origins.items() if name.startswith(f"{PROPERTIES}.")}
    for name, trouble in property_troubles(configuration.settings):
        setting = f"{PROPERTIES}.{name}" if name else PROPERTIES
        origin = origins.get(setting) or next(iter(origins.values()), DEFAULT)
        yield Mistake(setting, origin, f"{setting}: {trouble}")
