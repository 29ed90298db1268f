"""docs/first-steps.md, word for word: its files are written and its commands typed, from an empty directory."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from documents import CHECKOUT, Block, blocks

from bridge.local.stack import Stack

PAGE = "docs/first-steps.md"
SECONDS = 300  # for one block; an idle machine needs a quarter of that for all


class Shell:
    """A bash that is typed into; what it and its background jobs print arrives in `lines`."""

    def __init__(self, directory: Path) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("BRIDGE_", "PG", "PYTHON"))}
        kept.pop("VIRTUAL_ENV", None)
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            ["bash"], cwd=directory, env=kept | {"PYTHONUNBUFFERED": "1"}, text=True, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        threading.Thread(target=self._read, daemon=True).start()
        self.type("trap 'echo FAILED: $BASH_COMMAND' ERR")

    def type(self, text: str) -> None:
        assert self._process.stdin is not None
        self._since = len(self.lines)
        self._process.stdin.write(f"{text}\n")
        self._process.stdin.flush()

    def expect(self, wanted: str, seconds: float) -> None:
        """Wait for a line, in which `...` is anything, since the last that was typed."""
        pattern = re.compile(".*".join(map(re.escape, wanted.split("..."))))
        ends = time.monotonic() + seconds
        while not any(map(pattern.fullmatch, self.lines[self._since :])):
            assert time.monotonic() < ends, "\n".join([f"{wanted!r} is not among:", *self.lines])
            time.sleep(0.05)

    def end(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self.lines.append(line.rstrip("\n"))


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    (tmp_path / "bridge").symlink_to(CHECKOUT)
    shell = Shell(tmp_path)
    yield shell
    shell.end()
    servers = Stack(tmp_path / "shop" / ".bridge")
    if servers.exists():
        servers.down(purge=True)


def follow(shell: Shell, block: Block, directory: Path) -> None:
    if block.title:
        (directory / block.title).write_text(block.text)
    elif block.language == "sh":
        shell.type(f"{block.text}echo done with line {block.line}")
        shell.expect(f"done with line {block.line}", SECONDS)
        assert not [line for line in shell.lines if line.startswith("FAILED: ")], shell.lines
    else:
        assert block.language == "text"
        for line in block.text.splitlines():
            shell.expect(line, 60)


@pytest.mark.timeout(2 * SECONDS)
def test_every_word_is_true(shell: Shell, tmp_path: Path) -> None:
    for block in blocks(PAGE):
        follow(shell, block, tmp_path / "shop")
    assert not (tmp_path / "shop" / ".bridge").exists()
