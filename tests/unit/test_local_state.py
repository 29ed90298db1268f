"""What a stack remembers."""

from __future__ import annotations

import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from bridge.errors import ConfigError
from bridge.local.directory import locked
from bridge.local.state import State, read_state, write_state


def test_ports_differ_and_stay_below_those_of_outgoing_connections() -> None:
    ports = State.new().ports.values()

    assert len(set(ports)) == 5
    assert all(1024 < port < 32768 for port in ports)


def test_passwords_differ() -> None:
    assert State.new().password != State.new().password


def test_state_survives_and_is_private(tmp_path: Path) -> None:
    state = replace(State.new(), owner="token", owned=["kafka"])

    write_state(tmp_path, state)

    assert read_state(tmp_path) == state
    assert stat.S_IMODE((tmp_path / "state.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["", "{", "[]", '{"other": 1}', "\xff"])
def test_broken_state_is_said(tmp_path: Path, content: str) -> None:
    (tmp_path / "state.json").write_text(content, "latin-1")

    with pytest.raises(ConfigError, match=r"cannot read .*state\.json"):
        read_state(tmp_path)


def test_no_state(tmp_path: Path) -> None:
    assert read_state(tmp_path) is None
    assert read_state(tmp_path / "missing") is None
    (tmp_path / "file").write_text("")
    assert read_state(tmp_path / "file") is None


def test_lock_after_a_purge_is_the_new_one(tmp_path: Path) -> None:
    """A lock file that was deleted and made again while somebody waited does not count as held."""
    quiet = Console(quiet=True)
    with locked(tmp_path, quiet):
        (tmp_path / "lock").unlink()
        with locked(tmp_path, quiet):  # would wait for ever if the first still counted
            assert (tmp_path / "lock").exists()


def test_missing_extra_is_named() -> None:
    program = "import sys; sys.modules['jgo'] = None; from bridge.cli.main import main; main()"
    refused = subprocess.run([sys.executable, "-c", program, "local", "status"], capture_output=True, text=True)

    assert refused.returncode == 4
    assert "with its extra [local]" in refused.stderr
    assert "Traceback" not in refused.stderr
