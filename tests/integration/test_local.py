"""`bridge local`, as a user meets it: the real commands and the real servers, in directories of their own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from fix_command import data_of
from psycopg import sql

from bridge.errors import ConfigError
from bridge.local import directory as directory_module
from bridge.local.stack import Stack
from bridge.local.state import read_state

SCHEMA = Schema('"string"', "AVRO")


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """Where a stack may be made; whatever runs there after the test is ended."""
    directory = tmp_path / "stack"
    yield directory
    if Stack(directory).exists():
        Stack(directory).down(purge=True)


@pytest.mark.timeout(900)  # the machine may be busy
def test_life_of_a_stack(stack: Stack, directory: Path) -> None:
    """Beside the session's own stack: up, up again, down, up with all data and ports, purge."""
    assert bridge("up", directory, umask=0).returncode == 0
    assert open_to_others(directory) == []
    first = env(directory)
    assert not set(first.values()) & set(vars(stack.endpoints).values())
    write_something(first, "kept")
    assert bridge("psql", directory, "-At", "-c", "select current_database(), 1").stdout == "bridge|1\n"

    again = bridge("up", directory)
    assert again.returncode == 0
    assert "running already" in again.stderr

    assert bridge("down", directory).returncode == 0
    assert bridge("status", directory).returncode == 3
    refused = bridge("env", directory)
    assert (refused.returncode, refused.stdout) == (3, "")
    assert "not running" in refused.stderr

    assert bridge("up", directory).returncode == 0
    assert env(directory) == first
    assert_something_is_there(first, "kept")
    status = data_of(bridge("status", directory, "--json").stdout)
    assert all(psutil.pid_exists(server["pid"]) for server in status["servers"])

    assert bridge("down", directory, "--purge").returncode == 0
    assert not directory.exists()
    assert not running_below(directory)


@pytest.mark.long
def test_power_cut(stack: Stack, unique: str) -> None:
    """Every process is killed at once; the next start recovers what had been written."""
    endpoints = stack.endpoints
    written = {f"BRIDGE_{name.upper()}": value for name, value in vars(endpoints).items()}
    write_something(written, unique)

    for server in stack.servers:
        server.kill()
    assert not running_below(stack.directory)
    # The process ids of the dead may belong to anybody by now, for example to this test.
    pid_file = stack.postgres.data / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n" + pid_file.read_text().split("\n", 1)[1])

    assert stack.up(attached=True) == endpoints
    assert_something_is_there(written, unique)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_one_server_away_and_back(stack: Stack, mode: str) -> None:
    stack.postgres.stop(mode=mode)
    assert [server.name for server in stack.status() if server.pid is None] == ["postgres"]
    stack.postgres.start()

    with psycopg.connect(stack.endpoints.database_url) as db:
        assert db.execute("select 1").fetchone() == (1,)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupted_start_leaves_nothing(directory: Path, number: signal.Signals) -> None:
    with subprocess.Popen(command("up", directory), stderr=subprocess.PIPE, text=True) as up:
        until(lambda: running_below(directory))
        up.send_signal(number)
        _, message = up.communicate()
    assert up.returncode == (130 if number == signal.SIGINT else -number)
    assert "Traceback" not in message

    until(lambda: not running_below(directory) and not guards_of(directory))
    assert read_state(directory).owner is None
    down = bridge("down", directory, "--purge")  # neither a lock nor a process is in its way
    assert down.returncode == 0
    assert not directory.exists()


def test_two_at_once(directory: Path) -> None:
    """The second waits for the first, and finds the server running."""
    both = [
        subprocess.Popen(command("up", directory, "--only", "postgres"), stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    messages = sorted([one.communicate()[1] for one in both], key=len)
    assert [one.returncode for one in both] == [0, 0], messages
    assert "running already" in messages[1]
    assert len(postmasters(directory)) == 1


def test_attached_servers_end_with_their_process(directory: Path) -> None:
    program = "import sys, pathlib; from bridge.local.stack import Stack\n"
    program += "Stack(pathlib.Path(sys.argv[1])).up(only=['postgres'], attached=True); print('up', flush=True); input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program, str(directory)], **pipes) as owner:
        assert owner.stdout.readline() == b"up\n"
        assert postmasters(directory)
        owner.kill()
        owner.communicate()

    until(lambda: not running_below(directory) and not guards_of(directory))


def test_taken_port_is_named(directory: Path) -> None:
    stack = Stack(directory)
    stack.up(only=["postgres"])
    stack.down()
    port = stack.postgres.port
    with socket.create_server(("127.0.0.1", port)):  # also where a connection of before is not forgotten yet
        refused = bridge("up", directory, "--only", "postgres")

        assert refused.returncode == 4
        assert f"port {port}" in refused.stderr
        assert f"(pid {os.getpid()})" in refused.stderr
        assert "--new-ports" in refused.stderr
        assert not running_below(directory)
        assert bridge("up", directory, "--only", "postgres", "--new-ports").returncode == 0
    assert stack.postgres.port != port


def test_ports_stay_while_a_server_runs(directory: Path) -> None:
    Stack(directory).up(only=["postgres"])

    refused = bridge("up", directory, "--new-ports")

    assert refused.returncode == 4
    assert "ports cannot change" in refused.stderr


def test_deleted_directory_starts_over(directory: Path) -> None:
    """Servers whose directory was deleted under them are replaced, not mistaken for the new ones."""
    stack = Stack(directory)
    before = stack.up(only=["postgres"])
    orphans = postmasters(directory)
    until(lambda: shutil.rmtree(directory, ignore_errors=True) or not directory.exists())  # while they write to it

    after = stack.up(only=["postgres"])

    assert before != after
    assert len(postmasters(directory)) == 1
    assert postmasters(directory) != orphans


def test_foreign_directory_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "kafka").write_text("somebody's")

    refused = bridge("up", tmp_path)

    assert refused.returncode == 4
    assert "not empty" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["kafka"]


def test_purge_keeps_what_is_not_its_own(directory: Path) -> None:
    stack = Stack(directory)
    directory.mkdir()
    stack._new_state()
    (directory / "notes.txt").write_text("mine")

    stack.down(purge=True)

    assert [path.name for path in directory.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("arguments", [("status",), ("env",)])
def test_no_stack_at_all(directory: Path, arguments: tuple[str, ...]) -> None:
    refused = bridge(*arguments, directory)

    assert refused.returncode == 4
    assert "there are no local servers" in refused.stderr
    assert bridge("down", directory).returncode == 0


def test_too_little_disk(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory_module, "_FREE_BYTES", 2**60)

    with pytest.raises(ConfigError, match="free space"):
        Stack(directory).up()


def test_unusable_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    refused = bridge("up", tmp_path / "file" / "stack")

    assert refused.returncode == 4
    assert "cannot use" in refused.stderr


def command(verb: str, directory: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "bridge", "local", verb, "--dir", str(directory), *options]


def bridge(verb: str, directory: Path, *options: str, umask: int = -1) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(verb, directory, *options), capture_output=True, text=True, timeout=200, umask=umask)


def open_to_others(directory: Path) -> list[str]:
    """Of a stack, the directories that others may enter, itself included, and the files with passwords and logs."""
    found = [directory, *(path for path in directory.iterdir() if path.is_dir() or path.suffix in (".json", ".log"))]
    assert len(found) > 5
    return [f"{path} {path.stat().st_mode & 0o777:o}" for path in found if path.stat().st_mode & 0o077]


def env(directory: Path) -> dict[str, str]:
    """What a shell has after `eval "$(bridge local env)"`."""
    lines = bridge("env", directory).stdout
    shell = subprocess.run(["sh", "-c", 'eval "$1"; env', "sh", lines], capture_output=True, text=True, check=True)
    return dict(line.split("=", 1) for line in shell.stdout.splitlines() if line.startswith("BRIDGE_"))


def write_something(env: dict[str, str], name: str) -> None:
    """One row, one record, one schema."""
    with psycopg.connect(env["BRIDGE_DATABASE_URL"]) as db:
        db.execute(sql.SQL("create table {} as select 42 as it").format(sql.Identifier(name)))
    kafka = {"bootstrap.servers": env["BRIDGE_KAFKA_BOOTSTRAP_SERVERS"]}
    admin = AdminClient(kafka)
    admin.create_topics([NewTopic(name, 1)])[name].result(30)
    producer = Producer(kafka)
    producer.produce(name, b"42")
    assert producer.flush(30) == 0
    with registry(env) as client:
        client.register_schema(name, SCHEMA)


def assert_something_is_there(env: dict[str, str], name: str) -> None:
    with psycopg.connect(env["BRIDGE_DATABASE_URL"]) as db:
        assert db.execute(sql.SQL("select it from {}").format(sql.Identifier(name))).fetchall() == [(42,)]
    consumer = Consumer({"bootstrap.servers": env["BRIDGE_KAFKA_BOOTSTRAP_SERVERS"], "group.id": name})
    consumer.assign([TopicPartition(name, 0, 0)])
    assert consumer.poll(30).value() == b"42"
    consumer.close()
    with registry(env) as client:
        assert client.get_latest_version(name).schema.schema_str == '"string"'


def registry(env: dict[str, str]) -> SchemaRegistryClient:
    return SchemaRegistryClient({"url": env["BRIDGE_REGISTRY_URL"], "timeout": 30})


def running_below(directory: Path) -> list[psutil.Process]:
    """The servers that run for this directory; not by way of the code under test."""
    found = []
    for process in psutil.process_iter():
        try:
            named = any(f"bridge.local={directory}" in argument for argument in process.cmdline())
            if named and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def postmasters(directory: Path) -> list[psutil.Process]:
    """Without the forks, which carry the same command line for a moment."""
    found = running_below(directory)
    pids = {process.pid for process in found}
    return [process for process in found if parent(process) not in {*pids, None}]


def parent(process: psutil.Process) -> int | None:
    """None of one that has ended."""
    try:
        return process.ppid()
    except psutil.NoSuchProcess:
        return None


def guards_of(directory: Path) -> list[psutil.Process]:
    return [
        p
        for p in psutil.process_iter(["cmdline"])
        if {"bridge.local.guard", str(directory)} <= set(p.info["cmdline"] or ())
    ]


def until(condition: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
