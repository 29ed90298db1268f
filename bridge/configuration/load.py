"""Reads the configuration: file < environment. Everything that is wrong is found in one go, and nothing is reached."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bridge.configuration.environment import from_environment, variable_of
from bridge.configuration.file import ConfigFile, Unreadable
from bridge.configuration.kafka_properties import is_secret as is_secret_property
from bridge.configuration.knobs import PROPERTIES, SCHEMAS, knobs
from bridge.configuration.mistake import DEFAULT, Given, Mistake, Origin, as_error, in_order
from bridge.configuration.routes import named_subjects, read_routes, route_key, route_mistakes
from bridge.configuration.rules import joint_mistakes, property_mistakes, value_mistakes
from bridge.configuration.transport import transport_mistakes
from bridge.configuration.urls import login_of, password_of, registry_trouble, username_of, without_login
from bridge.from_file import derived
from bridge.resources import resource
from bridge.secret import remember
from bridge.settings import SECTIONS, Route, Settings


@dataclass(frozen=True)
class Configuration:
    """What was given. In the places of what is wrong, `settings` have their defaults.

    `origins` are by full name: `relay.name`, `kafka.properties.sasl.mechanism`, `routes.0.topic`.
    """

    settings: Settings
    routes: tuple[tuple[int, Route], ...]  # each with its place in the file
    origins: Mapping[str, Origin]
    mistakes: tuple[Mistake, ...]
    path: Path | None

    def checked(self) -> Settings:
        """The settings. Raises ConfigError if anything is wrong."""
        if self.mistakes:
            raise as_error(self.mistakes)
        return self.settings

    def routed(self) -> Settings:
        """The settings, which have routes. Raises ConfigError."""
        settings = self.checked()
        if not settings.routes:
            raise as_error([no_routes(self.path)])
        return settings


def load(path: Path | None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Settings from `path` (None: no file) and `environ`. Raises ConfigError saying what is wrong where."""
    return read(path, environ).checked()


def load_routed(path: Path | None, environ: Mapping[str, str] = os.environ) -> Settings:
    """The same, for what carries events or reads their topics: without routes it cannot know them."""
    return read(path, environ).routed()


def read(path: Path | None, environ: Mapping[str, str] = os.environ) -> Configuration:
    """Settings and all mistakes."""
    try:
        file = None if path is None else ConfigFile(path)
    except Unreadable as unreadable:
        return Configuration(Settings(), (), {}, (unreadable.mistake,), path)
    given, mistakes = file.settings() if file else ({}, [])
    of_environment, more = from_environment(environ)
    given |= of_environment
    mistakes += [*more, *_move_login(given), *value_mistakes(given), *property_mistakes(given)]
    rows, more = read_routes(file.routes, file.at) if file else ([], [])
    mistakes += more

    _remember_secrets(given)
    wrong = {mistake.setting for mistake in mistakes}
    right = {name: one for name, one in given.items() if name not in wrong}
    settings = _settings(right, path)
    rows, more = named_subjects(rows, file.at, settings.registry.subject_name_strategy) if file else ([], [])
    mistakes += more
    settings = replace(settings, routes=tuple(route for _, route in rows))
    origins = dict.fromkeys(knobs(), DEFAULT) | {name: one.origin for name, one in right.items()}
    mistakes += [
        mistake
        for names, mistake in [*joint_mistakes(settings, origins), *transport_mistakes(settings, origins)]
        if not names & wrong
    ]
    if file:
        mistakes += route_mistakes(rows, file.at, settings.topics, origins)
        origins |= {route_key(n, key): file.at("routes", n, key) for n, route in rows for key in vars(route)}
    return Configuration(settings, tuple(rows), MappingProxyType(origins), in_order(mistakes), path)


def _remember_secrets(given: Mapping[str, Given]) -> None:
    """Those of settings that are wrong, too."""
    for name, one in given.items():
        known = knobs().get(name)
        is_secret = is_secret_property(name.removeprefix(f"{PROPERTIES}.")) if known is None else known.is_secret
        if is_secret and isinstance(one.value, str):
            remember(one.value)


def no_routes(path: Path | None) -> Mistake:
    """Nothing is built in: routes would make topics and subjects that nobody asked for."""
    shipped = resource("config", "bridge.toml")
    hint = f"Add [[routes]], which {shipped} explains"
    if path is None:
        hint = f"Copy {shipped}, add [[routes]] to it, and name it with --config or BRIDGE_CONFIG"
    origin = Origin("without --config" if path is None else str(path))
    return Mistake("routes", origin, "there are no routes, so nothing says to which topic an event goes", hint)


def _settings(right: Mapping[str, Given], path: Path | None) -> Settings:
    sections: dict[str, Any] = {}
    for section, kind in SECTIONS.items():
        names = {knob.name: f"{section}.{knob.name}" for knob in fields(kind)}
        sections[section] = kind(**{name: right[full].value for name, full in names.items() if full in right})
    prefix = f"{PROPERTIES}."
    properties = {name.removeprefix(prefix): one.value for name, one in right.items() if name.startswith(prefix)}
    sections["kafka"] = replace(sections["kafka"], properties=MappingProxyType(properties))
    return Settings(**sections, schemas=_schemas(right.get(SCHEMAS), path))


def _schemas(given: Given | None, path: Path | None) -> Path | None:
    """In the file, a relative directory is beside it; in the environment, it is as everywhere."""
    if given is None:
        return None
    if path is None or given.origin.where == variable_of(SCHEMAS):
        return Path(given.value)
    return path.parent / str(given.value)


def _move_login(given: dict[str, Given]) -> list[Mistake]:
    """A login in the registry's URL becomes user and password, so that the URL can be shown."""
    url = given.get("registry.url")
    if url is None or not url.value or registry_trouble(url.value):
        return []
    if login_of(url.value) is None:
        return []
    twice = [name for name in ("registry.username", "registry.password") if name in given and given[name].value]
    if twice:
        message = f"{twice[0]} is in registry.url, too ({url.origin})"
        return [Mistake(twice[0], given[twice[0]].origin, message, "Leave one out")]
    parts = {"url": without_login, "username": username_of, "password": password_of}
    given |= {f"registry.{name}": Given(derived(url.value, part), url.origin) for name, part in parts.items()}
    return []
