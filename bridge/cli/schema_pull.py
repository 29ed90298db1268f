"""`bridge schema pull`: what the registry has, into files."""

from __future__ import annotations

from pathlib import Path

import click

from bridge.cli.options import config_option, json_option
from bridge.cli.schema_options import read_schemas
from bridge.cli.terminal import echo, echo_json


@click.command("pull")
@click.argument("subjects", nargs=-1)
@config_option
@click.option("--force", is_flag=True, help="Overwrite files that say something else.")
@json_option
def schema_pull_command(subjects: tuple[str, ...], config: Path | None, force: bool, as_json: bool) -> None:
    """Write what the registry has of SUBJECTS into the directory of schemas, with the schemas that they use.

    Without SUBJECTS, of the routes' subjects and those that have a file. A file that says something else is left
    alone, and then nothing is written.

    \b
    Example:
      bridge schema pull --config bridge.toml
    """
    from bridge.admin.schema_pull import Puller

    written = []
    for line in Puller(read_schemas(config, registry=True)).pull(subjects, force=force):
        written.append(line)
        if not as_json:
            echo(line)
    if as_json:
        echo_json({"done": written})
    elif not written:
        echo("Nothing to write: the files say what the registry has.")
