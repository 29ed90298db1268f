"""Processes of `bridge` that are forked from one which has imported it already.

Imports are a third of a second of CPU, and the suite starts thousands of processes: a quarter of all that it computes.
What a process does from its first line on, its imports among it, is proven where it is begun anew.
"""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from bridge import failpoint
from bridge.__main__ import main

_IMPORTED = ("bridge.cli.main", "bridge.cli.run", "bridge.admin.config", "bridge.relay.relay")
_READ_AT_ONCE = ("PYTHON", "LANG", "LC_", "TZ", "OPENSSL_", "SSL_")  # when Python or a library of C begins

SECONDS = 60  # for a command

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(list(_IMPORTED))


class Process(Protocol):
    """What tests want of a process: of `subprocess.Popen`, and of `Forked`."""

    pid: int

    @property
    def returncode(self) -> int | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


def may_be_forked(environment: Mapping[str, str]) -> bool:
    """Whether nothing in it is read only when a process begins."""
    names = {name for name in environment.keys() | os.environ.keys() if name.startswith(_READ_AT_ONCE)}
    return all(environment.get(name) == os.environ.get(name) for name in names)


class Forked:
    """`bridge` with these arguments and this whole environment; `streams`: files for its three standard streams."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], streams: Mapping[int, Path]) -> None:
        for file in streams.values():
            file.touch()  # whoever reads it may be earlier than the process
        become = (arguments, dict(environment), streams, Path.cwd())
        self._process = _context.Process(target=_become, args=become, daemon=True)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired("bridge", timeout or 0)
        return code

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has just ended, and its server has yet to say so
                os.kill(self.pid, sig)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run(arguments: Sequence[str], environment: Mapping[str, str], answer: str = "") -> subprocess.CompletedProcess[str]:
    """The same to its end, as `subprocess.run` does it; `answer` is its standard input."""
    with tempfile.TemporaryDirectory() as directory:
        streams = {number: Path(directory) / str(number) for number in range(3)}
        streams[0].write_text(answer)
        process = Forked(arguments, environment, streams)
        try:
            code = process.wait(SECONDS)
        finally:
            process.kill()
        return subprocess.CompletedProcess(["bridge", *arguments], code, *(streams[n].read_text() for n in (1, 2)))


def _become(
    arguments: Sequence[str], environment: Mapping[str, str], streams: Mapping[int, Path], directory: Path
) -> None:
    """What `python -m bridge` is, once all is imported."""
    for number, file in streams.items():
        opened = os.open(file, os.O_WRONLY | os.O_APPEND if number else os.O_RDONLY)
        os.dup2(opened, number)
        os.close(opened)
    os.chdir(directory)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - multiprocessing took it away
    os.environ.clear()
    os.environ.update(environment)
    importlib.reload(failpoint)  # of this environment
    sys.argv = ["bridge", *arguments]
    main()
