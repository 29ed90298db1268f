"""What being watched costs a relay that drains a backlog, and how soon it answers meanwhile. `make watched`.

In turns without `--http`, with it and asked as often as is usual (each page once a second, which is more often than
Prometheus and Kubernetes do), and with it and asked all the time, for how long answers take. In a database and topics
of their own, on the servers that the environment names. Postgres, Kafka, the relay and the one who asks share the
machine.
"""

from __future__ import annotations

import argparse
import os
import re
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil
import psycopg

from bridge.bench.report import machine
from bridge.postgres.migrate import migrate
from bridge.telemetry.address import Address, parse_address
from bridge.telemetry.asking import ask

PAGES = ("/livez", "/readyz", "/healthz", "/metrics", "/api/overview")
LOOK_SECONDS = 0.1  # at CPU and memory
USUAL_SECONDS = 1.0
CONFIG = """
[relay]
name = "{name}"
[topics]
create_missing = true
partitions = 6
replication_factor = 1
control = "{name}.shards"
dead_letters = "{name}.dead_letters"
[[routes]]
event_type = "thing.changed"
topic = "{name}.things"
encoding = "json"
"""
WRITE = """
    insert into bridge.event_queue (event_type, event_key, payload)
    select 'thing.changed', 'k' || g %% 5000, jsonb_build_object('n', g, 'text', repeat('x', 180))
      from generate_series(1, %(events)s) as g
"""


class Run(NamedTuple):
    """One drain: CPU seconds of all, seconds from its first batch to its last, peak bytes, milliseconds by page."""

    cpu: float
    seconds: float
    memory: int
    answers: dict[str, list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="a directory for results.md")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--beside", default="", help="what else the machine did meanwhile, for the report")
    arguments = parser.parse_args()
    off, usual, on = [], [], []
    for _ in range(arguments.rounds):
        off.append(drain(arguments.events))
        usual.append(drain(arguments.events, "--http", "127.0.0.1:0", pause=USUAL_SECONDS))
        on.append(drain(arguments.events, "--http", "127.0.0.1:0"))
    eight = drain(arguments.events, "--http", "127.0.0.1:0", "--workers", "8", shards=8)
    where = machine()
    lines = [
        f"Machine: {where['cores']} cores ({where['cpu']}), {where['memory_gib']} GiB, {where['system']}."
        f" {arguments.rounds} rounds of {arguments.events:,} events of 220 bytes as JSON, in turns."
        f" {arguments.beside}".rstrip(),
        "",
        "| relay, medians | without --http | with --http | ratio | asked all the time | ratio |",
        "|---|---:|---:|---:|---:|---:|",
        row("CPU seconds", *([run.cpu for run in runs] for runs in (off, usual, on))),
        row("seconds to drain", *([run.seconds for run in runs] for runs in (off, usual, on))),
        row("peak memory, MB", *([run.memory / 1e6 for run in runs] for runs in (off, usual, on))),
        "",
        f"Seconds by round, with / without: {by_round(usual, off, lambda run: run.seconds)};"
        f" CPU: {by_round(usual, off, lambda run: run.cpu)}.",
        *["", "| answers while it drains, ms | asked | median | p99 | longest |", "|---|---:|---:|---:|---:|"],
        *(answers(page, [ms for run in on for ms in run.answers[page]]) for page in PAGES),
        *(answers(f"{page}, 8 workers", eight.answers[page]) for page in PAGES),
    ]
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "results.md").write_text("\n".join(lines) + "\n")


def row(name: str, off: Sequence[float], usual: Sequence[float], on: Sequence[float]) -> str:
    before, after, asked = statistics.median(off), statistics.median(usual), statistics.median(on)
    return f"| {name} | {before:.2f} | {after:.2f} | {after / before:.3f} | {asked:.2f} | {asked / before:.3f} |"


def by_round(on: Sequence[Run], off: Sequence[Run], of: Callable[[Run], float]) -> str:
    return ", ".join(f"{of(b) / of(a):.3f}" for a, b in zip(off, on, strict=True))


def answers(name: str, milliseconds: Sequence[float]) -> str:
    if len(milliseconds) < 2:
        return f"| `{name}` | {len(milliseconds)} | | | |"
    p99 = statistics.quantiles(milliseconds, n=100, method="inclusive")[98]
    median, longest = statistics.median(milliseconds), max(milliseconds)
    return f"| `{name}` | {len(milliseconds)} | {median:.1f} | {p99:.1f} | {longest:.1f} |"


@contextmanager
def backlog(events: int, shards: int) -> Iterator[dict[str, str]]:
    """The environment of relays of a new bridge that has so many events to publish."""
    name = f"watched_{secrets.token_hex(3)}"
    url = os.environ["BRIDGE_DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as admin, tempfile.TemporaryDirectory() as directory:
        admin.execute(f"create database {name}".encode())
        try:
            own = urlsplit(url)._replace(path=f"/{name}").geturl()
            migrate(own, engine_only=True)
            with psycopg.connect(own, autocommit=True) as db:
                db.execute("select bridge.set_shard_count(%s)", (shards,))
                db.execute(WRITE, {"events": events})
                db.execute("vacuum analyze")
            config = Path(directory) / "bridge.toml"
            config.write_text(CONFIG.format(name=name))
            yield {**os.environ, "BRIDGE_DATABASE_URL": own, "BRIDGE_CONFIG": str(config)}
        finally:
            admin.execute(f"drop database {name} with (force)".encode())


def drain(events: int, *arguments: str, shards: int = 1, pause: float = LOOK_SECONDS) -> Run:
    """Publish all of it, and ask every so many seconds meanwhile, where somebody answers."""
    with backlog(events, shards) as environment, tempfile.TemporaryFile("w+") as log:
        command = [sys.executable, "-m", "bridge", "run", "--until-empty", *arguments]
        with subprocess.Popen(command, env=environment, stderr=log) as relay:
            found = watch(psutil.Process(relay.pid), relay, log if arguments else None, pause)
        assert relay.returncode == 0, relay.returncode
        with psycopg.connect(environment["BRIDGE_DATABASE_URL"]) as db:
            took = db.execute("select extract(epoch from max(at) - min(at))::float8 from bridge.tick").fetchone()
    assert took is not None
    return Run(found.cpu, took[0], found.memory, found.answers)


def watch(process: psutil.Process, relay: subprocess.Popen[bytes], log: object, pause: float) -> Run:
    asked: dict[str, list[float]] = {page: [] for page in PAGES}
    address: Address | None = None
    cpu: dict[int, float] = {}
    memory = 0
    due = 0.0
    while relay.poll() is None:
        now = 0
        for one in family(process):
            try:
                times = one.cpu_times()
                cpu[one.pid] = times.user + times.system
                now += one.memory_info().rss
            except psutil.Error:  # it has ended just now
                continue
        memory = max(memory, now)
        address = address or served(log)
        if address is not None and time.monotonic() >= due:
            due = time.monotonic() + pause
            for page in PAGES:
                began = time.monotonic()
                try:
                    ask(address, page, 10)
                except OSError:  # it ends
                    break
                asked[page].append((time.monotonic() - began) * 1000)
        time.sleep(LOOK_SECONDS)
    return Run(sum(cpu.values()), 0.0, memory, asked)


def family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def served(log: object) -> Address | None:
    """Where, as the log says; a file that two write to is read without moving its end."""
    if log is None:
        return None
    text = os.pread(log.fileno(), 10_000, 0).decode("utf-8", "replace")  # type: ignore[attr-defined]
    found = re.search("served at http://(.*?)/healthz", text)
    return parse_address(found[1]) if found else None


if __name__ == "__main__":
    main()
