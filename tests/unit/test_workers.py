"""`bridge run --workers`, with other programs in place of relays: how they end is what the parent says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RUN = """
import sys
from bridge.relay.workers import WorkerFailed, run_workers

python, sys.executable = sys.executable, {program!r}
try:
    run_workers(8, [])
except WorkerFailed as error:
    sys.exit(error.exit_code)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "worker"
    path.touch(mode=0o755)
    return path


def ends_with(program: Path, *before: str) -> int:
    command = [*before, sys.executable, "-c", RUN.format(program=str(program))]
    return subprocess.run(command, timeout=60, check=False).returncode


def test_all_fail_at_once(program: Path) -> None:
    program.write_text("#!/bin/sh\nexit 4\n")
    for _ in range(5):
        assert ends_with(program) == 4


def test_the_parent_has_other_children(program: Path) -> None:
    program.write_text("#!/bin/sh\nsleep 1\n")
    assert ends_with(program, "sh", "-c", 'sleep 0.1 & exec "$@"', "sh") == 0


@pytest.mark.parametrize("listens", ["trap 'exit 0' TERM; ", ""], ids=["listening", "not yet listening"])
def test_it_is_asked_to_end(program: Path, listens: str) -> None:
    """Sent by the first worker that runs, while others may still be started."""
    program.write_text(f'#!/bin/sh\n{listens}kill -TERM "$BRIDGE_PARENT_PID"; sleep 30 & wait\n')
    assert ends_with(program) == 0
