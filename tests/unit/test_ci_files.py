"""docs/ci: the files that users copy say what the command line understands, and do what the documents promise."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from bridge.cli.main import cli

CI = Path(__file__).parents[2] / "docs" / "ci"
SCRIPTS = re.findall(r"^ *- run: (.*)$", (CI / "github-workflow.yml").read_text(), re.M)
HOOK = re.findall(r"^ *entry: (.*)$", (CI / "pre-commit-config.yaml").read_text(), re.M)[0]
COMMANDS = [command for command in [*SCRIPTS, HOOK] if command.startswith("bridge ")]
SCHEMA = '{"type": "record", "name": "shop.Paid", "fields": [{"name": "n", "type": "int"}]}'


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_one(command: str) -> None:
    _, group, name, *arguments = shlex.split(command)
    told = CliRunner().invoke(cli, [group, name, "--help"])
    assert told.exit_code == 0
    assert all(argument in told.output for argument in arguments if argument.startswith("--"))


def test_no_value_from_outside_is_put_into_a_script() -> None:
    """A branch may be called like a command; a variable of the environment stays a value."""
    assert len(COMMANDS) == 4
    assert not any("${{" in script for script in SCRIPTS)


def test_the_hook_stops_a_commit_that_would_break_readers(tmp_path: Path) -> None:
    (tmp_path / "bridge.toml").write_text(
        'schemas = "."\n[[routes]]\nevent_type = "a"\ntopic = "t"\nsubject = "paid"\n'
    )
    file = tmp_path / "paid.avsc"
    file.write_text(SCHEMA)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"]
    for arguments in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "x"]):
        subprocess.run([*git, *arguments], check=True)
    assert hook(tmp_path) == 0
    file.write_text(SCHEMA.replace('"int"', '"string"'))
    assert hook(tmp_path) == 1


def hook(directory: Path) -> int:
    command = [sys.executable, "-m", *shlex.split(HOOK)]
    return subprocess.run(command, cwd=directory, check=False, stdout=subprocess.DEVNULL).returncode
