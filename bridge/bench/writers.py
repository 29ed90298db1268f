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
TABLE = "public.customer"
OFF = f"select bridge.disable_tracking('{TABLE}'); drop trigger if exists other on {TABLE}"
ON = f"select bridge.enable_tracking('{TABLE}', activity => {{}})"
OTHER = f"create trigger other after insert or update or delete on {TABLE} for each row execute function public.{{}}()"
PLAIN = "a plain audit trigger"
SEED = "the seed's triggers"
ARMS = {
    "untracked": OFF,
    "a trigger that does nothing": f"{OFF}; {OTHER.format('do_nothing')}",
    PLAIN: f"{OFF}; {OTHER.format('plain_audit')}",
    "tracked": f"{OFF}; {ON.format(False)}",
    "tracked, with the activity log": f"{OFF}; {ON.format(True)}",
    "tracked, relay running": f"{OFF}; {ON.format(False)}",
    SEED: f"{OFF}; {OTHER.format('seed_entity_change')}",
}
UPDATE_ONE = """\\set id random(1, 20000)
update public.customer set score = score + 1, updated_at = clock_timestamp() where id = :id;
"""
BULK = "update public.customer set score = score + 1, updated_at = clock_timestamp()"


@dataclass(frozen=True)
class Writers:
    """By arm: transactions a second of single-row updates, WAL bytes for each of them, milliseconds for one statement.

    The statement updates BULK_ROWS rows. Each list has one figure a round.
    """

    single_rate: dict[str, list[float]]
    wal_bytes: dict[str, list[float]]
    bulk_ms: dict[str, list[float]]

    def kept(self, arm: str) -> float:
        """Share of the untracked rate: median over the rounds of the ratio within a round."""
        return _ratio(self.single_rate[arm], self.single_rate["untracked"])

    def cost(self, arm: str) -> float:
        """What a single-row update costs above an untracked one, as a multiple of what a plain audit trigger costs."""
        one, plain, none = ([1 / rate for rate in self.single_rate[name]] for name in (arm, PLAIN, "untracked"))
        return _above(one, plain, none)

    def bulk_cost(self, arm: str) -> float:
        """The same of a row in the statement."""
        return _above(self.bulk_ms[arm], self.bulk_ms[PLAIN], self.bulk_ms["untracked"])


def measure(scene: Scene, rounds: int, seconds: int) -> Writers:
    """Run all arms `rounds` times, `seconds` each for the single rows. Raises ConfigError without pgbench."""
    pgbench = _pgbench()
    with scene.connect() as db:
        db.execute(statements("table"))
        alone = [arm for arm in ARMS if "relay" not in arm]
        found = Writers({arm: [] for arm in ARMS}, {arm: [] for arm in alone}, {arm: [] for arm in alone})
        for number in range(rounds):
            order = list(ARMS)[number % len(ARMS) :] + list(ARMS)[: number % len(ARMS)]
            for arm in order:
                _settle(db, ARMS[arm])
                with ExitStack() as running:
                    if "relay" in arm:
                        running.enter_context(scene.relay())
                    written = _wal(db)
                    found.single_rate[arm].append(_single(pgbench, scene, seconds))
                    written = _wal(db) - written
                    if db.execute("select from bridge.shard where entity_events_dead > 0").fetchone():
                        raise ConfigError("the relay could not publish the change history, so it was not measured")
                if arm in found.bulk_ms:
                    found.wal_bytes[arm].append(written / (found.single_rate[arm][-1] * seconds))
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


def _wal(db: psycopg.Connection) -> float:
    row = db.execute("select pg_current_wal_lsn() - '0/0'").fetchone()
    return float(row[0]) if row else 0.0


def _pgbench() -> Path:
    found = shutil.which("pgbench") or binaries() / "pgbench"
    if not Path(found).is_file():
        raise ConfigError("pgbench is missing", hint="Install it with Postgres, or bridge with its extra [local]")
    return Path(found)


def _ratio(values: list[float], of: list[float]) -> float:
    return statistics.median(value / other for value, other in zip(values, of, strict=True))


def _above(values: list[float], of: list[float], base: list[float]) -> float:
    return statistics.median(
        (value - less) / (other - less) for value, other, less in zip(values, of, base, strict=True)
    )
