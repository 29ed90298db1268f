"""`bridge run --workers N`: several relay processes under one parent, which share the shards like any relays."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from bridge.errors import BridgeError
from bridge.log_fields import about
from bridge.relay.joined import joined_pages
from bridge.relay.signals import heeded
from bridge.telemetry.address import Address
from bridge.telemetry.health import STILL_LEASES
from bridge.telemetry.pages import METRICS, Page
from bridge.telemetry.server import HttpServer

logger = logging.getLogger(__name__)

PARENT = "BRIDGE_PARENT_PID"  # a worker stops when this is no longer its parent


class WorkerFailed(BridgeError):
    """A worker ended with an error; the others were stopped."""


def run_workers(count: int, arguments: list[str], own: Sequence[Sequence[str]] = ()) -> None:
    """Run `bridge` with `arguments` (but one worker) `count` times; returns when all have ended well.

    `own`: what each of them is given beyond that.

    Signals that end a relay are passed on. If one worker fails, the others are stopped, and WorkerFailed has its code.
    """
    alone = [sys.executable, "-m", "bridge", *arguments, "--workers", "1"]
    environment = {**os.environ, PARENT: str(os.getpid())}
    asked: list[int] = []  # the signals that have come
    remaining: dict[int, subprocess.Popen[bytes]] = {}

    def pass_on(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        for pid in remaining:  # none of them is reaped but below, so no pid is another's by now
            os.kill(pid, number)

    for heeded_signal in heeded():
        signal.signal(heeded_signal, pass_on)
    for number in range(count):
        # Their own group, so that Ctrl-C in a terminal reaches them once, through us.
        worker = subprocess.Popen([*alone, *(own[number] if own else ())], env=environment, process_group=0)  # noqa: S603
        remaining[worker.pid] = worker
        if asked:  # before it was one of those that hear of it
            os.kill(worker.pid, signal.SIGTERM)
    failed = 0
    while remaining:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)  # leaves the exit code for Popen
        assert ended is not None  # noqa: S101 - only with WNOHANG
        if ended.si_pid not in remaining:  # a child that this process had before it was bridge, or adopted as pid 1
            os.waitpid(ended.si_pid, 0)
            continue
        code = remaining.pop(ended.si_pid).wait()
        is_ours = asked and -code in (*asked, signal.SIGTERM)  # it had not begun to listen
        if code and not failed and not is_ours:
            failed = code
            pass_on(signal.SIGTERM, None)
    if failed:
        error = WorkerFailed(f"a worker ended with {failed}; see its message above")
        error.exit_code = failed if failed > 0 else 1  # type: ignore[misc]
        raise error


def is_worker() -> bool:
    """Whether this process is one of several under a parent."""
    return PARENT in os.environ


def is_orphan() -> bool:
    """Whether this process is a worker whose parent has gone."""
    parent = os.environ.get(PARENT)
    return parent is not None and parent != str(os.getppid())


@contextmanager
def serving(
    http: Address | None, count: int, lease_seconds: float, pages: Mapping[str, Page]
) -> Iterator[list[list[str]]]:
    """Serve there, in this process, what the workers say, who get these arguments, and `pages`; without an address,
    nothing.

    They listen in a directory that only this user may enter. Raises ConfigError.
    """
    if http is None:
        yield [[] for _ in range(count)]
        return
    with tempfile.TemporaryDirectory(prefix="bridge-", ignore_cleanup_errors=True) as directory:
        workers = [Address("", 0, str(Path(directory) / f"{number}")) for number in range(count)]
        server = HttpServer(http, {**pages, **joined_pages(workers, STILL_LEASES * lease_seconds)})
        server.start()
        text = "health of %d workers is served at http://%s/healthz, metrics at %s, a page for people at /"
        logger.info(text, count, server.address, METRICS, extra=about("pages-served"))
        try:
            yield [["--http", str(worker)] for worker in workers]
        finally:
            server.close()
