"""`bridge wait`: until something has come about, for scripts."""

from __future__ import annotations

import time
from pathlib import Path
from uuid import UUID

import click

from bridge.admin.wait import Look, empty, published, ready, wait_for
from bridge.cli.options import config_option, json_option
from bridge.cli.terminal import echo, echo_json
from bridge.configuration.load import load

TELL_SECONDS = 10.0  # between two lines about what is waited for


@click.command("wait")
@click.option("--for", "what", type=click.Choice(["ready", "empty", "event"]), required=True, help="What to wait for.")
@click.argument("event_id", type=click.UUID, required=False)
@click.option(
    "--timeout", "seconds", type=click.FloatRange(min=0), default=60.0, show_default=True, metavar="SECONDS",
    help="How long; 0: one look.",
)  # fmt: skip
@json_option
@config_option
def wait_command(what: str, event_id: UUID | None, seconds: float, as_json: bool, config: Path | None) -> None:
    """Wait until relays are ready, nothing is pending, or an event is published.

    ready: the database is migrated, relays hold all shards, and no server is away or refuses what they ask. empty:
    nothing is pending. event: EVENT_ID is published.

    Exit code 5: it cannot come about before a person decides (a stopped shard, dead events that block all that is left,
    a dead event). 7: it has not in time; what is missing is told.

    \b
    Examples:
      bridge wait --for ready --timeout 120
      bridge wait --for event 01a21d71-bf60-7c1f-ad35-146386d29779
    """
    if (what == "event") != (event_id is not None):
        raise click.UsageError("an EVENT_ID goes with --for event, and only with that")
    looks: dict[str, Look] = {"ready": ready, "empty": empty}
    begun = time.monotonic()
    wait_for(load(config).database, published(event_id) if event_id else looks[what], seconds, _Now())
    if as_json:
        echo_json({"for": what, "seconds": round(time.monotonic() - begun, 3)})


class _Now:
    """Says on standard error now and then what is waited for."""

    def __init__(self) -> None:
        self._next = time.monotonic() + TELL_SECONDS

    def __call__(self, missing: str) -> None:
        if time.monotonic() >= self._next:
            echo(f"still waits: {missing}", err=True)
            self._next = time.monotonic() + TELL_SECONDS
