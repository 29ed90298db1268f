"""What the commands about dead events share: which events are meant, and the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click
import psycopg

from bridge.admin.dead import Wanted
from bridge.cli import completion
from bridge.cli.options import Since, plain_text
from bridge.event import SOURCES
from bridge.postgres.connection import connect
from bridge.postgres.explained import explained
from bridge.postgres.migrate import require_current
from bridge.settings import Settings

Command = TypeVar("Command", bound=Callable[..., Any])

ids = click.argument("event_ids", nargs=-1, type=click.UUID, metavar="[EVENT_ID]...")


def _several(option: str, name: str, text: str, **named: Any) -> Callable[[Command], Command]:
    return click.option(option, name, multiple=True, help=f"{text}; may be repeated.", **named)


FILTERS = (
    _several(
        "--type",
        "event_types",
        "Only events of this type",
        metavar="TYPE",
        callback=plain_text,
        shell_complete=completion.event_types,
    ),
    _several("--key", "event_keys", "Only events of this key", metavar="KEY", callback=plain_text),
    _several(
        "--topic",
        "topics",
        "Only what was to go to this topic",
        metavar="TOPIC",
        callback=plain_text,
        shell_complete=completion.topics,
    ),
    _several("--source", "sources", "Only what comes from there", type=click.Choice(SOURCES)),
    _several("--shard", "shards", "Only events of this shard", type=click.IntRange(0, 1023)),
    click.option("--died-of", callback=plain_text, metavar="TEXT", help="Only where the reason holds this somewhere."),
    click.option("--older-than", type=Since(), help="Only what died before: 2026-03-01T12:00Z, 6h, 2d."),
    click.option("--younger-than", type=Since(), help="Only what died since then."),
)


def filters(command: Command) -> Command:
    """The options, which `wanted()` takes by their names."""
    for option in reversed(FILTERS):
        command = option(command)
    return command


def wanted(given: dict[str, Any]) -> Wanted:
    """What the options say, and ids where the command takes any."""
    before, since = _moment(given.pop("older_than")), _moment(given.pop("younger_than"))
    return Wanted(before=before, since=since, **given)


def chosen(given: dict[str, Any], *, all_: bool) -> Wanted:
    """The same where somebody has to say which events are meant."""
    found = wanted(given)
    has_filters = any(value for name, value in found.parameters.items() if name != "event_ids")
    if bool(found.event_ids) + has_filters + all_ != 1:
        raise click.UsageError("name events by their ids, by options like --type, or all with --all")
    return found


def _moment(given: datetime | timedelta | None) -> datetime | None:
    return datetime.now(UTC) - given if isinstance(given, timedelta) else given


@contextmanager
def database(settings: Settings) -> Iterator[psycopg.Connection]:
    """For one command; each statement is a transaction."""
    with explained(), connect(settings.database, application_name="bridge dead") as conn:
        require_current(conn)
        yield conn
