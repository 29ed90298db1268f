"""Names the fixture families; the fixtures themselves are in tests/fix_*.py."""

import signal
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example may take says something of the machine only.
settings.register_profile("bridge", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("bridge")

# Whoever runs the tests with nohup means them, and not the relays that are to end by SIGHUP.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

pytest_plugins = [
    "fix_local",
    "fix_containers",
    "fix_relay",
    "fix_database",
    "fix_postgres",
    "fix_postgres_tls",
    "fix_registry",
    "fix_kafka",
    "fix_acl",
    "fix_tls",
    "fix_pgbouncer",
    "fix_verify",
    "fix_version",
    "fix_command",
    "fix_consumer",
    "fix_helm",
    "java",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the files of each directory over the whole run: some directories wait most of the time, others compute."""
    files: dict[Path, list[Path]] = defaultdict(list)
    for file in dict.fromkeys(item.path for item in items):
        files[file.parent].append(file)
    place = {file: (n + 0.5) / len(some) for some in files.values() for n, file in enumerate(some)}
    items.sort(key=lambda item: place[item.path])
