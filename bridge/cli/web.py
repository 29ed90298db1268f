"""`bridge web`: a page to look at."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

import click

from bridge.cli.log_format import log_format_option, log_to_stderr
from bridge.cli.options import config_option
from bridge.cli.terminal import echo
from bridge.configuration.load import load_routed
from bridge.relay.signals import stop_on_signals
from bridge.secret import remember


@click.command("web")
@click.option("--http", "address", default="127.0.0.1:9109", show_default=True, help="Where to serve it.")
@click.option("--host-name", "names", multiple=True, help="What browsers may call it beside its address.")
@click.option("--allow-actions", is_flag=True, help="Let who knows the token retry and skip dead events.")
@click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="BRIDGE_WEB_TOKEN_FILE",
    help="Where the token stands.  [default: in BRIDGE_WEB_TOKEN]",
)
@log_format_option
@config_option
def web_command(
    address: str,
    names: tuple[str, ...],
    allow_actions: bool,
    token_file: Path | None,
    log_format: str,
    config: Path | None,
) -> None:
    """Serve a page with shards, topics, dead events, the keeper's jobs, and where an event is, until Ctrl-C.

    It reads the database alone, and changes nothing without --allow-actions. Whoever reaches the address may read it:
    there is no login, so serve it on this machine, or behind a proxy that has one. `bridge run --http` has the same
    page, without actions.

    \b
    Example:
      bridge web --http 127.0.0.1:9109
    """
    from bridge.telemetry.address import parse_address
    from bridge.telemetry.server import HttpServer
    from bridge.web.actions import posts
    from bridge.web.guard import guarded
    from bridge.web.pages import pages
    from bridge.web.watcher import Watcher

    log_to_stderr(logging.INFO, log_format)
    stopping = threading.Event()
    stop_on_signals(stopping.set)
    settings = load_routed(config)
    token = token_file.read_text().strip() if token_file else os.environ.get("BRIDGE_WEB_TOKEN", "")
    remember(token)
    actions = posts(settings, token) if allow_actions else {}
    watcher = Watcher(settings, may_act=allow_actions)
    where = parse_address(address)
    names = (*names, where.host)
    server = HttpServer(where, guarded(pages(settings, watcher), names), guarded(actions, names))
    watcher.start()
    server.start()
    echo(f"http://{server.address}/", err=True)
    try:
        stopping.wait()
    finally:
        server.close()
        watcher.close()
