"""What a process costs: CPU seconds and memory, children included, read from the system while it runs."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Cost:
    """`cpu_seconds` since the process began; `memory_bytes` resident now."""

    cpu_seconds: float
    memory_bytes: int


@dataclass(frozen=True)
class Measured:
    """A running process whose costs are of interest."""

    process: psutil.Process

    @classmethod
    def of_pid(cls, pid: int) -> Measured:
        return cls(psutil.Process(pid))

    @property
    def is_alive(self) -> bool:
        return bool(self.process.is_running()) and self.process.status() != psutil.STATUS_ZOMBIE

    def cost(self) -> Cost:
        """What it cost so far; a child that has ended does not count any more."""
        cpu, memory = 0.0, 0
        for process in (self.process, *self.process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                cpu += times.user + times.system
                memory += process.memory_info().rss
        return Cost(cpu, memory)
