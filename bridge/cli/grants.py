"""`bridge grants`: what each role needs in the database and in Kafka."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bridge.admin.grants import IN_DATABASE, ROLES, grants
from bridge.cli.options import config_option, json_option, plain_text
from bridge.cli.terminal import echo_document, echo_json
from bridge.configuration.load import load
from bridge.postgres.connection import connect

if TYPE_CHECKING:
    from bridge.admin.grants import Grants


@click.command("grants")
@click.option("--role", type=click.Choice(list(ROLES)), help="This one alone; else all.")
@click.option(
    "--to", metavar="NAME", callback=plain_text, help="The role's name in Postgres, the user's in Kafka; my_<role>."
)
@json_option
@config_option
def grants_command(role: str | None, to: str | None, as_json: bool, config: Path | None) -> None:
    """Print the SQL, and Kafka's ACLs, that give a role exactly what it needs. Changes nothing.

    The SQL is for psql, as the owner of the schema bridge: one transaction, all or nothing. The roles must be there.
    Kafka's are commands, which are comments in it. Topics and names are the configuration's. For migrator and consumer
    no database is asked.

    \b
    Examples:
      bridge grants --role relay --to shop_relay --config bridge.toml | psql service=owner
      bridge grants --role relay --to shop_relay --json --config bridge.toml | jq -r '.data.roles[].kafka[]' | sh -e
    """
    if to is not None and role is None:
        raise click.UsageError("--to names one role: say which with --role.")
    if to is not None and not (to and to.isprintable()):
        raise click.BadParameter("is no name of one line.", param_hint="--to")
    settings = load(config)
    wanted = [role] if role else list(ROLES)
    with ExitStack() as resources:
        conn = None
        if any(one in IN_DATABASE for one in wanted):
            conn = resources.enter_context(connect(settings.database, application_name="bridge grants"))
        found = [grants(conn, settings, one, to or f"my_{one}") for one in wanted]
    if as_json:
        echo_json({"roles": [asdict(one) for one in found]})
    else:
        statements = (line for one in found for line in _lines(one))
        echo_document(r"\set ON_ERROR_STOP on", "begin;", *statements, "commit;")


def _lines(one: Grants) -> list[str]:
    return [
        f"-- {one.role}: {one.use}",
        *(f"{statement};" for statement in one.sql),
        *(f"-- {command}" for command in one.kafka),
    ]
