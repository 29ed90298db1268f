"""A house to keep: writers that notice whoever holds them up, a keeper, and a clock that can be set."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from bridge.keeping.keeper import Keeper, Run
from bridge.keeping.step import House
from bridge.settings import DatabaseSettings, Settings

Db = psycopg.Connection[Any]
PATIENCE = "2s"  # of a writer for a lock: four times what the keeper waits for one


def keep(url: str, *jobs: str, owner: str = "test") -> list[Run]:
    """The keeper does these jobs at once."""
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("set timezone = 'UTC'")
        house = House(conn, Settings(database=DatabaseSettings(url)), lambda seconds: True)
        runs = Keeper(owner).keep(house, jobs, at_once=True)
    assert runs is not None, "another keeper is at work"
    return runs


def troubles(runs: list[Run]) -> list[str]:
    """What was not done."""
    return [f"{step.action} {step.target}: {step.detail}" for run in runs for step in run.steps if step.outcome != "ok"]


def all_done(db: Db) -> bool:
    """Each job was done, and is not at work: a keeper's first round is over."""
    return not db.execute("select from bridge.policy where outcome is distinct from 'ok'").fetchall()


def keep_and_die(url: str, failpoint: str, *jobs: str) -> int:
    """`bridge maintain --once`, which is killed at a failpoint, if it comes so far; its exit code."""
    options = [option for job in jobs for option in ("--job", job)]
    environment = {**os.environ, "BRIDGE_DATABASE_URL": url, "BRIDGE_FAILPOINT": failpoint}
    command = [sys.executable, "-m", "bridge", "maintain", "--once", *options]
    return subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False).returncode


@dataclass
class Writers:
    """Writes in several threads; `errors` are what Postgres refused, `written` the rows of each table."""

    url: str
    statements: dict[str, str]  # by table
    errors: list[str] = field(default_factory=list)
    written: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ending: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def at_work(self, count: int, seed: int = 0) -> Iterator[None]:
        """`count` threads write until the end of the block."""
        threads = [threading.Thread(target=self._write, args=(random.Random(seed + n),)) for n in range(count)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ending.set()
            for thread in threads:
                thread.join()

    def _write(self, rng: random.Random) -> None:
        with psycopg.connect(self.url, autocommit=True) as conn:
            conn.execute(f"set lock_timeout = '{PATIENCE}'".encode())
            while not self._ending.is_set():
                tables = rng.sample(sorted(self.statements), rng.randint(1, len(self.statements)))
                try:
                    with conn.transaction():  # in any order, so that a keeper of two tables' locks would meet them
                        for table in tables:
                            conn.execute(self.statements[table].encode())
                except psycopg.Error as error:
                    self.errors.append(f"{error.sqlstate} {error}")
                    continue
                with self._lock:
                    for table in tables:
                        self.written[table] = self.written.get(table, 0) + 1


CLOCK = """
create schema sim;
create table sim.clock (at timestamptz not null);
insert into sim.clock values (now());
create function sim.now() returns timestamptz language sql stable security definer
    set search_path = pg_catalog, pg_temp as 'select at from sim.clock';
grant usage on schema sim to public
"""
ON_THE_CLOCK = """
select pg_get_functiondef(p.oid) from pg_proc as p
 where p.pronamespace = 'bridge'::regnamespace and p.prokind = 'f' and p.prosrc ~ '(\\mnow|clock_timestamp)\\(\\)'
"""
DEFAULTS = """
select format('alter table %s alter %I set default sim.now()', d.adrelid::regclass, a.attname)
  from pg_attrdef as d
  join pg_attribute as a on a.attrelid = d.adrelid and a.attnum = d.adnum
  join pg_class as c on c.oid = d.adrelid and c.relnamespace = 'bridge'::regnamespace and not c.relispartition
 where pg_get_expr(d.adbin, d.adrelid) = 'clock_timestamp()'
"""


def simulate_clock(db: Db) -> None:
    """From now on the functions and tables of bridge take their time from `sim.clock`."""
    for statement in CLOCK.split(";\n"):
        db.execute(statement.encode())
    for (definition,) in db.execute(ON_THE_CLOCK).fetchall():
        text = definition.replace("clock_timestamp()", "sim.now()").replace("now()", "sim.now()")
        db.execute(text.replace("sim.sim.", "sim.").encode())
    for (statement,) in db.execute(DEFAULTS).fetchall():
        db.execute(statement.encode())


def set_clock(db: Db, moment: str) -> None:
    db.execute("update sim.clock set at = %s::timestamptz", (moment,))


def read_all(db: Db) -> None:
    """What a relay does that has published everything: its position, and a tick."""
    db.execute(
        """with moved as (
               update bridge.shard as s
                  set scan_from = greatest(s.scan_from, pg_sequence_last_value('bridge.event_seq')),
                      cursor = greatest(s.cursor, pg_sequence_last_value('bridge.event_seq')),
                      snapshot = pg_current_snapshot(), batch_no = s.batch_no + 1
               returning s.*)
           insert into bridge.tick (shard, batch_no, scan_from, cursor, snapshot, event_queue_processed,
                                    entity_events_processed)
           select shard, batch_no, scan_from, cursor, snapshot, 0, 0 from moved"""
    )


def kept(db: Db, table: str) -> int:
    """Rows that are there, in table partitions that were taken out and are there, and that left with dropped ones."""
    total = 0
    with db.transaction():
        db.execute("set transaction isolation level repeatable read")
        rows = db.execute(
            "select relation::text, state, rows from bridge.retired_partition where parent = %s", (table,)
        ).fetchall()
        for relation, state, count in rows:
            if state == "dropped":
                total += count
            else:
                total += db.execute(f"select count(*) from {relation}".encode()).fetchone()[0]  # type: ignore[index]
        total += db.execute(f"select count(*) from {table}".encode()).fetchone()[0]  # type: ignore[index]
    return total
