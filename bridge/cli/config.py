"""`bridge config`: what is configured, and whether it would work."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bridge.cli.options import config_option, json_option
from bridge.cli.terminal import echo, echo_json
from bridge.configuration.load import read
from bridge.errors import ConfigError
from bridge.text import counted

if TYPE_CHECKING:  # librdkafka takes a while to import, and `bridge --help` needs it not
    from bridge.admin.config import Shown


@click.group("config")
def config_group() -> None:
    """Check the configuration, or show what it comes to. Reaches no server."""


@config_group.command("check")
@config_option
@json_option
def check_command(config: Path | None, as_json: bool) -> None:
    """Say everything that is wrong with the configuration, the environment included.

    Reads the file, the schema files and what the environment says; tries Kafka's properties without connecting. Exit
    code 0 if a relay would start with it, as far as this can tell, else 4.

    \b
    Example:
      bridge config check --config bridge.toml
    """
    from bridge.admin.config import all_mistakes

    configuration = read(config)
    mistakes, settings = all_mistakes(configuration), configuration.settings
    if as_json:
        found = [{**asdict(mistake), "origin": str(mistake.origin)} for mistake in mistakes]
        echo_json({"ok": not mistakes, "mistakes": found})
    else:
        for mistake in mistakes:
            echo(str(mistake))
    if mistakes:
        raise ConfigError(f"{counted(len(mistakes), 'mistake')} in the configuration")
    if not as_json:
        topics = {route.topic for route in settings.routes}
        echo(f"{config}: {counted(len(settings.routes), 'route')} to {counted(len(topics), 'topic')}; nothing is wrong")


@config_group.command("show")
@config_option
@json_option
def show_command(config: Path | None, as_json: bool) -> None:
    """Show each setting as it comes out of file and environment, and where it comes from. Passwords are hidden.

    \b
    Example:
      bridge config show --config bridge.toml --json
    """
    from bridge.admin.config import shown

    settings = list(shown(read(config)))
    if as_json:
        echo_json({"settings": settings})
    else:
        echo(*_as_toml(settings))


def _as_toml(settings: list[Shown]) -> list[str]:
    """Like a configuration file, each line with its origin."""
    lines: list[str] = []
    for (table, _), of_table in groupby(settings, lambda setting: _place(setting.setting)[0]):
        if table:
            lines += ["", table]
        for setting in of_table:
            name = _place(setting.setting)[1]
            line = f"# {name}" if setting.value is None else f"{name} = {_value(setting.value)}"
            lines.append(f"{line:<50}  # {setting.origin}")
    return lines


def _value(value: Any) -> str:
    """JSON's strings, numbers, booleans and arrays are TOML's."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {_value(one)}" for name, one in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def _place(setting: str) -> tuple[tuple[str, str], str]:
    """The table that a setting stands in (for a route: which one), and its name there."""
    parts = setting.split(".")
    match parts:
        case ["routes", number, key]:
            return ("[[routes]]", number), key
        case ["kafka", "properties", *of_property]:
            return ("[kafka.properties]", ""), json.dumps(".".join(of_property))
        case [section, key]:
            return (f"[{section}]", ""), key
        case _:
            return ("", ""), setting
