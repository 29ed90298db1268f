"""What a shell proposes, and what it does not: names of others are data, and a key press does not wait for servers."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.shell_completion import BashComplete, FishComplete, ZshComplete

from bridge.cli.ending import COMPLETION
from bridge.cli.main import cli

CONFIG = """
[[routes]]
event_type = "order.paid"
topic = "shop.order"
encoding = "json"
[[routes]]
event_type = "order.*"
topic = "shop.other"
encoding = "json"
[[routes]]
table = "orders"
topic = "shop.rows"
encoding = "json"
"""
Propose = Callable[..., list[str]]


@pytest.fixture
def propose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Propose:
    config = tmp_path / "bridge.toml"
    config.write_text(CONFIG)
    monkeypatch.setenv("BRIDGE_CONFIG", str(config))
    monkeypatch.delenv("BRIDGE_DATABASE_URL", raising=False)

    def propose(*words: str) -> list[str]:
        shell = BashComplete(cli, {}, "bridge", COMPLETION)
        return [item.value for item in shell.get_completions(list(words[:-1]), words[-1])]

    return propose


def test_commands_options_and_choices(propose: Propose) -> None:
    assert propose("de") == ["dead", "demo"]
    assert propose("dead", "s") == ["show", "skip"]
    assert "--older-than" in propose("dead", "list", "--o")
    assert propose("wait", "--for", "e") == ["empty", "event"]


def test_topics_event_types_and_tables_of_the_routes(propose: Propose) -> None:
    assert propose("tail", "shop") == ["shop.order", "shop.other", "shop.rows"]
    assert propose("tail", "shop.order", "shop.r") == ["shop.rows"]
    for command in (["dead", "list"], ["replay"], ["verify"], ["erase", "k"]):
        assert propose(*command, "--topic", "shop.or") == ["shop.order"]
    assert propose("replay", "--type", "") == ["order.paid"], "a beginning is no type"
    assert propose("route", "ord") == ["order.paid", "orders"]


def test_a_configuration_that_is_named_counts_and_one_that_is_wrong_proposes_nothing(
    propose: Propose, tmp_path: Path
) -> None:
    other = tmp_path / "other.toml"
    other.write_text(CONFIG.replace("shop.", "store."))
    assert propose("tail", "--config", str(other), "st") == ["store.order", "store.other", "store.rows"]
    other.write_text("[relay")
    assert propose("tail", "--config", str(other), "st") == []


@pytest.mark.parametrize("name", ["$(touch x)", "a b", "a\nb", "a,b", "a`b`", "*", "\x1b[2J", "a;b", "a'b"])
def test_names_that_a_shell_would_read_otherwise_are_left_out(
    propose: Propose, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("bridge.cli.completion._asked", lambda *_: [name, "public.orders"])
    assert propose("untrack", "") == ["public.orders"]


def test_a_server_that_does_not_answer_is_not_waited_for(propose: Propose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.cli.completion.SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        monkeypatch.setenv("BRIDGE_DATABASE_URL", f"postgresql://nobody@127.0.0.1:{deaf.getsockname()[1]}/x")
        assert propose("untrack", "") == []
        assert propose("replay", "--type", "order") == ["order.paid"]
    monkeypatch.setenv("BRIDGE_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/x")
    assert propose("untrack", "") == []


@pytest.mark.parametrize("shell", [BashComplete, ZshComplete, FishComplete])
def test_the_script_is_clicks(shell: type[BashComplete | ZshComplete | FishComplete]) -> None:
    command = [sys.executable, "-m", "bridge", "completion", shell.name]
    script = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    maker = shell(cli, {}, "bridge", COMPLETION)
    assert script.strip() == (maker.source_template % maker.source_vars()).strip()
    if shutil.which(shell.name):
        subprocess.run([shell.name, "-n"], input=script, text=True, check=True, timeout=60)


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
def test_bash_completes(propose: Propose, tmp_path: Path) -> None:
    assert propose("tail", "shop.or") == ["shop.order"]
    program = tmp_path / "bridge"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m bridge "$@"\n')
    program.chmod(0o700)
    script = (
        'eval "$(bridge completion bash)"; COMP_WORDS=(bridge tail shop.or); COMP_CWORD=2; _bridge_completion bridge;'
        ' echo "${COMPREPLY[@]}"'
    )
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert (done.stdout, done.stderr) == ("shop.order\n", "")
