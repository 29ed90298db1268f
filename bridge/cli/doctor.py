"""`bridge doctor`: what is wrong, and what to do about it."""

from __future__ import annotations

from pathlib import Path

import click

from bridge.cli.options import config_option, json_option
from bridge.cli.terminal import echo, echo_json
from bridge.configuration.load import load, read
from bridge.errors import Unavailable
from bridge.text import counted


@click.command("doctor")
@click.option("--capture", is_flag=True, help="Look at the tracking of tables only; the exit code is about that alone.")
@json_option
@config_option
def doctor_command(capture: bool, as_json: bool, config: Path | None) -> int:
    """Say what is wrong with configuration, Postgres, relays, tracking, keeper, Kafka and registry, and how to mend it.

    A line each: ok, note or problem. Changes nothing. For a support ticket: no password and no payload is in it, but
    names of hosts, roles, applications, tables and topics are. Exit code 0: nothing is wrong, whatever there is to
    note. 1: there are problems. 3: a server could not be asked.

    \b
    Examples:
      bridge doctor --config bridge.toml
      bridge doctor --json > ticket.json
      bridge doctor --capture
    """
    if capture:
        return _capture(config, as_json=as_json)
    from bridge.admin.doctor import examine

    found = examine(read(config))
    if as_json:
        echo_json(found.as_json())
    else:
        echo(*map(str, found.checks))
        echo(counted(found.problems, "problem") if found.problems else "Nothing is wrong.")
    return Unavailable.exit_code if found.unasked else 1 if found.problems else 0


def _capture(config: Path | None, *, as_json: bool) -> int:
    from bridge.admin.doctor import examine_capture
    from bridge.postgres.connection import connect
    from bridge.postgres.migrate import require_current

    with connect(load(config).database, application_name="bridge doctor") as conn:
        require_current(conn)
        found = examine_capture(conn)
    if as_json:
        echo_json(found.as_json())
    else:
        echo(*(f"{'problem' if finding.is_problem else 'note'}: {finding}" for finding in found.findings))
        if not found.problems:
            echo(f"Nothing wrong with {found.tracked} tracked tables.")
    return 1 if found.problems else 0
