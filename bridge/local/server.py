"""One real server as a daemon: found by a mark on its command line, started, awaited, stopped, killed.

The mark names the data directory, so no process id has to be kept: a crash cannot lose it and a reused one is never
mistaken for the server.
"""

from __future__ import annotations

import os
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import psutil

from bridge.errors import ConfigError, Unavailable
from bridge.local.state import State, is_port_free

_POLL_SECONDS = 0.1
_START_SECONDS = 240  # a laptop that does much else at the same time
_STOP_SECONDS = 60
# A command that runs in the background may ignore signals, and its children would inherit that.
_DEFAULT_SIGNALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE)


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
        found = _with_argument(self.mark, f"-D{self.mark}")
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
            self._check_ports()
            process = self._spawn()
        deadline = time.monotonic() + _START_SECONDS
        while not self.is_ready():
            if not _is_alive(process):
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
        for process in _with_argument(str(self.fresh), f"-Dbridge.local={self.fresh}"):
            kill(_family(process))

    def kill(self) -> None:
        """End the server and all its processes at once, as a power cut would."""
        process = self.process()
        if process is not None:
            kill(_family(process))

    def _end(self, number: signal.Signals) -> None:
        process = self.process()
        if process is None:
            return
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
        if not wait_for_end([process], _STOP_SECONDS):
            self.kill()

    def _spawn(self) -> psutil.Process:
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.old"))
        command = self.command()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        pid = os.posix_spawn(
            command[0],
            command,
            {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TMPDIR")} | {"LC_ALL": "C"},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self.log), flags, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigdef=_DEFAULT_SIGNALS,
        )
        return psutil.Process(pid)

    def _check_ports(self) -> None:
        ports = [port for name, port in self.state.ports.items() if name.split("_")[0] == self.name]
        for port in ports:
            if not is_port_free(port):
                raise ConfigError(
                    f"port {port}, which {self.title} of {self.directory} uses, is taken{_listener(port)}",
                    hint="Stop that process, or let the stack choose others with `bridge local up --new-ports`",
                )

    def _complaint(self) -> str:
        """The line of the log that most likely says why the server stopped."""
        lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        telling = [line for line in lines if any(word in line for word in ("FATAL", "ERROR", "Exception"))]
        return (telling or lines or ["it wrote nothing"])[-1]


def _with_argument(*arguments: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if not set(arguments).isdisjoint(process.cmdline()):
                found.append(process)
    return found


def _family(process: psutil.Process) -> list[psutil.Process]:
    family = [process]
    with suppress(psutil.NoSuchProcess):
        family += process.children(recursive=True)
    return family


def kill(processes: list[psutil.Process]) -> None:
    """End the processes at once and wait until they are gone."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    wait_for_end(processes, _STOP_SECONDS)


def wait_for_end(processes: list[psutil.Process], seconds: float) -> bool:
    """Wait until all have ended; False if one has not by then."""
    deadline = time.monotonic() + seconds
    while any(_is_alive(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _is_alive(process: psutil.Process) -> bool:
    """Whether the process runs. One that has ended counts as gone even if its parent has not asked for its status."""
    try:
        if process.status() != psutil.STATUS_ZOMBIE:
            return bool(process.is_running())
        with suppress(ChildProcessError):  # it may be our own child, or somebody else's
            os.waitpid(process.pid, os.WNOHANG)
    except psutil.NoSuchProcess:
        pass
    return False


def _listener(port: int) -> str:
    """` by NAME (pid N)` for whoever listens on `port`, or nothing where the system does not tell."""
    with suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return ""
