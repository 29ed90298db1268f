"""`bridge snapshot`: publish the rows that a tracked table has already."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import psycopg

from bridge.admin.snapshot import Snapshot, begin_snapshot, count_wanted, list_snapshots
from bridge.admin.snapshot_run import Limits, carry_out
from bridge.cli import completion
from bridge.cli.options import config_option, json_option, plain_text
from bridge.cli.progress import hint_if_interrupted, progress_bar
from bridge.cli.terminal import echo, echo_json
from bridge.configuration.load import load
from bridge.postgres.connection import connect
from bridge.postgres.migrate import require_current
from bridge.text import counted

SHOWN = 200  # characters of a condition in text; JSON has it whole


@click.command("snapshot")
@click.argument("table", required=False, callback=plain_text, shell_complete=completion.tables)
@click.option("--where", metavar="SQL", callback=plain_text, help="Only rows for which this holds; run as your role.")
@click.option("--rows-per-second", type=click.IntRange(min=0), default=5000, show_default=True, help="0: no limit.")
@click.option(
    "--max-pending",
    type=click.IntRange(min=1),
    default=20_000,
    show_default=True,
    help="Wait while about so many events are still to be published.",
)
@click.option(
    "--wait-seconds",
    type=click.FloatRange(min=0),
    help="How long to wait for locked rows, else for ever; and before, for a locked table, else 30 s.",
)
@click.option("--restart", is_flag=True, help="Give up what is unfinished, and begin with the first row.")
@click.option("--dry-run", is_flag=True, help="Count the rows, and publish nothing.")
@click.option("--list", "list_", is_flag=True, help="Show the snapshots of TABLE, or of all tables.")
@json_option
@config_option
def snapshot_command(
    table: str | None,
    where: str | None,
    rows_per_second: int,
    max_pending: int,
    wait_seconds: float | None,
    restart: bool,
    dry_run: bool,
    list_: bool,
    as_json: bool,
    config: Path | None,
) -> None:
    """Publish the rows that TABLE, which is tracked, has already, each as a READ event.

    Beside writers: a consumer never gets an older state of a row after a newer one. Whatever ends the command, the same
    again goes on from where it was. Exit code 3: rows, or the table, are locked for longer than --wait-seconds.

    \b
    Examples:
      bridge snapshot shop.orders --where 'total > 100' --dry-run
      bridge snapshot --list
    """
    if table is None and not list_:
        raise click.UsageError("name a table, or --list")
    if where is not None and not where.strip():  # an empty variable of a shell is no wish for all rows
        raise click.BadParameter("is empty; leave it out for all rows", param_hint="--where")
    with _database(config) as conn:
        if list_:
            _show(list_snapshots(conn, table), as_json=as_json)
        elif table is not None and dry_run:
            source, count = count_wanted(conn, table, where, wait_seconds)
            of = source.relation
            if as_json:
                echo_json({"relation": of, "name": source.name, "rows": count})
                return
            echo(f"{counted(count, 'row')} of {of} would be published as {source.name}")
            echo("Dry run: nothing was published.")
        elif table is not None:
            limits = Limits(rows_per_second or None, max_pending, wait_seconds)
            publish_rows(conn, table, where, limits, restart=restart, as_json=as_json)


def publish_rows(
    conn: psycopg.Connection,
    table: str,
    where: str | None,
    limits: Limits,
    *,
    restart: bool = False,
    as_json: bool = False,
) -> None:
    """Carry a snapshot out to its end, and show how far it is. Raises as `begin_snapshot` and `carry_out` do."""
    snapshot, named = begin_snapshot(conn, table, where, restart=restart, wait_seconds=limits.wait_seconds)
    if snapshot.rows_read:
        echo(f"Goes on behind the first {snapshot.rows_read:,} rows of {snapshot.relation}", err=True)
    is_said, written = False, snapshot.rows_written
    again = f"bridge snapshot {shlex.quote(snapshot.relation)}" + (f" --where {shlex.quote(where)}" if where else "")
    with hint_if_interrupted(f"The same again goes on: {again}"), progress_bar() as tell:
        for now in carry_out(conn, snapshot, named, limits):
            written = now.rows_written
            total = max(snapshot.rows_guessed or 0, now.rows_read) or None
            tell(snapshot.relation, now.rows_read, now.rows_read if now.is_finished else total)
            if now.waits_for and not is_said:
                echo(f"Waits: {now.waits_for}", err=True)
                is_said = True
    if as_json:
        echo_json({"id": snapshot.id, "relation": snapshot.relation, "name": snapshot.name, "rows_written": written})
        return
    recorded = f"{'was' if written == 1 else 'were'} recorded as {snapshot.name}"
    echo(f"{counted(written, 'row')} of {snapshot.relation} {recorded}, and the relay publishes them")


def _show(snapshots: list[Snapshot], *, as_json: bool) -> None:
    if as_json:
        echo_json(snapshots)
        return
    for found in snapshots:
        begun = found.started_at.isoformat(sep=" ", timespec="seconds")
        of = f" of about {found.rows_guessed:,}" if found.rows_guessed and found.state == "unfinished" else ""
        echo(
            f"{found.id}  {found.relation} as {found.name}: {found.state},"
            f" {counted(found.rows_written, 'row')} published, {found.rows_read:,}{of} read,"
            f" by {found.started_by} since {begun}"
        )
        if found.condition is not None:
            cut = "..." if len(found.condition) > SHOWN else ""
            echo(f"    where {found.condition[:SHOWN]}{cut}")
        if found.state == "unfinished" and not found.is_as_tracked:
            echo("    It cannot go on: its table is not tracked as it was")
    if not snapshots:
        echo("There are no snapshots.", err=True)


@contextmanager
def _database(config: Path | None) -> Iterator[psycopg.Connection]:
    with connect(load(config).database, application_name="bridge snapshot") as conn:
        require_current(conn)
        yield conn
