"""Options that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from bridge.cli.envelope import Output

Command = TypeVar("Command", bound=Callable[..., Any])

AGO = re.compile(r"([0-9]{1,6})(m|h|d|w)").fullmatch
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

config_option = click.option(
    "--config", type=click.Path(dir_okay=False, path_type=Path), envvar="BRIDGE_CONFIG", help="bridge.toml."
)


def _ask_for_json(has_lines: bool, context: click.Context, _parameter: click.Parameter, given: bool) -> bool:
    if given:
        context.ensure_object(Output).ask(context, has_lines=has_lines)
    return given


def _json(text: str, *, has_lines: bool) -> Callable[[Command], Command]:
    return click.option("--json", "as_json", is_flag=True, callback=partial(_ask_for_json, has_lines), help=text)


json_option = _json("One JSON document on standard output.", has_lines=False)
json_lines_option = _json("JSON documents on standard output, one a line.", has_lines=True)


def plain_text(_context: click.Context, _parameter: click.Parameter, given: str | tuple[str, ...] | None) -> object:
    """Refuse what is no text, which Postgres could not be sent."""
    for value in (given,) if isinstance(given, str) else given or ():
        if any("\ud800" <= char <= "\udfff" for char in value):
            raise click.BadParameter("is not valid UTF-8")
    return given


reason_option = click.option("--reason", callback=plain_text, help="Kept in the database, with who does it.")


class Since(click.ParamType[Any]):
    """A time, or how long ago that was."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime | timedelta:
        """ISO 8601, in UTC unless it says otherwise; or a number and m, h, d or w."""
        if isinstance(value, datetime | timedelta):
            return value
        if ago := AGO(value):
            return timedelta(**{UNITS[ago[2]]: int(ago[1])})
        try:
            time = datetime.fromisoformat(value)
        except ValueError:
            self.fail(
                f"{value!r} is neither a time (2026-03-01T12:00Z) nor a number of m, h, d or w (6h, 2d)", param, ctx
            )
        return time if time.tzinfo else time.replace(tzinfo=UTC)
