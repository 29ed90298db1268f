"""A bridge of one test: its own database, topics, schemas and name, with relays that run as processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import forked
import psycopg
import pytest
from auditor import Audit, Found, audit, hanging_for_long, read_topics
from forked import Forked, Process, may_be_forked
from roles import Roles, kind_for
from sessions import Sessions

from bridge.admin.config import given_keys
from bridge.configuration.load import load
from bridge.local.stack import Endpoints
from bridge.resources import resource
from bridge.settings import Delivery, Route, Settings

THING = {
    "type": "record",
    "name": "Thing",
    "namespace": "test",
    "fields": [
        {"name": "n", "type": "long"},
        {"name": "text", "type": ["null", "string"], "default": None},
    ],
}
LEASE_SECONDS, TRANSACTION_TIMEOUT_SECONDS = 1.5, 5.0
CONFIG = """
schemas = "schemas"
[database]
url = "{servers.database_url}"
[kafka]
bootstrap_servers = "{servers.kafka_bootstrap_servers}"
[registry]
url = "{servers.registry_url}"
[relay]
name = "{name}"
lease_seconds = {lease_seconds}
transaction_timeout_seconds = {transaction_timeout_seconds}
{relay}
[topics]
create_missing = true
partitions = 3
replication_factor = {replication_factor}
control = "{name}.shards"
dead_letters = "{name}.dead_letters"
[[routes]]
event_type = "thing.changed"
topic = "{name}.things"
subject = "{name}.things-test.Thing"
[[routes]]
event_type = "other.changed"
topic = "{name}.others"
subject = "{name}.others-test.Thing"
[[routes]]
event_type = "entity.changed"
topic = "{name}.entity_events"
subject = "{name}.entity_events-bridge.EntityChanged"
"""


T = TypeVar("T")


def eventually(check: Callable[[], T], seconds: float = 60.0, told: Callable[[], object] = str) -> T:
    """Wait until `check()` is truthy and return it; fails the test after `seconds`, with what is `told` then.

    Looks less often as time goes by, for the machine has much else to do.
    """
    began = time.monotonic()
    while not (result := check()):
        waited = time.monotonic() - began
        assert waited < seconds, f"waited {seconds} s in vain. {told()}"
        time.sleep(min(max(waited / 8, 0.05), 0.3))
    return result


def is_stopped(pid: int) -> bool:
    """Whether a process that was sent SIGSTOP stands still, each of its threads."""
    threads = [stat.read_text() for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
    return all(stat.rpartition(")")[2].split()[0] == "T" for stat in threads)


def stop(process: Process) -> None:
    """SIGSTOP, and wait until it does nothing any more."""
    process.send_signal(signal.SIGSTOP)
    eventually(lambda: is_stopped(process.pid))


def of_version(version: Path | None) -> dict[str, str]:
    """What makes a process, which has to be started in that directory, run the version of bridge that lies there."""
    return {} if version is None else {"PYTHONPATH": str(version)}


@dataclass
class Site:
    """One bridge: configuration, and the means to write events, run relays and audit the result."""

    settings: Settings
    config: Path
    name: str
    roles: Roles = field(default_factory=Roles)  # as which its commands run, where its server has them
    processes: list[Process] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)  # for its relays, beside the test's own
    written: set[str] = field(default_factory=set)  # ids of events whose commit was confirmed
    sessions: Sessions = field(default_factory=Sessions)

    @property
    def topics(self) -> list[str]:
        """Of all routes; the dead letters' is the last."""
        return [*dict.fromkeys(route.topic for route in self.settings.routes), self.settings.topics.dead_letters]

    def route(self, event_type: str, topic: str, schema: Mapping[str, object]) -> None:
        """One more route, for relays that start from now on; `topic` gets the bridge's name in front."""
        route = Route(event_type, f"{self.name}.{topic}", f"{self.name}.{topic}-{event_type}")
        (self.config.parent / "schemas" / f"{route.subject}.avsc").write_text(json.dumps(schema))
        lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in given_keys(route))
        self.configure(f"[[routes]]\n{lines}\n")

    def configure(self, more: str) -> None:
        """Add these lines to the configuration, for relays that start from now on."""
        self.config.write_text(self.config.read_text() + more)
        self.settings = load(self.config, {})

    def use_database(self, url: str) -> None:
        """Look elsewhere from now on, the relays' configuration included."""
        self.config.write_text(self.config.read_text().replace(self.settings.database.url, url))
        self.settings = replace(self.settings, database=replace(self.settings.database, url=url))

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.settings.database.url, autocommit=True)

    def url(self, kind: str | None) -> str:
        """Of its database, as a role of that kind; None: as its owner."""
        return self.roles.url(self.settings.database.url, kind)

    @property
    def as_owner(self) -> dict[str, str]:
        """The environment of a command that is for the owner of the schema."""
        return {"BRIDGE_DATABASE_URL": self.settings.database.url}

    def publish(self, count: int, *, keys: int = 20, event_type: str = "thing.changed") -> None:
        """Write `count` events over `keys` keys in one statement, as an application that may do nothing else."""
        statement = (
            "select bridge.publish_event(%s, 'k' || g %% %s, jsonb_build_object('n', g), serialize => false)::text"
            " from generate_series(1, %s) g"
        )
        rows = self.sessions.rows(self.url("publisher"), statement, event_type, keys, count)
        self.written.update(id_ for (id_,) in rows)

    def change(self, count: int) -> None:
        """Write `count` rows of change history, as a tracking trigger does."""
        statement = (
            "insert into bridge.entity_events (entity_type, entity_id, action, new_state) "
            "select 'thing', g::text, 'INSERT', jsonb_build_object('n', g) from generate_series(1, %s) g "
            "returning id::text"
        )
        self.written.update(id_ for (id_,) in self.rows(statement, count))

    def rows(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """What its owner is told, who changes nothing in his session: it is kept for the next question."""
        return self.sessions.rows(self.settings.database.url, statement, *parameters)

    def scalar(self, statement: str, *parameters: object) -> Any:
        return self.rows(statement, *parameters)[0][0]

    def come_due(self) -> None:
        """The time of all that waits for its time has come; relays look as after a person's decision."""
        with self.connect() as db:
            db.execute("update bridge.parked set due_at = clock_timestamp() where state = 'deferred'")
            db.execute("update bridge.shard set decisions = decisions + 1")

    def pending(self) -> int:
        return int(
            self.scalar(
                "select (select count(*) from bridge.event_queue where status = 'PENDING')"
                " + (select count(*) from bridge.entity_events where status = 'PENDING')"
            )
        )

    def start(self, *arguments: str, failpoint: str | None = None, version: Path | None = None) -> Process:
        """Start `bridge run`; it is killed at the end of the test if it still runs. stderr is its log.

        `version`: where another version of bridge lies (tests/fix_version.py).
        """
        environment = {**os.environ, **self._servers("run"), **self.environment, **of_version(version)}
        if failpoint:
            environment["BRIDGE_FAILPOINT"] = failpoint
        log = self.config.parent / f"relay-{len(self.processes)}.log"
        process: Process
        if may_be_forked(environment):
            process = Forked(["run", *arguments], environment, {2: log})
        else:
            command = [sys.executable, "-m", "bridge", "run", *arguments]
            with log.open("w") as stderr:
                process = subprocess.Popen(command, env=environment, stderr=stderr, cwd=version)
        self.processes.append(process)
        return process

    def bridge(
        self,
        *arguments: str,
        answer: str = "",
        environment: Mapping[str, str] | None = None,
        version: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run another command of `bridge`; `answer` is its standard input, `environment` is added to the test's own."""
        whole = {**os.environ, **self._servers(*arguments), **(environment or {}), **of_version(version)}
        if may_be_forked(whole):
            return forked.run(arguments, whole, answer)
        command = [sys.executable, "-m", "bridge", *arguments]
        return subprocess.run(command, env=whole, input=answer, capture_output=True, text=True, timeout=60, cwd=version)

    def _servers(self, *arguments: str) -> dict[str, str]:
        own, kind = self.settings.database.url, kind_for(arguments)
        # As the test itself says.
        is_meant = os.environ.get("BRIDGE_DATABASE_URL", own) != own or "BRIDGE_DATABASE_URL_FILE" in self.environment
        role = {} if kind is None or is_meant else {"BRIDGE_DATABASE_URL": self.url(kind)}
        return {"BRIDGE_CONFIG": str(self.config), **role}

    def plant(self, text: str) -> None:
        """Relays that start from now on run this first: what is quicker there, so that a test is, or goes wrong."""
        (directory := self.config.parent / "planted").mkdir(exist_ok=True)
        with (directory / "sitecustomize.py").open("a") as planted:
            planted.write(f"{text}\n")
        self.environment["PYTHONPATH"] = os.pathsep.join([str(directory), str(Path(__file__).parents[1])])

    def assert_stops(self, words: str) -> None:
        """A relay stops shards, says why and what to do, changes nothing, and so does the next one."""
        before = self.pending()
        for _ in range(2):
            relay = self.start("--until-empty")
            assert relay.wait(60) == 5, self.log(relay)
            assert words in self.log(relay)
            assert "bridge recover --dry-run" in self.log(relay)
        assert self.pending() == before

    def terminate(self, *relays: Process) -> None:
        """SIGTERM, once each has said something: a Python that is only just starting would end by the signal itself."""
        eventually(lambda: all(self.log(relay) for relay in relays))
        for relay in relays:
            relay.terminate()

    def end(self, *relays: Process, code: int = 0) -> None:
        """SIGTERM ends them, in good order."""
        self.terminate(*relays)
        for relay in relays:
            assert relay.wait(60) == code, self.log(relay)

    def log(self, process: Process) -> str:
        return (self.config.parent / f"relay-{self.processes.index(process)}.log").read_text()

    def drain(self, *arguments: str) -> str:
        """Run a relay until nothing is pending, and all of it can be read; returns its log."""
        process = self.start("--until-empty", *arguments)
        assert process.wait(120) == 0, self.log(process)
        self.wait_for_markers()
        return self.log(process)

    def wait_for_markers(self) -> None:
        """Until what was committed can be read: the relay goes on a moment before that."""
        hanging_for_long(self.settings.kafka.bootstrap_servers, self.topics)

    def records(self) -> dict[str, list[Found]]:
        """All committed records by topic, in the order of their offsets."""
        self.wait_for_markers()
        return read_topics(self.settings.kafka.bootstrap_servers, self.topics)

    def audit(self) -> Audit:
        """Compare tables and topics; `tests/auditor.py`."""
        return audit(self.settings, self.topics[:-1], self.topics[-1], self.written)

    def audit_after_failures(self) -> Audit:
        """The same where batches failed: at least once, what was beside the failure comes again."""
        found = self.audit()
        return replace(found, duplicated=()) if self.settings.relay.delivery is Delivery.AT_LEAST_ONCE else found

    def assert_exactly_once(self, *relays: Process) -> Audit:
        """Everything gets published, the relays end gracefully, and the auditor finds nothing wrong."""
        eventually(lambda: self.pending() == 0, 150)  # three brokers that start again at once need a minute here
        self.end(*relays)
        found = self.audit()
        assert found.is_clean, found
        return found


@contextmanager
def beside(work: Callable[[], None], ending: threading.Event) -> Iterator[None]:
    """`work` in a thread of its own, which is over soon after `ending` is set; that is done at the end."""
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


@contextmanager
def open_site(
    servers: Endpoints,
    name: str,
    directory: Path,
    *,
    roles: Roles | None = None,
    relay: str = "",
    replication_factor: int = 1,
) -> Iterator[Site]:
    """A bridge called `name` on these servers; its relays are killed at the end. `relay`: lines for that section."""
    schemas = directory / "schemas"
    schemas.mkdir()
    for topic in ("things", "others"):
        (schemas / f"{name}.{topic}-test.Thing.avsc").write_text(json.dumps(THING))
    shipped = resource("schemas", "bridge.entity_events-bridge.EntityChanged.avsc").read_text("utf-8")
    (schemas / f"{name}.entity_events-bridge.EntityChanged.avsc").write_text(shipped)
    config = directory / "bridge.toml"
    text = CONFIG.format(
        servers=servers,
        name=name,
        relay=relay,
        replication_factor=replication_factor,
        lease_seconds=LEASE_SECONDS,
        transaction_timeout_seconds=TRANSACTION_TIMEOUT_SECONDS,
    )
    config.write_text(text)
    site = Site(load(config, {}), config, name, roles or Roles())
    try:
        yield site
    finally:
        for process in site.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        site.sessions.close()


@pytest.fixture
def relay_lines(request: pytest.FixtureRequest) -> str:
    """What `@pytest.mark.relay("batch_rows = 100")` adds to the [relay] section of a test's site."""
    marker = request.node.get_closest_marker("relay")
    return "\n".join(marker.args) if marker else ""


@pytest.fixture
def site(
    database: str, servers: Endpoints, roles: Roles, unique: str, tmp_path: Path, relay_lines: str
) -> Iterator[Site]:
    """A bridge of the test's own, with a fresh database, on the servers that all tests share.

    Its relays and commands run as roles with exactly the rights of their kinds.
    """
    endpoints = replace(servers, database_url=database)
    with open_site(endpoints, unique, tmp_path, roles=roles, relay=relay_lines) as site:
        yield site
