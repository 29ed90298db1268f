"""One module for each outside thing; finer than import-linter can say it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import bridge

PACKAGE = Path(bridge.__file__).parent


def place(path: Path) -> str:
    """The module's name within the package: its room, and its own."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def importers(module: str, name: str | None = None) -> set[str]:
    """The modules of bridge that import `module`, or `name` from it."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                if node.module.startswith(module) and (name is None or name in {alias.name for alias in node.names}):
                    found.add(place(path))
            elif isinstance(node, ast.Import) and name is None:
                found.update(place(path) for alias in node.names if alias.name.startswith(module))
    return found


def test_one_module_makes_producers_of_events() -> None:
    """The other one makes those of tombstones, which have no transactional id that could fence a relay."""
    assert importers("confluent_kafka", "Producer") == {"kafka.producer", "kafka.tombstones"}
    assert "transactional" not in (PACKAGE / "kafka" / "tombstones.py").read_text("utf-8").partition('"""\n\n')[2]


def test_one_module_speaks_to_the_registry() -> None:
    assert importers("httpx2") == {"registry.http"}


def test_one_module_reads_events_and_one_settles_them() -> None:
    """Each statement on event rows, and on what is parked, that the relay sends is loaded by these alone."""
    reader = ("read_snapshot", "read_parked", "still_parked")
    finished = ("read_pending", "numbers")  # for the reader, as texts that leave partitions out
    store = ("take_shard", "write_ledger", "park_events", "unpark_events", "write_tick")
    for module, statements in (
        ("postgres.reading", reader),
        ("postgres.finished", finished),
        ("postgres.store", store),
    ):
        for statement in statements:
            found = {place(p) for p in PACKAGE.rglob("*.py") if f'"{statement}"' in p.read_text("utf-8")}
            assert found == {module}


def test_every_module_stands_in_the_table_of_architecture() -> None:
    """A module's name stands in the row of its room, or it has no place yet."""
    table = (PACKAGE.parent / "ARCHITECTURE.md").read_text("utf-8").partition("## Rooms")[2].partition("\n## ")[0]
    missing = []
    for path in PACKAGE.rglob("*.py"):
        module = path.relative_to(PACKAGE)
        if path.stem not in ("__init__", "__main__") and f"`{path.stem}`" not in table:
            missing.append(str(module))
    assert missing == []


def test_a_command_imports_no_clients_before_it_needs_them() -> None:
    """`bridge health` runs every few seconds in a container."""
    clients = {"psycopg", "confluent_kafka", "fastavro", "httpx2", "prometheus_client"}
    script = f"import bridge.cli.main, bridge.cli.health, sys; print(*({clients} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "\n"
