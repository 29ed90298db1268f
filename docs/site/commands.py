"""docs/commands.md, made from the code: `python docs/site/commands.py`; a test holds the two together."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

from bridge.cli.main import cli

PAGE = Path(__file__).parents[1] / "commands.md"
HEAD = """# Commands

Made from the code (`make commands`); `bridge COMMAND --help` says the same. What all of them share:
[`--json`](command-line.md#for-programs---json), [error codes](command-line.md#error-codes), and their
[exit codes](command-line.md#exit-codes), where it says no more. The [configuration](operations.md#configuration) may be
set by the environment, too.
"""


def page() -> str:
    """All of it."""
    return "\n".join([HEAD, *described(cli, ("bridge",))])


def described(group: click.Group, path: tuple[str, ...]) -> Iterator[str]:
    """The sections of a group's commands; a group of commands has one of its own before theirs."""
    context = click.Context(group, info_name=" ".join(path))
    for name in group.list_commands(context):
        if (command := group.get_command(context, name)) is None:
            continue
        yield from section(command, (*path, name))
        if isinstance(command, click.Group):
            yield from described(command, (*path, name))


def section(command: click.Command, path: tuple[str, ...]) -> Iterator[str]:
    """One command: what it does, how it is called, its options and examples."""
    context = click.Context(command, info_name=" ".join(path))
    text, _, examples = inspect.cleandoc(command.help or "").partition("\b\nExample")
    yield f"{'#' * len(path)} {' '.join(path)}\n"
    yield re.sub(r"(?<!\n)\n(?!\n)", " ", text.strip()).replace("<", "\\<") + "\n"
    if isinstance(command, click.Group):
        return
    yield f"```text\n{' '.join([*path, *command.collect_usage_pieces(context)])}\n```\n"
    if options := [option(parameter, context) for parameter in command.params if isinstance(parameter, click.Option)]:
        yield "| option | what |\n|---|---|\n" + "\n".join(options) + "\n"
    yield "```sh\n" + "\n".join(line.strip() for line in examples.splitlines()[1:]) + "\n```\n"


def option(option: click.Option, context: click.Context) -> str:
    """A row of the table."""
    names, text = option.get_help_record(context) or ("", "")
    names, _, choices = names.replace("|", " or ").partition(" [")
    words = [re.sub(r"\s+", " ", text).replace("<", "\\<")]
    if choices:
        words.insert(0, choices.replace("]", ".").replace(" or ", ", "))
    if option.envvar:
        words.append(f"`{option.envvar}` in the environment.")
    return f"| `{names}` | {' '.join(words).strip()} |"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
