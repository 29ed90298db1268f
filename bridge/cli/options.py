"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

config_option = click.option(
    "--config", type=click.Path(dir_okay=False, path_type=Path), envvar="BRIDGE_CONFIG", help="bridge.toml."
)


def plain_text(_context: click.Context, _parameter: click.Parameter, given: str | tuple[str, ...] | None) -> object:
    """Refuse what is no text, which Postgres could not be sent."""
    for value in (given,) if isinstance(given, str) else given or ():
        if any("\ud800" <= char <= "\udfff" for char in value):
            raise click.BadParameter("is not valid UTF-8")
    return given
