"""Processes: started as daemons, found by an argument, ended with all their children."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

_POLL_SECONDS = 0.1
_END_SECONDS = 60
# A command that runs in the background may ignore signals, and its children would inherit that.
_DEFAULT_SIGNALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE)
# Nothing of the user's shell is for the servers: it may hold settings of theirs, or of Java.
_KEPT_VARIABLES = ("PATH", "HOME", "TMPDIR")
_LOCALE = {"LC_ALL": "C" if sys.platform == "darwin" else "C.UTF-8"}  # Java reads file names by it


def spawn(command: list[str], log: Path) -> psutil.Process:
    """Start a daemon: a session of its own, output into `log`, no input."""
    pid = os.posix_spawn(
        command[0],
        command,
        environment(),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigdef=_DEFAULT_SIGNALS,
    )
    return psutil.Process(pid)


def environment() -> dict[str, str]:
    """What a server may know of the user's shell."""
    return {name: value for name, value in os.environ.items() if name in _KEPT_VARIABLES} | _LOCALE


def with_argument(*arguments: str) -> list[psutil.Process]:
    """Every process that has one of the arguments, exactly, on its command line."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if not set(arguments).isdisjoint(process.cmdline()):
                found.append(process)
    return found


def family(process: psutil.Process) -> list[psutil.Process]:
    """The process and everything that it started."""
    with suppress(psutil.NoSuchProcess):
        return [process, *process.children(recursive=True)]
    return [process]


def kill(processes: list[psutil.Process]) -> None:
    """End the processes at once and wait until they are gone."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    wait_for_end(processes, _END_SECONDS)


def wait_for_end(processes: list[psutil.Process], seconds: float) -> bool:
    """Wait until all have ended; False if one has not by then."""
    deadline = time.monotonic() + seconds
    while any(is_alive(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def is_alive(process: psutil.Process) -> bool:
    """Whether the process runs. One that has ended counts as gone even if its parent has not asked for its status."""
    try:
        if process.status() != psutil.STATUS_ZOMBIE:
            return bool(process.is_running())
        with suppress(ChildProcessError):  # it may be our own child, or somebody else's
            os.waitpid(process.pid, os.WNOHANG)
    except psutil.NoSuchProcess:
        pass
    return False


def listener(port: int) -> str:
    """` by NAME (pid N)` for whoever listens on `port`, or nothing where the system does not tell."""
    with suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return ""
