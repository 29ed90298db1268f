"""`bridge run`: carries events until it is stopped."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from bridge.cli.log_format import log_as, log_format_option, log_to_stderr
from bridge.cli.options import config_option
from bridge.relay.signals import stop_on_signals
from bridge.settings import Settings
from bridge.telemetry.address import Address, parse_address
from bridge.telemetry.pages import Page


@click.command()
@config_option
@click.option("--until-empty", is_flag=True, help="End when nothing is pending.")
@click.option(
    "--wait-seconds",
    type=click.FloatRange(min=0),
    help="How long to wait at the start for a server that is away.  [default: for ever]",
)
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Relay processes.")
@click.option(
    "--http",
    metavar="ADDRESS",
    envvar="BRIDGE_HTTP",
    help="Serve /livez, /readyz, /healthz, /metrics, and a page for people, at 127.0.0.1:9108, or :9108 for everybody.",
)
@click.option("--host-name", "names", multiple=True, help="What browsers may call it.")
@click.option("--verbose", "-v", is_flag=True, help="Log what the clients do, too.")
@log_format_option
def run(
    config: Path | None,
    until_empty: bool,
    wait_seconds: float | None,
    workers: int,
    http: str | None,
    names: tuple[str, ...],
    verbose: bool,
    log_format: str,
) -> None:
    """Carry events from Postgres to Kafka until stopped.

    SIGTERM and Ctrl-C finish the batch in flight, give the leases back and exit with 0, or with 5 where a shard was
    stopped or meets a bug. Start as many as you like, on as many machines: they share the shards out.

    \b
    Examples:
      bridge run --config bridge.toml --workers 2
      bridge run --config bridge.toml --until-empty
    """
    log_to_stderr(logging.DEBUG if verbose else logging.INFO, log_format)
    if not verbose:
        logging.getLogger("httpx2").setLevel(logging.WARNING)  # says every request
        logging.getLogger("psycopg").setLevel(logging.ERROR)  # a lost connection is said once, by us
    stopping = threading.Event()
    stop_on_signals(stopping.set)  # first of all: process 1 of a container hears of no signal that it does not handle
    from bridge.admin.config import checked  # the clients take half a second to import, and `bridge --help` needs none

    settings = checked(config)
    address = parse_address(http) if http else None
    if workers > 1:
        if stopping.is_set():
            return
        from bridge.relay.workers import run_workers, serving

        with (
            page_of(settings, address, names) as pages,
            serving(address, workers, settings.relay.lease_seconds, pages) as own,
        ):
            run_workers(workers, sys.argv[1:], own)
        return
    from bridge.relay.memory import tune
    from bridge.relay.relay import Relay

    tune()
    patience = float("inf") if wait_seconds is None else wait_seconds
    with page_of(settings, address, names) as pages:
        relay = Relay(settings, stopping, until_empty=until_empty, wait_seconds=patience, http=address, pages=pages)
        log_as(relay.relay_id)
        relay.run()


@contextmanager
def page_of(settings: Settings, http: Address | None, names: Sequence[str]) -> Iterator[Mapping[str, Page]]:
    """What `bridge web` shows, without its actions; of several workers their parent shows it."""
    if http is None or http.path:
        yield {}
        return
    from bridge.web.guard import guarded
    from bridge.web.pages import pages
    from bridge.web.watcher import Watcher

    watcher = Watcher(settings, may_act=False)
    watcher.start()
    try:
        yield guarded(pages(settings, watcher), (*names, http.host))
    finally:
        watcher.close()
