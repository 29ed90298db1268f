"""One real server as a daemon: found by a mark on its command line, started, awaited, stopped, killed.

The mark names the data directory, so no process id has to be kept: a crash cannot lose it and a reused one is never
mistaken for the server.
"""

from __future__ import annotations

import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import psutil

from bridge.errors import ConfigError, Unavailable
from bridge.local.process import environment, family, is_alive, kill, listener, spawn, wait_for_end, with_argument
from bridge.local.state import State, is_port_free

_POLL_SECONDS = 0.1
_PORT_SECONDS = 5.0
_START_SECONDS = 240  # a laptop that does much else at the same time
_STOP_SECONDS = 60


class Server(ABC):
    """A server of the stack. Its port and its data stay the same over stop, kill and start."""

    name: ClassVar[str]
    title: ClassVar[str]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, directory: Path, state: State) -> None:
        self.directory = directory
        self.state = state
        self.data = directory / self.name
        self.fresh = directory / f"{self.name}.new"  # while it is set up; renamed once complete
        self.log = directory / f"{self.name}.log"
        self.mark = f"bridge.local={self.data}"

    @property
    def port(self) -> int:
        return self.state.ports[self.name]

    @abstractmethod
    def set_up(self) -> Iterator[None]:
        """Create the data directory if there is none; yields while it waits."""

    @abstractmethod
    def command(self) -> list[str]:
        """The command line, with `self.mark` on it."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether the server answers as its clients expect."""

    def process(self) -> psutil.Process | None:
        """The running server, or None."""
        found = with_argument(self.mark, f"-D{self.mark}")
        return min(found, key=lambda process: process.create_time(), default=None)  # its forks carry the mark at first

    def start(self) -> None:
        """Start the server and wait until it answers. Raises Unavailable or ConfigError when it does not."""
        for _ in self.starting():
            time.sleep(_POLL_SECONDS)

    def starting(self) -> Generator[None]:
        """The steps of a start; yields while it waits, so that several servers can start side by side."""
        process = self.process()
        if process is None:
            yield from self.set_up()
            yield from self._ports_free()
            process = self._spawn()
        deadline = time.monotonic() + _START_SECONDS
        while not self.is_ready():
            if not is_alive(process):
                raise Unavailable(f"{self.title} stopped while starting: {self._complaint()}", hint=f"See {self.log}")
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"{self.title} did not answer on port {self.port} within {_START_SECONDS} s", hint=f"See {self.log}"
                )
            yield

    def stop(self) -> None:
        """Stop the server in an orderly way; it is killed if that takes more than a minute."""
        self._end(self.stop_signal)

    def end_set_up(self) -> None:
        """End what a killed command left behind while it created the data directory."""
        for process in with_argument(str(self.fresh), f"-Dbridge.local={self.fresh}"):
            kill(family(process))

    def kill(self) -> None:
        """End the server and all its processes at once, as a power cut would."""
        process = self.process()
        if process is not None:
            kill(family(process))

    def _end(self, number: signal.Signals) -> None:
        process = self.process()
        if process is None:
            return
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
        if not wait_for_end([process], _STOP_SECONDS):
            self.kill()

    def _run_set_up(self, command: list[str]) -> Generator[None]:
        """Run a tool that creates `self.fresh`; yields while it runs, ends it when nobody waits any more."""
        with (
            self.log.open("w") as log,
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment(),
                start_new_session=True,
            ) as tool,
        ):
            try:
                while tool.poll() is None:
                    yield
            finally:
                tool.kill()
        if tool.returncode:
            raise Unavailable(f"{self.title} could not be set up: {self._complaint()}", hint=f"See {self.log}")

    def _spawn(self) -> psutil.Process:
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.old"))
        return spawn(self.command(), self.log)

    def _ports_free(self) -> Iterator[None]:
        """Wait until our ports are free: the threads of a process just killed hold them for a moment longer than it."""
        deadline = time.monotonic() + _PORT_SECONDS
        for name, port in self.state.ports.items():
            while name.split("_")[0] == self.name and not is_port_free(port):
                if time.monotonic() > deadline:
                    raise ConfigError(
                        f"port {port}, which {self.title} of {self.directory} uses, is taken{listener(port)}",
                        hint="Stop that process, or let the stack choose others with `bridge local up --new-ports`",
                    )
                yield

    def _complaint(self) -> str:
        """The line of the log that most likely says why the server stopped."""
        lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        telling = [line for line in lines if any(word in line for word in ("FATAL", "ERROR", "Exception"))]
        return (telling or lines or ["it wrote nothing"])[-1]
