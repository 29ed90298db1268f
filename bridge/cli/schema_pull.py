"""`bridge schema pull`: what the registry has, into files."""

from __future__ import annotations

from pathlib import Path

import click

from bridge.cli.options import config_option
from bridge.cli.schema_options import read_schemas
from bridge.cli.terminal import echo


@click.command("pull")
@click.argument("subjects", nargs=-1)
@config_option
@click.option("--force", is_flag=True, help="Overwrite files that say something else.")
def schema_pull_command(subjects: tuple[str, ...], config: Path | None, force: bool) -> None:
    """Write what the registry has of SUBJECTS into the directory of schemas, with the schemas that they use.

    Without SUBJECTS, of the routes' subjects and those that have a file. A file that says something else is left
    alone, and then nothing is written.
    """
    from bridge.admin.schema_pull import Puller

    written = 0
    for line in Puller(read_schemas(config, registry=True)).pull(subjects, force=force):
        written += 1
        echo(line)
    if not written:
        echo("Nothing to write: the files say what the registry has.")
