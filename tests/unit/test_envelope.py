"""What programs are told: one envelope on standard output, whatever happens, the error in it too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from command_tree import COMMANDS

from bridge.cli.ending import run
from bridge.cli.options import _ask_for_json, json_lines_option, json_option
from bridge.cli.terminal import echo_json, echo_json_line
from bridge.errors import KeysBlocked, VerificationFailed

WITHOUT = {
    "archive export", "archive restore", "bench", "completion", "docs asyncapi", "docs markdown", "local down",
    "local env", "local psql", "local up", "mcp", "run", "track", "untrack", "web",
}  # fmt: skip
EVIL = "\x1b[2J\n\N{RIGHT-TO-LEFT OVERRIDE}é"


@click.group()
def ours() -> None:
    """A command line of the test's own."""


@ours.group()
def dead() -> None:
    """Like bridge dead."""


@dead.command("list")
@json_option
@click.option("--fail", type=click.Choice(["before", "after", "bug", "ctrl-c", "no"]), default="no")
@click.option("--lines", type=int, default=0)
@click.option("--code", type=int, default=0)
def list_command(as_json: bool, fail: str, lines: int, code: int) -> int:
    """Fails where it is told to."""
    errors = {"before": KeysBlocked(EVIL, hint="Decide"), "ctrl-c": KeyboardInterrupt(), "bug": ValueError("S3CR3T")}
    for number in range(lines):
        echo_json_line({"n": number})
    if fail in errors:
        raise errors[fail]
    if as_json and not lines:
        echo_json({"raw": b"\xff", "text": EVIL})
    if fail == "after":
        raise VerificationFailed("they differ")
    return code


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Any:
    def say(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
        code = run(ours, arguments)
        printed = capsys.readouterr().out
        assert all(" " <= char <= "~" or char == "\n" for char in printed)
        return code, [json.loads(line) for line in printed.splitlines()]

    return say


ENVELOPE = {"version": 1, "command": "dead list"}
DATA = {"data": {"raw": "\\xff", "text": EVIL}}
BLOCKED = {"error": {"code": "keys-blocked", "exit_code": 5, "message": EVIL, "hint": "Decide"}}


def test_one_document_with_what_there_is_to_say(say: Any) -> None:
    assert say("dead", "list", "--json") == (0, [ENVELOPE | DATA])
    assert say("dead", "list", "--json", "--code", "5") == (5, [ENVELOPE | DATA])
    assert say("dead", "list", "--json", "--fail", "before") == (5, [ENVELOPE | BLOCKED])
    code, (both,) = say("dead", "list", "--json", "--fail", "after")
    assert (code, both["error"]["code"], both["data"]) == (6, "verification-failed", DATA["data"])
    assert say("dead", "list") == (0, [])
    assert say("dead", "list", "--fail", "before") == (5, [])


def test_lines_are_envelopes_and_an_error_is_the_last(say: Any) -> None:
    lines = [ENVELOPE | {"data": {"n": number}} for number in range(2)]
    assert say("dead", "list", "--json", "--lines", "2") == (0, lines)
    assert say("dead", "list", "--json", "--lines", "2", "--fail", "before") == (5, [*lines, ENVELOPE | BLOCKED])


@pytest.mark.parametrize(
    ("arguments", "command", "code", "exit_code"),
    [
        (["dead", "list", "--json", "--fail", "ctrl-c"], "dead list", "interrupted", 130),
        (["dead", "list", "--json", "--fail", "bug"], "dead list", "bug", 1),
        (["dead", "list", "--json", "--nope"], "dead list", "usage-error", 2),
        (["dead", "list", "--fail", "nope", "--json"], "dead list", "usage-error", 2),
        (["dead", "lst", "--json"], "dead", "usage-error", 2),
        (["daed", "--json"], "", "usage-error", 2),
    ],
)
def test_whatever_ends_it(say: Any, arguments: list[str], command: str, code: str, exit_code: int) -> None:
    ended, (document,) = say(*arguments)
    assert (ended, document["command"], document["error"]["code"]) == (exit_code, command, code)
    assert (document["error"]["exit_code"], "data" in document) == (exit_code, False)
    assert "S3CR3T" not in str(document)


def test_lines_of_which_there_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    @ours.command("follow")
    @json_lines_option
    @click.option("--fail", is_flag=True)
    def follow(as_json: bool, fail: bool) -> None:
        """Nothing comes."""
        if fail:
            raise KeysBlocked(EVIL, hint="Decide")

    assert (run(ours, ["follow", "--json"]), capsys.readouterr().out) == (0, "")
    assert run(ours, ["follow", "--json", "--fail"]) == 5
    assert json.loads(capsys.readouterr().out) == {"version": 1, "command": "follow"} | BLOCKED


def test_a_command_that_has_nothing_to_say_says_that(capsys: pytest.CaptureFixture[str]) -> None:
    @ours.command("quiet")
    @json_option
    def quiet(as_json: bool) -> None:
        """Says nothing."""

    assert run(ours, ["quiet", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"version": 1, "command": "quiet", "data": None}


def test_all_commands_share_the_option() -> None:
    """Or their errors would not be in the envelope."""
    for name, command in COMMANDS.items():
        (own,) = [param for param in command.params if "--json" in param.opts] or [None]
        assert (own is None) == (name in WITHOUT), name
        assert own is None or getattr(own.callback, "func", None) is _ask_for_json, name


def start(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bridge", *arguments]
    return subprocess.run(command, text=True, timeout=60, check=False, **options)


def test_nobody_reads_it(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        done = start(
            "config", "check", "--json", "--config", str(tmp_path / "none.toml"), stdout=closed, stderr=subprocess.PIPE
        )
    assert (done.returncode, "Traceback" in done.stderr, "Exception" in done.stderr) == (1, False, False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has it")
def test_there_is_no_room_for_it(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        done = start(
            "config", "check", "--json", "--config", str(tmp_path / "none.toml"), stdout=full, stderr=subprocess.PIPE
        )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "bridge: the output cannot be written: No space left on device"
