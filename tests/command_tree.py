"""All commands of the command line, by their names."""

from __future__ import annotations

from collections.abc import Iterator

import click

from bridge.cli.main import cli


def commands(group: click.Group = cli, *path: str) -> Iterator[tuple[str, click.Command]]:
    """Those that do something: `dead list`, and not `dead`."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield " ".join([*path, name]), command


COMMANDS = dict(commands())
