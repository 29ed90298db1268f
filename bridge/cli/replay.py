"""`bridge replay`: publish events once more, on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import psycopg

from bridge.admin.replay import (
    Departed,
    Replay,
    Wanted,
    begin_replay,
    count_wanted,
    find_departed,
    find_replay,
    list_replays,
    routes_of,
)
from bridge.admin.replay_run import carry_out
from bridge.cli import completion
from bridge.cli.options import Since, config_option, json_option, plain_text, reason_option
from bridge.cli.progress import hint_if_interrupted, progress_bar
from bridge.cli.terminal import echo, echo_json
from bridge.configuration.load import load, load_routed
from bridge.postgres.connection import connect
from bridge.postgres.explained import explained
from bridge.postgres.migrate import require_current
from bridge.settings import Settings
from bridge.text import counted


@click.command("replay")
@click.option("--from", "since", type=Since(), help="Events from this time on: 2026-03-01T12:00Z, 6h, 2d.")
@click.option("--to", "until", type=Since(), help="Events before this time.  [default: now]")
@click.option(
    "--type",
    "types",
    metavar="TYPE",
    shell_complete=completion.event_types,
    help="Only events of this type; may be repeated.",
    multiple=True,
    callback=plain_text,
)
@click.option(
    "--key", "keys", metavar="KEY", help="Only events of this key; may be repeated.", multiple=True, callback=plain_text
)
@click.option(
    "--topic",
    "topics",
    metavar="TOPIC",
    shell_complete=completion.topics,
    help="Only what goes to this topic; may be repeated.",
    multiple=True,
    callback=plain_text,
)
@click.option(
    "--max-open",
    type=click.IntRange(min=1),
    default=10_000,
    show_default=True,
    help="Wait while about so many replayed events are still to be published.",
)
@click.option("--resume", type=click.IntRange(min=1), metavar="NUMBER", help="Go on with a replay that is unfinished.")
@reason_option
@click.option("--dry-run", is_flag=True, help="Count the events, and publish nothing.")
@click.option("--list", "list_", is_flag=True, help="Show the replays that there are.")
@json_option
@config_option
def replay_command(
    since: datetime | timedelta | None,
    until: datetime | timedelta | None,
    types: tuple[str, ...],
    keys: tuple[str, ...],
    topics: tuple[str, ...],
    max_open: int,
    resume: int | None,
    reason: str | None,
    dry_run: bool,
    list_: bool,
    as_json: bool,
    config: Path | None,
) -> None:
    """Publish events of a time once more, each with the header bridge_replayed, in the order of their numbers.

    Only what was published before. A replayed event is the same event: consumers that know it by its ce_id skip it,
    unless they look for the header. Beside writers, and new events do not wait for it. Whatever ends the command,
    --resume goes on from where it was.

    \b
    Examples:
      bridge replay --from 2d --type order.paid --dry-run
      bridge replay --resume 3
    """
    if list_ + (since is not None) + (resume is not None) != 1 or (since is None and until is not None):
        raise click.UsageError("give --from and perhaps --to, or --resume, or --list")
    if resume is not None and (types or keys or topics or reason or dry_run):
        raise click.UsageError("what is resumed is as it was begun")
    settings = load(config) if list_ else load_routed(config)
    with _database(settings) as conn:
        if list_:
            _show(list_replays(conn), as_json=as_json)
            return
        if resume is not None:
            _publish(conn, settings, find_replay(conn, resume), max_open, as_json=as_json)
            return
        wanted = Wanted(_moment(since), _moment(until or timedelta()), types, keys, topics)
        if wanted.since >= wanted.until:
            raise click.UsageError("--from is not before --to")
        routes = routes_of(settings, topics, types)
        _tell_departed(find_departed(conn, wanted.since, wanted.until))
        if not dry_run:
            _publish(conn, settings, begin_replay(conn, wanted, reason), max_open, as_json=as_json)
            return
        expected = count_wanted(conn, wanted, routes)
        if as_json:
            echo_json(expected._asdict())
            return
        echo(f"{counted(expected.events, 'event')} would be published once more")
        echo(f"  {expected.unpublished:,} were not published before: pending, or dead")
        echo(f"  {expected.being_replayed:,} are being replayed already")
        echo(f"  {expected.unrouted:,} have no route any more, or were erased")
        echo("Dry run: nothing was published.")


def _publish(conn: psycopg.Connection, settings: Settings, replay: Replay, max_open: int, *, as_json: bool) -> None:
    if replay.state == "finished":
        if as_json:
            echo_json({"id": replay.id, "events_parked": replay.events_parked, "events_passed": replay.events_passed})
        else:
            echo(f"Replay {replay.id} is finished: there is nothing to go on with")
        return
    echo(f"Replay {replay.id}; if this ends early: bridge replay --resume {replay.id}", err=True)
    is_said, parked, passed = False, replay.events_parked, replay.events_passed
    with hint_if_interrupted(f"bridge replay --resume {replay.id} goes on"), progress_bar() as tell:
        for now in carry_out(conn, replay, routes_of(settings), max_open):
            parked, passed = now.parked, now.passed
            tell(f"replay {replay.id}", min(now.last_seq, replay.until_seq), replay.until_seq)
            if now.waits_for and not is_said:
                echo(f"Waits: {now.waits_for}", err=True)
                is_said = True
    if as_json:
        echo_json({"id": replay.id, "events_parked": parked, "events_passed": passed})
        return
    handed = f"{counted(parked, 'event', 'were')} handed to the relay"
    echo(f"{handed}, which publishes them with bridge_replayed: {replay.id}")
    if passed:
        were = "was" if passed == 1 else "were"
        echo(f"{passed:,} {were} passed: not published before, being replayed already, erased, or without a route")


def _tell_departed(departed: list[Departed]) -> None:
    for left in departed:
        rows = "" if left.rows is None else f", {counted(left.rows, 'event')} as far as they were counted"
        since, until = (time.isoformat(sep=" ", timespec="minutes") for time in (left.since, left.until))
        partitions = f"{counted(left.partitions, 'table partition')} of {left.parent} departed"
        echo(f"bridge: {partitions}, of {since} to {until}{rows}: they cannot be replayed", err=True)
        if left.has_files:
            echo("    bridge archive restore makes tables of their cold files: attach these again first", err=True)


def _show(replays: list[Replay], *, as_json: bool) -> None:
    if as_json:
        echo_json(replays)
        return
    for found in replays:
        begun, since, until = (
            time.isoformat(sep=" ", timespec="seconds") for time in (found.started_at, found.since, found.until)
        )
        echo(
            f"{found.id}  {since} to {until}: {found.state}, {counted(found.events_parked, 'event')},"
            f" {found.events_open:,} of them still to be published, {found.events_refused:,} refused,"
            f" {found.events_passed:,} passed,"
            f" by {found.started_by} since {begun}: {found.why or 'no reason given'}"
        )
    if not replays:
        echo("There are no replays.", err=True)


def _moment(given: datetime | timedelta | None) -> datetime:
    now = datetime.now(UTC)
    return now - given if isinstance(given, timedelta) else given or now


@contextmanager
def _database(settings: Settings) -> Iterator[psycopg.Connection]:
    with explained(), connect(settings.database, application_name="bridge replay") as conn:
        require_current(conn)
        yield conn
