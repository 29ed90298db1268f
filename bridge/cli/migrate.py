"""`bridge migrate`: brings the database to the version this program needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import click

from bridge.cli.options import config_option, json_option
from bridge.cli.progress import progress_bar
from bridge.cli.terminal import echo, echo_json
from bridge.configuration.load import load
from bridge.errors import ConfigError
from bridge.postgres import migrate as migration
from bridge.postgres.connection import PASSWORDS, parsed
from bridge.settings import DatabaseSettings
from bridge.text import counted

MOST_NAMED = 10  # files of one directory


def _without_password(_context: click.Context, _parameter: click.Parameter, url: str | None) -> str | None:
    """Refuse what every user of this machine could read in the list of processes, and the shell's history keeps."""
    if url and not parsed(url).keys().isdisjoint(PASSWORDS):
        raise click.BadParameter("must not have a password in it, which others could read: set BRIDGE_DATABASE_URL")
    return url


@click.command()
@click.option("--dry-run", is_flag=True, help="Print the SQL, change nothing; without a database, print all of it.")
@click.option(
    "--engine-only/--with-application",
    default=None,
    help="Leave out the reference application (schema crm), or add it. At first, an empty database gets it, and one "
    "that has bridge without it does not.",
)
@config_option
@json_option
@click.option(
    "--database-url",
    callback=_without_password,
    help="Which database, without a password; overrides BRIDGE_DATABASE_URL and the configuration.",
)
def migrate(
    dry_run: bool, engine_only: bool | None, config: Path | None, as_json: bool, database_url: str | None
) -> None:
    """Create or update what bridge needs in the database.

    A second run does nothing. Files are applied one by one, each in its own transaction: after a failure, run it again.

    \b
    Examples:
      bridge migrate --engine-only
      bridge migrate --dry-run > migration.sql
    """
    database = load(config).database
    if database_url is not None:
        database = replace(database, url=database_url)
    if dry_run:
        if database.url and engine_only is None:
            _tell_left_out(database)
        plan = migration.plan(database if database.url else None, engine_only=engine_only)
        if as_json:
            echo_json({"to_apply": [script.name for script in plan]})
            return
        sql = migration.render(plan)
        click.echo(sql, nl=False)  # noqa: TID251 - our own files, to be piped on as they are
        return
    if not database.url:
        raise ConfigError("no database is given", hint="Set BRIDGE_DATABASE_URL, or pass --database-url or --config")
    with progress_bar() as progress:
        names = migration.migrate(database, engine_only=engine_only, progress=progress)
    if engine_only is None:
        _tell_left_out(database)
    if as_json:
        echo_json({"applied": names})
        return
    echo(*_in_lines(names))
    echo(f"{counted(len(names), 'file')} applied" if names else "the database is up to date")


def _tell_left_out(database: DatabaseSettings) -> None:
    if migration.is_engine_alone(database):
        echo("The reference application (schema crm) is left out: bridge migrate --with-application adds it", err=True)


def _in_lines(names: list[str]) -> Iterator[str]:
    """Each file, but of a directory with many of them only how many: a first run has some hundred."""
    for directory, grouped in groupby(names, lambda name: name.rpartition("/")[0]):
        files = list(grouped)
        if len(files) <= MOST_NAMED:
            yield from (f"applied {name}" for name in files)
        else:
            yield f"applied {directory}: {len(files)} files"
