"""What the documents tell people to type is there: commands, options, targets of make."""

from __future__ import annotations

import re
import runpy

import click
import pytest
from command_tree import COMMANDS, parse
from documents import CHECKOUT, DOCUMENTS, commands, inline

from bridge.cli.main import cli

MADE = "docs/commands.md"
TYPED = sorted({line for name in DOCUMENTS for line in commands(name)})


@pytest.mark.parametrize("line", [line for line in TYPED if line.startswith("bridge ")])
def test_every_command_could_be_typed(line: str) -> None:
    parse(cli, line.replace("EVENT_ID", "01a21d71-bf60-7c1f-ad35-146386d29779"))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_commands_within_sentences_and_their_options_are_there(name: str) -> None:
    for words in inline(name):
        command: click.Command = cli
        options = [word.partition("=")[0] for word in words if word.startswith("--")]
        for word in words:
            if not isinstance(command, click.Group) or not re.fullmatch("[a-z]+", word):
                break
            found = command.get_command(click.Context(command), word)
            assert found is not None, words
            command = found
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        unknown = set(options) - known - {"--help", "--version"}
        assert isinstance(command, click.Group) or not unknown, words


def test_every_target_of_make_is_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
    named = {target for name in DOCUMENTS for target in re.findall(r"`make ([a-z]+)", (CHECKOUT / name).read_text())}
    named |= {line.split()[1] for line in TYPED if line.startswith("make ")}
    assert named - targets == set()


def test_the_page_of_commands_is_what_the_code_says() -> None:
    page = runpy.run_path(str(CHECKOUT / "docs" / "site" / "commands.py"))["page"]()
    assert (CHECKOUT / MADE).read_text() == page, "make commands"
    assert all(f" bridge {name}\n" in page for name in COMMANDS)
