"""`bridge status`: what is where, what waits, and why."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import click
from rich.table import Table

from bridge.admin.reasons import at_most, reasons
from bridge.admin.status import Status, read_status
from bridge.cli.options import config_option, json_option
from bridge.cli.terminal import PlainConsole, echo, echo_json
from bridge.configuration.load import load
from bridge.errors import ShardStopped, Unavailable
from bridge.postgres.connection import connect, look_briefly
from bridge.postgres.migrate import require_current


@click.command()
@config_option
@json_option
def status(config: Path | None, as_json: bool) -> int:
    """Show shards, leases, pending events, totals, and what waits for what; works when no relay runs.

    Exit code 0: nothing needs a person. 5: something does (a stopped shard, dead events that hold their keys, a held
    topic, a server that refuses, a failure nobody foresaw, events that wait for nothing that is known, or for a minute
    while no relay is at work, a job of the keeper that fails or that nobody does).
    3: a relay waits for a server that is away.

    \b
    Example:
      bridge status --json
    """
    with connect(load(config).database) as conn:
        look_briefly(conn)
        require_current(conn)
        now = read_status(conn)
    if as_json:
        echo_json(now.as_json())
    else:
        _print(now)
    if now.needs_person:
        return ShardStopped.exit_code
    return Unavailable.exit_code if now.waits else 0


def _print(now: Status) -> None:
    shards = Table("shard", "owner", "lease", "batch", "pending", "oldest", box=None, pad_edge=False)
    for shard in now.shards:
        oldest = "" if shard.oldest_age_seconds is None else f"{max(shard.oldest_age_seconds, 0):.1f} s"
        numbers = str(shard.batch_no), at_most(shard.pending)
        shards.add_row(str(shard.shard), shard.owner or "-", shard.lease, *numbers, oldest)
    sources = Table("source", "pending", "published", "dead or given up", box=None, pad_edge=False)
    for source in now.sources:
        sources.add_row(source.source, at_most(source.pending), str(source.processed), str(source.dead))
    console = PlainConsole()
    console.print(shards)
    console.print()
    console.print(sources)
    for line in reasons(now):
        echo("", line)
    if now.keeping.jobs:
        console.print()
        console.print(_jobs(now))
    if now.keeping.lines:
        echo("", *(f"keeper: {line}" for line in now.keeping.lines))
    if now.tracking:
        echo("", *(f"tracking: {problem}" for problem in now.tracking))


def _jobs(now: Status) -> Table:
    jobs = Table("keeper's job", "last run (UTC)", "outcome", "next (UTC)", box=None, pad_edge=False)
    for job in now.keeping.jobs:
        last = "-" if job.started_at is None else f"{job.started_at.astimezone(UTC):%Y-%m-%d %H:%M}"
        jobs.add_row(
            job.job,
            last,
            job.outcome or "-",
            f"{job.due_at.astimezone(UTC):%Y-%m-%d %H:%M}" if job.enabled else "disabled",
        )
    return jobs
