"""`bridge route`: where events go, and why."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from bridge.cli import completion
from bridge.cli.options import config_option, json_option, plain_text
from bridge.cli.terminal import echo, echo_json
from bridge.configuration.load import read
from bridge.errors import ConfigError

if TYPE_CHECKING:
    from bridge.admin.route import Explained


@click.command("route")
@config_option
@click.argument("name", metavar="EVENT_TYPE|TABLE|EVENT_ID", callback=plain_text, shell_complete=completion.routed)
@json_option
def route_command(config: Path | None, name: str, as_json: bool) -> None:
    """Show which route events of a type take, or changes of a tracked table, or one event; and why that one.

    TABLE is the name under which it is tracked (`bridge tracked`). Reaches no server, but for an EVENT_ID. Exit code 4
    where there is no route.

    \b
    Examples:
      bridge route order.paid
      bridge route shop.orders
      bridge route 01a21d71-bf60-7c1f-ad35-146386d29779
    """
    from bridge.admin.route import explain, explain_kind, find_kind
    from bridge.postgres.connection import connect
    from bridge.postgres.migrate import require_current

    configuration = read(config)
    settings = configuration.routed()
    event: dict[str, str] = {}
    if (id := _id(name)) is None:
        found = explain(configuration, name)
    else:
        with connect(settings.database, application_name="bridge route") as conn:
            require_current(conn)
            kind, key, status = find_kind(conn, id)
        event = {"id": str(id), "key": key, "status": status}
        found = [explain_kind(configuration, kind)]
    if as_json:
        echo_json({**event, "routes": [asdict(one) for one in found]})
    else:
        echo(*[f"{what}: {value}" for what, value in event.items()])
        for one in found:
            echo(*route_lines(one))
    if found[0].route is None:
        raise ConfigError(f"there is no route for {found[0].kind}", hint="Add one: config/bridge.toml says how")


def _id(name: str) -> UUID | None:
    try:
        return UUID(name)
    except ValueError:
        return None


def route_lines(one: Explained) -> list[str]:
    """The route of one kind for a person, or that there is none."""
    if one.route is None:
        return [f"{one.kind}: {one.why}"]
    return [
        f"{one.kind} takes the route at {one.at}: {one.why}",
        *[f"  {key} = {_value(value)}" for key, value in one.route.items()],
        *[f"  also fits, and does not count: {other}" for other in one.passed_over],
    ]


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {text}" for name, text in value.items())
    return str(value).lower() if isinstance(value, bool) else ", ".join(value) if isinstance(value, tuple) else value
