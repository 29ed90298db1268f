"""`bridge track`, `bridge untrack` and `bridge tracked`: of which tables the changes are recorded, and how."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import click
import psycopg

from bridge.admin.snapshot import count_wanted
from bridge.admin.snapshot_run import Limits
from bridge.admin.tracking import Wanted, find_tracked, has_rows, list_tracked, track, untrack
from bridge.cli import completion
from bridge.cli.options import config_option, json_option, plain_text
from bridge.cli.snapshot import publish_rows
from bridge.cli.terminal import echo, echo_json
from bridge.cli.tracked_view import describe, differences, in_a_line
from bridge.configuration.load import load
from bridge.postgres.connection import connect
from bridge.postgres.migrate import require_current
from bridge.postgres.route_findings import unrouted_findings
from bridge.postgres.tracking import tracking_report
from bridge.text import counted

Command = TypeVar("Command", bound=Callable[..., Any])

_wait = click.option(
    "--wait-seconds",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    help="How long to try where others keep the table locked; a try takes up to ten seconds itself.",
)


def _columns(name: str, text: str) -> Callable[[Command], Command]:
    """An option that names columns, just as they are called."""
    return click.option(f"--{name}", metavar="COLUMN", multiple=True, callback=plain_text, help=text)


@click.command("track")
@click.argument("table", callback=plain_text)
@_columns("key", "A column of the key, once for each; else the primary key. A unique index must have just these.")
@_columns("exclude", "A column that is left out; a change of it alone gives no event.")
@_columns("mask", 'A column whose values are recorded as "[masked]"; that they changed is told.')
@click.option("--name", callback=plain_text, help="What the table's changes are called; at first its name.")
@click.option("--event-type", callback=plain_text, help="ENTITY_CHANGE at first; ENTITY_LINK links entities.")
@click.option("--activity/--no-activity", default=None, help="Write bridge.activity_log, too; at first not.")
@click.option(
    "--replicated/--no-replicated", default=None, help="Record what logical replication applies; at first not."
)
@click.option(
    "--truncate-rows",
    type=click.IntRange(0, 2**31 - 1),
    help="Up to so many rows, 10000 at first, TRUNCATE gives a DELETE event for each.",
)
@click.option(
    "--event-key",
    metavar="TEMPLATE",
    callback=plain_text,
    help="The key of its events, made of its columns: 'order:{order_id}'; at first, and with '', <name>:<key>.",
)
@click.option("--reset", is_flag=True, help="Forget the former settings, masks too, but for those that are given.")
@click.option("--snapshot", is_flag=True, help="Then publish the rows that it has already: bridge snapshot.")
@click.option("--dry-run", is_flag=True, help="Do it, show what comes of it, and undo it.")
@_wait
@config_option
def track_command(
    table: str,
    key: tuple[str, ...],
    exclude: tuple[str, ...],
    mask: tuple[str, ...],
    name: str | None,
    event_type: str | None,
    activity: bool | None,
    replicated: bool | None,
    truncate_rows: int | None,
    event_key: str | None,
    reset: bool,
    snapshot: bool,
    dry_run: bool,
    wait_seconds: float,
    config: Path | None,
) -> None:
    """Record every change of TABLE from now on, in the transaction that makes it.

    TABLE is written as in SQL: orders, sales.orders, '"Odd name"'; columns just as they are called. Of a table that is
    tracked already, what is not given stays as it was. It says where no route is for it.
    Exit code 3: others keep the table locked, and are named.

    \b
    Examples:
      bridge track shop.orders --mask email --snapshot
      bridge track shop.lines --event-key 'order:{order_id}' --dry-run
    """
    wanted = Wanted(
        name,
        event_type,
        list(key) or None,
        list(exclude) or None,
        list(mask) or None,
        activity,
        replicated,
        truncate_rows,
        event_key,
    )
    if reset:
        wanted = wanted.reset()
    settings = load(config)
    with _database(config, "bridge track") as conn:
        with conn.transaction(force_rollback=dry_run) if dry_run else _nothing():
            now, former = track(conn, table, wanted, wait_seconds)
            found = [*tracking_report(conn), *unrouted_findings(conn, settings)]
            findings = [finding for finding in found if finding.name == now.name]
            present = count_wanted(conn, now.relation, None)[1] if snapshot and dry_run else None
        echo(*describe(now, findings), *(differences(former, now) if former else ()))
        if present is not None:
            echo(f"{counted(present, 'row')} of it would be published: bridge snapshot")
        if dry_run:
            echo("Dry run: nothing was changed.")
        elif snapshot:
            publish_rows(conn, now.relation, None, Limits())
        elif former is None and has_rows(conn, now):
            typed = shlex.quote(now.relation)
            echo(f"The rows that it has already have no events: bridge snapshot {typed}", err=True)


@click.command("untrack")
@click.argument("table", callback=plain_text, shell_complete=completion.tables)
@_wait
@config_option
def untrack_command(table: str, wait_seconds: float, config: Path | None) -> None:
    """Stop recording the changes of TABLE, which may be gone already; what was recorded stays.

    Exit code 3: others keep the table locked, and are named.

    \b
    Example:
      bridge untrack shop.orders
    """
    with _database(config, "bridge untrack") as conn:
        name, former = untrack(conn, table, wait_seconds)
    echo(f"{name} is not tracked any more")
    if former is None:
        return
    hidden = [f"--mask {shlex.quote(column)}" for column in former.masked]
    hidden += [f"--exclude {shlex.quote(column)}" for column in former.excluded]
    if hidden:
        again = " ".join(["bridge track", shlex.quote(name), *hidden])
        echo(f"What it hid is forgotten; to track it as before: {again}", err=True)


@click.command("tracked")
@click.argument("table", required=False, callback=plain_text)
@config_option
@json_option
def tracked_command(table: str | None, config: Path | None, as_json: bool) -> None:
    """List the tables whose changes are recorded, and how, or TABLE alone; bridge doctor says what is wrong.

    \b
    Example:
      bridge tracked --json
    """
    with _database(config, "bridge tracked") as conn:
        tables, findings = list_tracked(conn), tracking_report(conn)
        if table is not None:
            oid = find_tracked(conn, table).oid
            tables = [one for one in tables if one.oid == oid]
    problems = Counter(finding.name for finding in findings if finding.is_problem)
    if as_json:
        echo_json([{**asdict(one), "problems": problems[one.name]} for one in tables])
        return
    echo(*(in_a_line(one, problems[one.name]) for one in tables))
    if not tables:
        echo("No table is tracked.", err=True)


@contextmanager
def _database(config: Path | None, application_name: str) -> Iterator[psycopg.Connection]:
    with connect(load(config).database, application_name=application_name) as conn:
        require_current(conn)
        yield conn


@contextmanager
def _nothing() -> Iterator[None]:
    yield
