"""`bridge top`: how fast things go, and what waits, until Ctrl-C."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

import click

from bridge.admin.overview import Overview
from bridge.admin.pace import Pace
from bridge.cli.options import config_option, json_lines_option
from bridge.cli.terminal import PlainConsole, echo_json_line
from bridge.cli.top_view import TopView
from bridge.configuration.load import load
from bridge.errors import DatabaseUnavailable

KEPT_SECONDS = 3600.0


@click.command("top")
@click.option(
    "--interval", type=click.FloatRange(0.2, 3600), default=2.0, show_default=True, help="Seconds between looks."
)
@click.option("--looks", type=click.IntRange(min=1), help="End after as many.  [default: at Ctrl-C]")
@json_lines_option
@config_option
def top_command(interval: float, looks: int | None, as_json: bool, config: Path | None) -> int:
    """Watch rates, lag, latency, shards, topics, what waits and why, and the keeper; changes nothing.

    On a terminal a picture that is drawn anew, elsewhere a line at each look. Whatever relays run, on whichever
    machine: what is shown, they have written into the database. Where that is away, it is tried again. A rate takes
    two looks. Exit code 3: Postgres did not answer the last of --looks.

    \b
    Examples:
      bridge top --interval 5
      bridge top --looks 2 --json
    """
    from bridge.admin.watch import Watch

    watch = Watch(load(config), int(KEPT_SECONDS / interval) + 1)
    left = looks
    look: Overview | DatabaseUnavailable | None = None
    with watch, JsonView() if as_json else TopView(PlainConsole(), interval) as view:
        while left is None or left > 0:
            try:
                look = watch.look()
                view.show(look, watch.pace)
                left = None if left is None else left - 1
                if left == 0:
                    break
                threading.Event().wait(interval)
            except KeyboardInterrupt:  # how one leaves it
                return 0
    return look.exit_code if isinstance(look, DatabaseUnavailable) else 0


class JsonView(AbstractContextManager["JsonView"]):
    """A document a look; one that failed ends it, for a program can begin again."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """There is nothing to end."""

    def show(self, look: Overview | DatabaseUnavailable, pace: Pace) -> None:
        """Print it. Raises DatabaseUnavailable."""
        from bridge.web.summary import summary

        if isinstance(look, DatabaseUnavailable):
            raise look
        echo_json_line(summary(look, pace))
