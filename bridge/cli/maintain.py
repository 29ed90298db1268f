"""`bridge maintain`: keeps house without a relay, for those who prefer cron."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import click

from bridge.cli.log_format import log_as, log_format_option, log_to_stderr
from bridge.cli.options import config_option, json_lines_option
from bridge.cli.terminal import echo, echo_json, echo_json_line
from bridge.configuration.load import load
from bridge.errors import BridgeError
from bridge.keeping.keeper import JOBS, Run
from bridge.keeping.step import Outcome
from bridge.log_fields import about
from bridge.postgres.connection import connect
from bridge.postgres.members import own_id
from bridge.postgres.migrate import require_current
from bridge.relay.house import HouseKeeper
from bridge.relay.signals import stop_on_signals

logger = logging.getLogger(__name__)


@click.command("maintain")
@click.option("--once", is_flag=True, help="Do every enabled job now, whether it is due or not, and end.")
@click.option(
    "--job",
    "jobs",
    type=click.Choice(list(JOBS)),
    multiple=True,
    help="Only this one, with --once even if it is not enabled; may be repeated.",
)
@json_lines_option
@log_format_option
@config_option
def maintain_command(once: bool, jobs: tuple[str, ...], as_json: bool, log_format: str, config: Path | None) -> int:
    """Keep house: partitions, retention, archive, views, capture, clean-up, as the tables of policies say.

    A relay does the same, unless relay.keep_house is false; one keeper at a time is at work. Without --once it goes on
    until it is stopped, and does what is due. Exit code of --once: 0 done; 1 a job failed or could not do all, or
    another keeper is at work.

    \b
    Example:
      bridge maintain --once --job partitions --job retention
    """
    log_to_stderr(logging.ERROR if once else logging.INFO, log_format)  # what a run did is printed
    settings, owner = load(config), own_id()
    log_as(owner)

    def tell(run: Run) -> None:
        if as_json:
            echo_json_line(_document(run))
        else:
            _print(run)

    house = HouseKeeper(settings, owner, jobs=jobs, tell=tell)
    stop_on_signals(house.end)
    if once:
        return _once(house, as_json)
    with connect(settings.database) as conn:
        require_current(conn)
    logger.info("keeping house; relays do, too, unless their relay.keep_house is false", extra=about("keeper-started"))
    house.run()
    return 0


def _once(house: HouseKeeper, as_json: bool) -> int:
    runs = house.once()
    if runs is None:
        raise BridgeError("another keeper is at work", hint="A relay keeps house, or another command does; try again")
    if as_json:
        echo_json([_document(run) for run in runs])
    else:
        for run in runs:
            _print(run)
    return int(any(run.outcome is not Outcome.OK for run in runs))


def _document(run: Run) -> dict[str, Any]:
    return {"job": run.job, "outcome": run.outcome, "steps": [step._asdict() for step in run.steps]}


def _print(run: Run) -> None:
    echo(f"{run.job}: {run.outcome}")
    echo(*(f"  {step.outcome}: {step.action} {step.target}: {step.detail}" for step in run.steps))
