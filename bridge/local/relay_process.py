"""`bridge run` as a process of its own beside the demo or a benchmark, which ends with it, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from bridge.errors import BridgeError
from bridge.relay.workers import PARENT

STOP_SECONDS = 30.0  # for the batches in flight; a relay that needs longer is killed


class RelayEnded(BridgeError):
    """The relay ended too early, or does not get on; its log says why."""


class RelayProcess:
    """Started by `with`, stopped at its end. It leaves by itself when this process has gone."""

    def __init__(self, environment: Mapping[str, str], config: Path | None, log: Path) -> None:
        """`environment` is all of the relay's."""
        self.log = log
        self._environment = {**environment, PARENT: str(os.getpid())}
        self._arguments = ["run"] if config is None else ["run", "--config", str(config)]
        self._process: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        # A group of its own, so that Ctrl-C in a terminal reaches only the demo, which then stops it in order.
        command = [sys.executable, "-P", "-m", "bridge", *self._arguments]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        try:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
        finally:  # after a second Ctrl-C, too
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
        # The signal itself ends one that has hardly begun, before it listens.
        if error is None and self._process.returncode not in (0, -signal.SIGTERM):
            raise self._ended(self._process.returncode)

    @property
    def pid(self) -> int:
        return self._process.pid

    def check(self) -> None:
        """Raises RelayEnded if it does not run any more, with its own exit code where that tells of an error."""
        if self._process.poll() is not None:
            raise self._ended(self._process.returncode)

    def stalled(self, what: str) -> RelayEnded:
        """The error for a relay that runs, but does not get on."""
        return RelayEnded(f"{what}; the relay's log ends with: {self._last_words()}", hint=f"See {self.log}")

    def memory_bytes(self) -> int | None:
        """Resident memory, or None where this cannot be told."""
        with suppress(ModuleNotFoundError):  # psutil comes with the local servers only
            import psutil

            with suppress(psutil.Error):
                return int(psutil.Process(self.pid).memory_info().rss)
        return None

    def _ended(self, code: int) -> RelayEnded:
        how = f"ended with exit code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"
        error = RelayEnded(f"the relay {how}; its log ends with: {self._last_words()}", hint=f"See {self.log}")
        error.exit_code = max(code, 1)  # type: ignore[misc]
        return error

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1].removeprefix("bridge: ").rstrip(".") if lines else "nothing"
