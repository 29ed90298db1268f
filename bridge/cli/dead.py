"""`bridge dead`: events that can never be published as they are, and what to do about them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import click
import psycopg

from bridge.admin.dead import DeadEvent, list_dead, retry, skip
from bridge.cli.options import config_option
from bridge.cli.terminal import echo, echo_json
from bridge.configuration.load import load
from bridge.postgres.connection import connect
from bridge.postgres.migrate import require_current

MOST = 1_000_000  # for --all
SHOWN = 200  # characters of a key in text; JSON has it whole

_ids = click.argument("event_ids", nargs=-1, type=click.UUID, metavar="[EVENT_ID]...")
_all = click.option("--all", "all_", is_flag=True, help="All that `bridge dead list` knows.")


def _not_empty(_context: click.Context, _parameter: click.Parameter, reason: str) -> str:
    if not reason.strip():
        raise click.BadParameter("must say something")
    return reason


@click.group("dead")
def dead() -> None:
    """List dead events; publish them after all, or give them up.

    An event is dead when it cannot be encoded, routed or accepted as it is. Its copy is in the dead-letter topic, and
    with relay.on_dead = "hold" the later events of its key wait until it is retried or skipped.
    """


@dead.command("list")
@config_option
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line on standard output.")
def list_command(config: Path | None, limit: int, as_json: bool) -> None:
    """Show the dead events that nobody has decided about, the oldest first."""
    with _database(config) as conn:
        events = list_dead(conn, limit)
    if as_json:
        for event in events:
            echo_json(event)
    elif events:
        _print(events)
    else:
        echo("No dead events.", err=True)


@dead.command("retry")
@_ids
@_all
@config_option
def retry_command(event_ids: tuple[UUID, ...], all_: bool, config: Path | None) -> None:
    """Let the relay publish dead events after all, because what was wrong is mended.

    A retried event goes first, and then what waited behind it.
    """
    with _database(config) as conn:
        chosen = _chosen(conn, event_ids, all_)
        _report("will be tried again", chosen, retry(conn, chosen))


@dead.command("skip")
@_ids
@_all
@click.option("--reason", required=True, callback=_not_empty, help="Kept with the event.")
@config_option
def skip_command(event_ids: tuple[UUID, ...], all_: bool, reason: str, config: Path | None) -> None:
    """Give dead events up; what waited behind them goes on."""
    with _database(config) as conn:
        chosen = _chosen(conn, event_ids, all_)
        _report("given up", chosen, skip(conn, chosen, reason))


@contextmanager
def _database(config: Path | None) -> Iterator[psycopg.Connection]:
    with connect(load(config).database.url, application_name="bridge dead") as conn:
        require_current(conn)
        yield conn


def _chosen(conn: psycopg.Connection, event_ids: tuple[UUID, ...], all_: bool) -> list[UUID]:
    if bool(event_ids) == all_:
        raise click.UsageError("name events by their ids, or all with --all")
    return [event.event_id for event in list_dead(conn, MOST)] if all_ else list(event_ids)


def _report(done: str, chosen: list[UUID], unknown: list[UUID]) -> None:
    echo(f"{len(chosen) - len(unknown)} {done}")
    for event_id in unknown:
        echo(f"bridge: {event_id} is no dead event, or was decided about already", err=True)
    if unknown:
        sys.exit(1)


def _print(events: list[DeadEvent]) -> None:
    for event in events:
        holds = ", later events of its key wait" if event.holds_key else ""
        cut = "..." if len(event.event_key) > SHOWN else ""
        echo(f"{event.event_id}  {event.event_type}  {event.event_key[:SHOWN]}{cut}")
        echo(f"    dead since {event.died_at.isoformat(sep=' ', timespec='seconds')}{holds}")
        echo(f"    {event.reason}")
