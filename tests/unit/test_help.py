"""Every command's help has an example, and each of them could be typed."""

from __future__ import annotations

import inspect
import itertools
import re
import shlex
from collections.abc import Iterator

import click
import pytest
from command_tree import COMMANDS

from bridge.cli.main import cli


def examples(command: click.Command) -> Iterator[list[str]]:
    """The words behind `bridge`, without what the shell keeps for itself."""
    _, _, text = inspect.cleandoc(command.help or "").partition("\b\nExample")
    for line in re.findall(r"^ +(.+)$", text, re.MULTILINE):
        inner = re.search(r"\$\((.+)\)", line)
        first, *words = shlex.split(inner[1] if inner else line)
        assert first == "bridge", line
        yield list(itertools.takewhile(lambda word: word not in "|>", words))


def parse(group: click.Group, words: list[str]) -> tuple[str, click.Context]:
    """What it would run. Types and callbacks look at all values; nothing is run."""
    command = group.get_command(click.Context(group), words[0])
    assert command is not None, words[0]
    if isinstance(command, click.Group):
        name, context = parse(command, words[1:])
        return f"{words[0]} {name}", context
    return words[0], command.make_context(words[0], words[1:])


@pytest.mark.parametrize("name", COMMANDS)
def test_each_has_an_example_that_parses(name: str) -> None:
    found = [parse(cli, words) for words in examples(COMMANDS[name])]
    assert [typed for typed, _ in found] == [name] * len(found)
    assert 1 <= len(found) <= 3


def test_an_option_that_is_not_there_is_found() -> None:
    with pytest.raises(click.UsageError):
        parse(cli, ["dead", "list", "--typo"])
