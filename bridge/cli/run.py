"""`bridge run` and `bridge status`."""

from __future__ import annotations

import gc
import logging
import sys
from pathlib import Path

import click
import orjson
from rich.console import Console
from rich.table import Table

from bridge.admin.status import Status, read_status
from bridge.cli.options import config_option
from bridge.configuration.load import load
from bridge.postgres.connection import connect
from bridge.postgres.migrate import require_current


@click.command()
@config_option
@click.option("--until-empty", is_flag=True, help="End when nothing is pending.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Relay processes.")
@click.option("--verbose", "-v", is_flag=True, help="Log what the clients do, too.")
def run(config: Path | None, until_empty: bool, workers: int, verbose: bool) -> None:
    """Carry events from Postgres to Kafka until stopped.

    SIGTERM and Ctrl-C finish the batch in flight, give the leases back and exit with 0. Start as many as you like,
    on as many machines: they share the shards out.
    """
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)-7s %(message)s",
        stream=sys.stderr,
    )
    if not verbose:
        logging.getLogger("httpx2").setLevel(logging.WARNING)  # says every request
        logging.getLogger("psycopg").setLevel(logging.ERROR)  # a lost connection is said once, by us
    from bridge.admin.config import checked  # the clients take half a second to import, and `bridge --help` needs none

    settings = checked(config)
    if workers > 1:
        from bridge.relay.workers import run_workers

        run_workers(workers, sys.argv[1:])
        return
    from bridge.relay.relay import Relay

    gc.freeze()  # a batch makes tens of thousands of objects, none of them garbage; looking for it took a fifth of all
    gc.set_threshold(100_000, 50, 100)
    relay = Relay(settings, until_empty=until_empty)
    relay.stop_on_signals()
    relay.run()


@click.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def status(config: Path | None, as_json: bool) -> None:
    """Show shards, leases, pending events and totals; works when no relay runs."""
    with connect(load(config).database.url) as conn:
        require_current(conn)
        now = read_status(conn)
    if as_json:
        click.echo(orjson.dumps(now.as_json()))
    else:
        _print(now)


def _print(now: Status) -> None:
    shards = Table("shard", "owner", "lease", "batch", "pending", "oldest", box=None, pad_edge=False)
    for shard in now.shards:
        lease = "free" if shard.lease_seconds is None else f"{shard.lease_seconds:.0f} s"
        lease = "stopped" if shard.stopped else "run out" if (shard.lease_seconds or 0) < 0 else lease
        oldest = "" if shard.oldest_age_seconds is None else f"{max(shard.oldest_age_seconds, 0):.1f} s"
        shards.add_row(str(shard.shard), shard.owner or "-", lease, str(shard.batch_no), str(shard.pending), oldest)
    sources = Table("source", "pending", "processed", "dead", box=None, pad_edge=False)
    for source in now.sources:
        sources.add_row(source.source, str(source.pending), str(source.processed), str(source.dead))
    console = Console()
    console.print(shards)
    for shard in now.shards:
        if shard.stopped is not None:
            console.print(f"\n{shard.stopped}. See bridge recover --dry-run", soft_wrap=True, markup=False)
    console.print()
    console.print(sources)
