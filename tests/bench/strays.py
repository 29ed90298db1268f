"""Partitions that are overdue, made under writers: `bridge maintain`, and pg_partman. `make strays`.

Both have the same table, with a few old partitions, without one for the last days and for today, and the same rows in
its default partition. In databases of their own, which are removed at the end, on the server that BRIDGE_DATABASE_URL
names; the role must be a superuser, and pg_partman must be there (Debian's package is called postgresql-15-partman).
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from bridge.bench.report import machine
from bridge.postgres.migrate import migrate

NAME = "bridge_bench_strays"
DAYS = 8  # without a partition, today among them
WRITERS = 4
LOCK_TIMEOUT = "2s"  # of a writer
REST_SECONDS = 0.002  # of a writer, between two rows
TRIES = 5  # of an operator whose command has failed
STRAYS = """
insert into {table} (shard, event_type, event_key, payload, created_at)
select 0, 'a.b', 'key ' || g, jsonb_build_object('n', g, 'text', repeat('x', 180)),
       now() - {days} * interval '1 day' * (1 - g::float8 / {count})
  from generate_series(1, {count}) as g
"""
WRITE = "insert into {table} (shard, event_type, event_key, payload) values (0, 'a.b', 'key', '{{\"n\": 1}}')"
LEAVES = """
select i.inhrelid::regclass::text from pg_inherits as i join pg_class as c on c.oid = i.inhrelid
 where i.inhparent = %s::regclass
   and substring(pg_get_expr(c.relpartbound, c.oid) from $$FROM \('(.*?)'\)$$)::timestamptz
       >= now() - %s * interval '1 day'
"""
DEFAULT = """
select i.inhrelid::regclass::text from pg_inherits as i join pg_class as c on c.oid = i.inhrelid
 where i.inhparent = %s::regclass and pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT'
"""
PARTMAN = """
create table public.outbox (like bridge.outbox including all) partition by range (created_at);
create schema partman;
create extension pg_partman schema partman;
select partman.create_parent('public.outbox', 'created_at', 'native', 'daily', p_premake => 7,
                             p_start_partition => (date_trunc('day', now()) - interval '12 days')::text)
"""
FORMER = """
select bridge.create_partition('bridge.outbox', day, day + interval '1 day')
  from generate_series(date_trunc('day', now()) - interval '12 days', now() - interval '9 days', '1 day') as day
"""
Db = psycopg.Connection[Any]


@dataclass
class Outcome:
    """What the writers met, how long it took, and what stayed in the default partition."""

    seconds: float = 0.0
    waits: list[float] = field(default_factory=list)  # seconds, of rows that were written
    refused: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)  # of the command
    left: int = 0
    lost: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="a directory for results.md")
    parser.add_argument("--strays", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--beside", default="", help="what else the machine did meanwhile, for the report")
    arguments = parser.parse_args()
    arms = {
        "bridge maintain --once --job partitions": of_bridge,
        "pg_partman: partition_data_proc, run_maintenance": of_partman,
    }
    found: dict[str, list[Outcome]] = {}
    version = ""
    for number in range(arguments.rounds):
        for name in list(arms)[:: -1 if number % 2 else 1]:
            with _database(os.environ["BRIDGE_DATABASE_URL"]) as url:
                found.setdefault(name, []).append(arms[name](url, arguments.strays))
                with psycopg.connect(url) as db:
                    (of_partman_,) = db.execute(
                        "select default_version from pg_available_extensions where name = 'pg_partman'"
                    ).fetchone() or ("none",)
                    version = f"Postgres {db.info.parameter_status('server_version')}, pg_partman {of_partman_}"
            print(name, found[name][-1].seconds, max(found[name][-1].waits), found[name][-1].refused, flush=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    lines = report(found, version, arguments.strays, arguments.beside)
    (arguments.out / "results.md").write_text("\n".join(lines) + "\n")


def of_bridge(url: str, strays: int) -> Outcome:
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(FORMER)
        _lose_leaves(db, "bridge.outbox", strays)
    command = [sys.executable, "-m", "bridge", "maintain", "--once", "--job", "partitions"]
    environment = {**os.environ, "BRIDGE_DATABASE_URL": url}

    def do() -> str | None:
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        wrong = [line.strip() for line in run.stdout.splitlines() if line.strip().startswith(("busy", "error"))]
        return None if run.returncode == 0 else "; ".join(wrong) or run.stderr.strip()

    return _under_writers(url, "bridge.outbox", do)


def of_partman(url: str, strays: int) -> Outcome:
    with psycopg.connect(url, autocommit=True) as db:
        for statement in PARTMAN.split(";\n"):
            db.execute(statement.encode())
        _lose_leaves(db, "public.outbox", strays)

    def do() -> str | None:
        try:
            with psycopg.connect(url, autocommit=True) as db:
                db.execute("call partman.partition_data_proc('public.outbox')")
                db.execute("select partman.run_maintenance('public.outbox')")
        except psycopg.Error as error:
            return f"{error.sqlstate}: {error.diag.message_primary}"
        return None

    return _under_writers(url, "public.outbox", do)


def _lose_leaves(db: Db, table: str, strays: int) -> None:
    """As it is when nobody has made partitions for days."""
    for (leaf,) in db.execute(LEAVES, (table, DAYS)).fetchall():
        db.execute(f"drop table {leaf}".encode())
    db.execute("set session_replication_role = replica")
    db.execute(STRAYS.format(table=table, days=DAYS - 1, count=strays).encode())
    db.execute("vacuum analyze")
    db.execute("checkpoint")


def _under_writers(url: str, table: str, do: Callable[[], str | None]) -> Outcome:
    outcome, stop = Outcome(), threading.Event()
    with psycopg.connect(url, autocommit=True) as db:
        (before,) = db.execute(f"select count(*) from {table}".encode()).fetchone() or (0,)
        writers = [threading.Thread(target=_write, args=(url, table, outcome, stop)) for _ in range(WRITERS)]
        for writer in writers:
            writer.start()
        while len(outcome.waits) < 100:
            time.sleep(0.05)
        began = time.monotonic()
        for _ in range(TRIES):
            failure = do()
            (name,) = db.execute(DEFAULT, (table,)).fetchone() or ("",)
            (outcome.left,) = db.execute(f"select count(*) from {name}".encode()).fetchone() or (0,)
            if failure is not None:
                outcome.failures.append(failure)
            elif outcome.left == 0:
                break
        outcome.seconds = time.monotonic() - began
        stop.set()
        for writer in writers:
            writer.join()
        (after,) = db.execute(f"select count(*) from {table}".encode()).fetchone() or (0,)
        outcome.lost = before + len(outcome.waits) - after
    return outcome


def _write(url: str, table: str, outcome: Outcome, stop: threading.Event) -> None:
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(f"set lock_timeout = '{LOCK_TIMEOUT}'".encode())
        statement = WRITE.format(table=table).encode()
        while not stop.wait(REST_SECONDS):
            began = time.monotonic()
            try:
                db.execute(statement)
            except psycopg.Error as error:
                outcome.refused[f"{error.sqlstate} {error.diag.message_primary}"] += 1
            else:
                outcome.waits.append(time.monotonic() - began)


@contextmanager
def _database(url: str) -> Iterator[str]:
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"create database {NAME}".encode())
        try:
            own = urlsplit(url)._replace(path=f"/{NAME}").geturl()
            migrate(own)
            yield own
        finally:
            admin.execute(f"drop database {NAME} with (force)".encode())


def report(found: dict[str, list[Outcome]], version: str, strays: int, beside: str) -> list[str]:
    where, rounds = machine(), max(map(len, found.values()))
    lines = [
        f"Machine: {where['cores']} cores ({where['cpu']}), {where['memory_gib']} GiB, {where['system']}; {version}."
        f" {beside}".rstrip(),
        "",
        f"{strays:,} rows of {DAYS} days lie in the default partition, today's among them, and {WRITERS} writers with a"
        f" lock time-out of {LOCK_TIMEOUT} go on. Worst of {rounds} rounds, in which both take turns; of the seconds,"
        f" the median. A command that fails, or leaves rows, is given {TRIES} times at most.",
        "",
        "| | seconds | longest wait of a writer, s | rows refused | commands that failed | rows left | rows lost |",
        "| --- " + "| ---: " * 6 + "|",
    ]  # fmt: skip
    for name, outcomes in found.items():
        lines.append(
            f"| {name} | {statistics.median(one.seconds for one in outcomes):.1f} |"
            f" {max(max(one.waits) for one in outcomes):.2f} | {max(one.refused.total() for one in outcomes):,} |"
            f" {max(len(one.failures) for one in outcomes)} | {max(one.left for one in outcomes):,} |"
            f" {max(one.lost for one in outcomes)} |"
        )
    for name, outcomes in found.items():
        refused: Counter[str] = sum((one.refused for one in outcomes), Counter())
        told = [f"- {count:,} rows: {message}" for message, count in refused.most_common()]
        failed = Counter(failure for one in outcomes for failure in one.failures)
        told += [f"- {count} commands: {failure.strip().splitlines()[0]}" for failure, count in failed.most_common()]
        if told:
            lines += ["", f"{name}, in all rounds:", "", *told]
    return lines


if __name__ == "__main__":
    main()
