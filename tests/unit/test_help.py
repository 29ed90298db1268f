"""Every command's help has an example, and each of them could be typed."""

from __future__ import annotations

import inspect
import re

import click
import pytest
from command_tree import COMMANDS, parse

from bridge.cli.main import COMMANDS as BY_NAME
from bridge.cli.main import SECTIONS, cli


def examples(command: click.Command) -> list[str]:
    _, _, text = inspect.cleandoc(command.help or "").partition("\b\nExample")
    return re.findall(r"^ +(.+)$", text, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_has_an_example_that_parses(name: str) -> None:
    found = [parse(cli, line) for line in examples(COMMANDS[name])]
    assert found == [name] * len(found)
    assert 1 <= len(found) <= 3


def test_all_commands_are_listed_by_what_they_are_for() -> None:
    assert sorted(name for names in SECTIONS.values() for name in names) == sorted(BY_NAME)
    listed = cli.get_help(click.Context(cli))
    assert all(f"  {name} " in listed for name in BY_NAME)
    assert "..." not in listed.partition("Set up:")[2]


def test_an_option_that_is_not_there_is_found() -> None:
    with pytest.raises(click.UsageError):
        parse(cli, "bridge dead list --typo")
