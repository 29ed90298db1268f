"""What runs at random have in common: a seed that repeats them, a directory for their report, words for it."""

from __future__ import annotations

import os
import platform
import random
import shutil
import statistics
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import confluent_kafka


def seed() -> int:
    """BRIDGE_TEST_SEED, or a new one; shown when the test fails."""
    chosen = int(os.environ.get("BRIDGE_TEST_SEED") or random.randrange(1 << 30))
    print(f"seed {chosen}")
    return chosen


def minutes(default: float) -> float:
    """BRIDGE_TEST_MINUTES, or the default."""
    return float(os.environ.get("BRIDGE_TEST_MINUTES") or default)


def directory(kind: str, name: object) -> Path:
    """An empty one, which stays after the run."""
    path = Path("build") / kind / str(name)
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def machine() -> str:
    python = platform.python_version()
    cores = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    return f"{cores}, Python {python}, librdkafka {confluent_kafka.libversion()[0]}"


def counts(counted: Counter[str]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counted.most_common())


def megabytes(memory: Sequence[int]) -> str:
    """Median and most."""
    return f"{statistics.median(memory) / 1e6:.0f} and {max(memory) / 1e6:.0f} MB" if memory else "?"
