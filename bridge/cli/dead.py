"""`bridge dead`: events that can never be published as they are."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from bridge.admin.dead import DeadEvent, Decided, list_dead, list_decisions
from bridge.cli.dead_decide import retry_command, skip_command
from bridge.cli.dead_options import chosen, database, filters, ids, wanted
from bridge.cli.options import config_option, json_option
from bridge.cli.progress import progress_bar
from bridge.cli.terminal import echo, echo_json
from bridge.configuration.load import load, load_routed
from bridge.text import counted

if TYPE_CHECKING:  # the clients take half a second to import, and `bridge --help` needs none
    from bridge.admin.dead_explain import Explained

SHOWN = 200  # characters of a key in text; JSON has it whole
WAITS = {"key": ", later events of its key wait", "topic": ", later events of its topic wait", "nothing": ""}


@click.group("dead")
def dead() -> None:
    """List and explain dead events; publish them after all, or give them up.

    An event is dead when it cannot be encoded, routed or accepted as it is. Its copy is in the dead-letter topic, and
    with relay.on_dead = "hold" the later events of its key wait until it is retried or skipped.
    """


dead.add_command(retry_command)
dead.add_command(skip_command)


@dead.command("list")
@filters
@click.option("--decided", is_flag=True, help="What was decided so far, by whom and why, the latest first.")
@config_option
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True)
@json_option
def list_command(decided: bool, config: Path | None, limit: int, as_json: bool, **given: Any) -> None:
    """Show the dead events that nobody has decided about, in the order of their numbers.

    \b
    Examples:
      bridge dead list --type order.paid --older-than 2d
      bridge dead list --json
    """
    which = wanted(given)
    if decided and any(which.parameters.values()):
        raise click.UsageError("--decided shows all decisions")
    with database(load(config)) as conn:
        found: list[Decided] | list[DeadEvent]
        found = list_decisions(conn, None, limit) if decided else list_dead(conn, which, limit)
    if as_json:
        echo_json(found)
        return
    for one in found:
        echo(*(_decision(one) if isinstance(one, Decided) else _lines(one)))
    if not found:
        echo("No decisions." if decided else "No dead events.", err=True)


@dead.command("show")
@click.argument("event_id", type=click.UUID)
@config_option
@json_option
def show_command(event_id: UUID, config: Path | None, as_json: bool) -> None:
    """Explain one dead event: the reason, the field, what waits behind it, and what would become of it now.

    For that it is encoded with the configuration and schema files of now; nothing is published, and the registry is not
    asked. Its values are not shown.

    \b
    Example:
      bridge dead show 01a21d71-bf60-7c1f-ad35-146386d29779
    """
    from bridge.admin.dead_explain import explain

    settings = load_routed(config)
    with database(settings) as conn:
        found = explain(conn, settings, event_id)
    if as_json:
        document = asdict(found)
        for name in ("payload", "headers", "key_hash", "created_us"):
            del document["event"][name]
        echo_json(document)
    else:
        echo(*_explained(found))


@dead.command("export")
@click.argument("file", type=click.Path(path_type=Path))
@ids
@filters
@click.option("--all", "all_", is_flag=True, help="All that `bridge dead list` knows.")
@config_option
@json_option
def export_command(file: Path, all_: bool, config: Path | None, as_json: bool, **given: Any) -> None:
    """Write dead events to a new FILE, one JSON object a line, with their payloads. Only its owner may read it.

    \b
    Example:
      bridge dead export dead.jsonl --topic shop.order
    """
    from bridge.admin.dead_export import export_dead

    which = chosen(given, all_=all_)
    with database(load(config)) as conn, progress_bar() as progress:
        count = export_dead(conn, which, file, progress)
    if as_json:
        echo_json({"file": str(file), "events": count})
    else:
        echo(f"{counted(count, 'dead event', 'were')} written to {file}")


def _lines(event: DeadEvent) -> list[str]:
    cut = "..." if len(event.event_key) > SHOWN else ""
    died = event.died_at.isoformat(sep=" ", timespec="seconds")
    return [
        f"{event.event_id}  {event.event_type}  {event.event_key[:SHOWN]}{cut}",
        f"    dead since {died}{WAITS[event.waits_behind]}",
        f"    {event.reason}",
    ]


def _explained(found: Explained) -> list[str]:
    event = found.event
    lines = [*_lines(event), f"    topic {event.topic}, number {event.seq} of shard {event.shard}, {event.source}"]
    if found.field is not None:
        lines.append(f"    at {found.field} there is {found.holds or 'a value whose kind is not told'}")
    lines += [f"    {counted(found.waiting, 'later event', 'wait')} behind it", f"    Retried now, {found.on_retry}"]
    return lines + [f"    before: {line}" for decided in found.decisions for line in _decision(decided)]


def _decision(decided: Decided) -> list[str]:
    who = (
        f"{decided.decided_by} ({decided.os_user or 'unknown'} on {decided.host})"
        if decided.host
        else decided.decided_by
    )
    when = decided.decided_at.isoformat(sep=" ", timespec="seconds")
    return [f"{when}  {decided.decision}  {decided.event_id}  by {who}: {decided.why or 'no reason given'}"]
