"""`bridge dead retry` and `bridge dead skip`: what is to become of dead events, of one or of thousands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import psycopg

from bridge.admin.dead import Decision, Group, Wanted, decide, list_dead, summarise
from bridge.cli.dead_options import chosen, database, filters, ids
from bridge.cli.options import config_option, json_option, plain_text
from bridge.cli.progress import progress_bar
from bridge.cli.terminal import echo, echo_json
from bridge.configuration.load import load
from bridge.text import counted

MANY = 100  # events, above which it is asked first
SHOWN = 20  # groups of them

_all = click.option("--all", "all_", is_flag=True, help="All that `bridge dead list` knows.")
_dry_run = click.option("--dry-run", is_flag=True, help="Show which events these are, and decide nothing.")
_yes = click.option("--yes", is_flag=True, help=f"Do not ask, which is done for more than {MANY}.")


def _not_empty(context: click.Context, parameter: click.Parameter, reason: str) -> object:
    if not reason.strip():
        raise click.BadParameter("must say something")
    return plain_text(context, parameter, reason)


@click.command("retry")
@ids
@filters
@_all
@click.option("--reason", callback=plain_text, help="Kept with the decision.")
@_dry_run
@_yes
@json_option
@config_option
def retry_command(
    all_: bool, reason: str | None, dry_run: bool, yes: bool, as_json: bool, config: Path | None, **given: Any
) -> int:
    """Let the relay publish dead events after all, because what was wrong is mended.

    A retried event goes first, and then what waited behind it. Whatever ends this, the same again goes on with those
    that are left. Exit code 1: some of the events that were named are not dead.

    \b
    Examples:
      bridge dead retry 01a21d71-bf60-7c1f-ad35-146386d29779
      bridge dead retry --died-of '$.amount' --dry-run
    """
    return _decide(Decision.RETRIED, chosen(given, all_=all_), reason, dry_run, yes, as_json, config)


@click.command("skip")
@ids
@filters
@_all
@click.option("--reason", required=True, callback=_not_empty, help="Kept with the decision, and with the event.")
@_dry_run
@_yes
@json_option
@config_option
def skip_command(
    all_: bool, reason: str, dry_run: bool, yes: bool, as_json: bool, config: Path | None, **given: Any
) -> int:
    """Give dead events up, for good; what waited behind them goes on.

    Whatever ends this, the same again goes on with those that are left. Exit code 1: some of the events that were named
    are not dead.

    \b
    Example:
      bridge dead skip --topic shop.order --reason 'test orders'
    """
    return _decide(Decision.SKIPPED, chosen(given, all_=all_), reason, dry_run, yes, as_json, config)


def _decide(
    decision: Decision, which: Wanted, reason: str | None, dry_run: bool, yes: bool, as_json: bool, config: Path | None
) -> int:
    done = "will be tried again" if decision is Decision.RETRIED else "given up"
    with database(load(config)) as conn:
        unknown = _unknown(conn, which)
        groups = summarise(conn, which)
        events, decided = sum(group.events for group in groups), 0
        if dry_run and not as_json:
            echo(*_lines(groups), f"Dry run: {events:,} would be {decision}, nothing was decided.")
        elif not dry_run:
            if events > MANY and not yes:
                echo(*_lines(groups), err=True)
                question = f"{counted(events, 'dead event')}: decide that they are {decision}?"
                click.confirm(question, abort=True, err=True)
            decided = _carry_out(conn, which, decision, reason, events)
    if as_json:
        document = {"decision": decision, "dry_run": dry_run, "events": events, "decided": decided, "unknown": unknown}
        echo_json(document | {"groups": [group._asdict() for group in groups]})
    elif not dry_run:
        echo(f"{decided} {done}")
    for event_id in unknown:
        echo(f"bridge: {event_id} is no dead event, or was decided about already", err=True)
    return 1 if unknown else 0


def _carry_out(conn: psycopg.Connection, which: Wanted, decision: Decision, reason: str | None, events: int) -> int:
    decided = 0
    with progress_bar() as tell:
        for count in decide(conn, which, decision, reason):
            decided += count
            tell(decision, decided, events)
    return decided


def _unknown(conn: psycopg.Connection, which: Wanted) -> list[str]:
    """Of the events that were named, those that are not dead."""
    known = {event.event_id for event in list_dead(conn, which, len(which.event_ids))} if which.event_ids else set()
    return [str(event_id) for event_id in which.event_ids if event_id not in known]


def _lines(groups: list[Group]) -> list[str]:
    lines = [
        f"{group.events:,} of {group.event_type or 'no type'} to {group.topic}: {group.reason}" for group in groups
    ]
    more = [f"and {len(lines) - SHOWN:,} other kinds"] if len(lines) > SHOWN else []
    return lines[:SHOWN] + more
