"""`bridge demo` as a command, on the session's servers with topics of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from typing import Any

import psutil
import psycopg
import pytest
from fix_command import data_of
from fix_relay import eventually

from bridge.local.stack import Endpoints
from bridge.resources import resource

ZEROS = ("lost", "duplicated", "reordered", "phantom", "dead", "pending")


@dataclass
class Demo:
    """Runs `bridge demo` with the test's environment; what it prints on standard error arrives in `lines`."""

    database: str
    environment: dict[str, str]
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "bridge", "demo", *arguments],
            env=self.environment | environment, capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip

    def start(self, *arguments: str) -> tuple[subprocess.Popen[str], Queue[str]]:
        process = subprocess.Popen(
            [sys.executable, "-m", "bridge", "demo", *arguments], env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.processes.append(process)
        lines: Queue[str] = Queue()  # ends with ""

        def read() -> None:
            for line in process.stderr or ():
                lines.put(line)
            lines.put("")

        threading.Thread(target=read, daemon=True).start()
        return process, lines

    def scalar(self, statement: str) -> Any:
        with psycopg.connect(self.database, autocommit=True) as db:
            row = db.execute(statement).fetchone()
            assert row is not None
            return row[0]

    def is_alone(self) -> bool:
        """Whether neither relay nor traffic is connected any more."""
        return bool(
            self.scalar(
                "select count(*) = 0 from pg_stat_activity"
                " where datname = current_database() and application_name <> '' and pid <> pg_backend_pid()"
            )
        )


@pytest.fixture
def demo(database: str, servers: Endpoints, unique: str, tmp_path: Path) -> Iterator[Demo]:
    config = tmp_path / "bridge.toml"
    text = "".join(resource("config", name).read_text("utf-8") for name in ("bridge.toml", "demo.toml"))
    for name in ("topic", "control", "dead_letters"):
        text = text.replace(f'{name} = "', f'{name} = "{unique}.')
    config.write_text(text.replace('name = "bridge"', f'name = "{unique}"'))
    environment = os.environ | {
        "BRIDGE_CONFIG": str(config),
        "BRIDGE_DATABASE_URL": database,
        "BRIDGE_KAFKA_BOOTSTRAP_SERVERS": servers.kafka_bootstrap_servers,
        "BRIDGE_REGISTRY_URL": servers.registry_url,
        "BRIDGE_TOPICS_CREATE_MISSING": "true",
        "BRIDGE_TOPICS_REPLICATION_FACTOR": "1",
        "TMPDIR": str(tmp_path),
        "PYTHONFAULTHANDLER": "1",  # for `ended`
    }
    demo = Demo(database, environment)
    yield demo
    for process in demo.processes:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def ended(process: subprocess.Popen[str], lines: Queue[str]) -> int:
    """Its exit code, once it has ended; if it does not, what it said is told, and where its threads are."""
    try:
        return process.wait(90)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        pytest.fail("".join(iter(lambda: lines.get(timeout=10), "")))


def wait_for(lines: Queue[str], wanted: Callable[[str], bool]) -> None:
    while not wanted(line := lines.get(timeout=90)):
        assert line, "the demo ended"


def wait_until_writing(lines: Queue[str]) -> int:
    """The relay's process id."""
    relay = 0

    def is_writing(line: str) -> bool:
        nonlocal relay
        relay = int(line.split()[2].rstrip(",")) if line.startswith("relay: process") else relay
        return " written " in line

    wait_for(lines, is_writing)
    return relay


def test_every_event_arrives_once_and_a_second_run_counts_its_own(demo: Demo, unique: str) -> None:
    first = demo.run("--events", "600", "--json")
    assert first.returncode == 0, first.stderr
    result = data_of(first.stdout)
    assert {name: result[name] for name in ZEROS} == dict.fromkeys(ZEROS, 0)
    assert result["published"] == result["written"] >= 600
    assert result["written"] == demo.scalar(
        "select (select count(*) from bridge.event_queue) + (select count(*) from bridge.entity_events)"
    )
    assert result["seconds"] > 0
    assert result["events_per_second"] > 0
    assert result["relay_memory_bytes"] > 10_000_000
    assert result["versions"].keys() >= {"bridge", "python", "postgres", "librdkafka"}
    assert "The servers that are set" in first.stderr
    assert eventually(demo.is_alone)

    second = demo.run("--events", "200", "--seed", "2")
    assert second.returncode == 0, second.stderr
    everything = demo.scalar("select sum(event_queue_processed + entity_events_processed) from bridge.shard")
    assert second.stdout.startswith(f"{everything - result['written']:,} events in ")
    assert "once and in order" in second.stdout
    assert "contact.created\n" in second.stdout
    assert "first_name" in second.stdout
    assert f"tail {unique}.crm.contact --from-beginning" in second.stdout
    assert "Traceback" not in second.stderr


def test_ctrl_c_stops_traffic_and_relay(demo: Demo) -> None:
    process, lines = demo.start("--events", "10000000")
    relay = wait_until_writing(lines)
    process.send_signal(signal.SIGINT)
    assert ended(process, lines) == 130
    assert not psutil.pid_exists(relay)
    assert process.stdout is not None
    assert process.stdout.read() == ""
    last = list(iter(lambda: lines.get(timeout=10), ""))[-1]
    assert last == "bridge: interrupted\n"
    assert eventually(demo.is_alone)  # Postgres notices a moment later that a client has gone


def test_the_relay_does_not_outlive_a_killed_demo(demo: Demo) -> None:
    process, lines = demo.start("--events", "10000000")
    wait_for(lines, lambda line: " written " in line)
    process.kill()
    process.wait(10)
    assert eventually(demo.is_alone)


def test_a_relay_that_ends_is_told_with_its_log(demo: Demo) -> None:
    process, lines = demo.start("--events", "10000000")
    os.kill(wait_until_writing(lines), signal.SIGKILL)
    assert ended(process, lines) == 1
    wait_for(lines, lambda line: line.startswith("bridge: the relay was ended by SIGKILL") and ".log" in line)
    assert eventually(demo.is_alone)


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "words"),
    [
        (["--events", "0"], {}, 2, "--events"),
        ([], {"BRIDGE_REGISTRY_URL": ""}, 4, "BRIDGE_REGISTRY_URL"),
        ([], {"BRIDGE_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}, 3, "127.0.0.1:1"),
        (["--config", "missing.toml"], {}, 4, "missing.toml"),
    ],
)
def test_wrong_input_is_one_line(
    demo: Demo, arguments: list[str], environment: dict[str, str], code: int, words: str
) -> None:
    result = demo.run(*arguments, **environment)
    assert result.returncode == code
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_a_configuration_without_the_routes_is_refused(demo: Demo, tmp_path: Path) -> None:
    config = tmp_path / "bare.toml"
    config.write_text("")
    result = demo.run("--config", str(config))
    assert result.returncode == 4
    assert "no route for address.created" in result.stderr
