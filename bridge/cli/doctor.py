"""`bridge doctor`: what is wrong, and what to do about it."""

from __future__ import annotations

from pathlib import Path

import click

from bridge.admin.doctor import examine
from bridge.cli.options import config_option, json_option
from bridge.cli.terminal import echo, echo_json
from bridge.configuration.load import load
from bridge.postgres.connection import connect
from bridge.postgres.migrate import require_current


@click.command("doctor")
@click.option("--capture", is_flag=True, help="Look at the tracking of tables only; so far there is nothing else.")
@json_option
@config_option
def doctor_command(capture: bool, as_json: bool, config: Path | None) -> int:
    """Say what is wrong with the tracking of tables: a disabled trigger, another key, a table that has gone.

    Exit code 1 where changes are not recorded, or not rightly; 0 if all is well, whatever there is to note.

    \b
    Example:
      bridge doctor --json
    """
    with connect(load(config).database.url, application_name="bridge doctor") as conn:
        require_current(conn)
        found = examine(conn)
    if as_json:
        echo_json(found.as_json())
    else:
        echo(*(f"{'problem' if finding.is_problem else 'note'}: {finding}" for finding in found.findings))
        if not found.problems:
            echo(f"Nothing wrong with {found.tracked} tracked tables.")
    return 1 if found.problems else 0
