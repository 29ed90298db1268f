"""All commands of the command line, by their names, and whether a line could be typed."""

from __future__ import annotations

import itertools
import re
import shlex
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


def is_ours(word: str) -> bool:
    """Whether a word is for the command, and not for the shell."""
    return not re.fullmatch(r"[|&]|\d?>", word)


def parse(group: click.Group, line: str) -> str:
    """The command's name; it is not run, but types and callbacks look at all values. Raises click.UsageError."""
    inner = re.search(r"\$\((.+)\)", line)
    first, *words = shlex.split(inner[1] if inner else line)
    assert first == "bridge", line
    name: list[str] = []
    command: click.Command = group
    words = list(itertools.takewhile(is_ours, words))
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words[0])
        assert found is not None, line
        name.append(words.pop(0))
        command = found
    command.make_context(name[-1], words)
    return " ".join(name)
