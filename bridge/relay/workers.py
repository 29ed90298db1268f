"""`bridge run --workers N`: several relay processes under one parent, which share the shards like any relays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import FrameType

from bridge.errors import BridgeError
from bridge.relay.signals import heeded

PARENT = "BRIDGE_PARENT_PID"  # a worker stops when this is no longer its parent


class WorkerFailed(BridgeError):
    """A worker ended with an error; the others were stopped."""


def run_workers(count: int, arguments: list[str]) -> None:
    """Run `bridge` with `arguments` (but one worker) `count` times; returns when all have ended well.

    Signals that end a relay are passed on. If one worker fails, the others are stopped, and WorkerFailed has its code.
    """
    alone = [sys.executable, "-m", "bridge", *arguments, "--workers", "1"]
    environment = {**os.environ, PARENT: str(os.getpid())}
    # Their own group, so that Ctrl-C in a terminal reaches them once, through us.
    workers = [subprocess.Popen(alone, env=environment, process_group=0) for _ in range(count)]  # noqa: S603

    def pass_on(number: int, _frame: FrameType | None) -> None:
        for worker in workers:
            if worker.poll() is None:
                worker.send_signal(number)

    for number in heeded():
        signal.signal(number, pass_on)
    failed = 0
    remaining = {worker.pid: worker for worker in workers}
    while remaining:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)  # leaves the exit code for Popen
        code = remaining.pop(ended.si_pid).wait() if ended else 0
        if code and not failed:
            failed = code
            pass_on(signal.SIGTERM, None)
    if failed:
        error = WorkerFailed(f"a worker ended with {failed}; see its message above")
        error.exit_code = failed if failed > 0 else 1  # type: ignore[misc]
        raise error


def is_orphan() -> bool:
    """Whether this process is a worker whose parent has gone."""
    parent = os.environ.get(PARENT)
    return parent is not None and os.getppid() != int(parent)
