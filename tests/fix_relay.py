"""A bridge of one test: its own database, topics, schemas and name, with a relay that runs as its own process.

`Site.audit()` is an auditor that shares no code with the relay or `bridge verify`: it reads the topics with a plain
consumer, the tables with plain SQL, and compares.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition

from bridge.local.stack import Endpoints
from bridge.resources import resource
from bridge.settings import Settings, load

THING = {
    "type": "record",
    "name": "Thing",
    "namespace": "test",
    "fields": [
        {"name": "n", "type": "long"},
        {"name": "text", "type": ["null", "string"], "default": None},
    ],
}
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
lease_seconds = 1.5
transaction_timeout_seconds = 5.0
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


def eventually(check: Callable[[], T], seconds: float = 60.0) -> T:
    """Wait until `check()` is truthy and return it; fails the test after `seconds`."""
    ends = time.monotonic() + seconds
    while not (result := check()):
        assert time.monotonic() < ends, f"waited {seconds} s in vain"
        time.sleep(0.05)
    return result


@dataclass(frozen=True)
class Audit:
    """What an independent reader found; ids of events, all empty when all is well."""

    published: int
    lost: set[str]
    duplicated: set[str]
    reordered: set[str]
    phantom: set[str]

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.duplicated or self.reordered or self.phantom)


@dataclass
class Site:
    """One bridge: configuration, and the means to write events, run relays and audit the result."""

    settings: Settings
    config: Path
    name: str
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def topics(self) -> list[str]:
        return [f"{self.name}.{topic}" for topic in ("things", "others", "entity_events", "dead_letters")]

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.settings.database.url, autocommit=True)

    def publish(self, count: int, *, keys: int = 20, event_type: str = "thing.changed") -> None:
        """Write `count` events over `keys` keys in one statement."""
        statement = (
            "insert into bridge.event_queue (event_type, event_key, payload) "
            "select %s, 'k' || g %% %s, jsonb_build_object('n', g) from generate_series(1, %s) g"
        )
        with self.connect() as db:
            db.execute(statement, (event_type, keys, count))

    def change(self, count: int) -> None:
        """Write `count` rows of change history, as a tracking trigger does."""
        statement = (
            "insert into bridge.entity_events (entity_type, entity_id, action, new_state) "
            "select 'thing', g::text, 'INSERT', jsonb_build_object('n', g) from generate_series(1, %s) g"
        )
        with self.connect() as db:
            db.execute(statement, (count,))

    def scalar(self, statement: str, *parameters: object) -> Any:
        with self.connect() as db:
            row = db.execute(statement, parameters).fetchone()
            assert row is not None
            return row[0]

    def pending(self) -> int:
        return int(
            self.scalar(
                "select (select count(*) from bridge.event_queue where status = 'PENDING')"
                " + (select count(*) from bridge.entity_events where status = 'PENDING')"
            )
        )

    def start(self, *arguments: str, failpoint: str | None = None) -> subprocess.Popen[str]:
        """Start `bridge run`; it is killed at the end of the test if it still runs. stderr is its log."""
        environment = {**os.environ, "BRIDGE_CONFIG": str(self.config)}
        if failpoint:
            environment["BRIDGE_FAILPOINT"] = failpoint
        with (self.config.parent / f"relay-{len(self.processes)}.log").open("w") as log:
            command = [sys.executable, "-m", "bridge", "run", *arguments]
            process = subprocess.Popen(command, env=environment, stderr=log, text=True)
        self.processes.append(process)
        return process

    def log(self, process: subprocess.Popen[str]) -> str:
        return (self.config.parent / f"relay-{self.processes.index(process)}.log").read_text()

    def drain(self, *arguments: str) -> str:
        """Run a relay until nothing is pending; returns its log."""
        process = self.start("--until-empty", *arguments)
        assert process.wait(120) == 0, self.log(process)
        return self.log(process)

    def records(self) -> dict[str, list[tuple[int, bytes, dict[str, str], bytes]]]:
        """All committed records by topic: (partition, key, headers, value) in the order of their offsets."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.settings.kafka.bootstrap_servers,
                "group.id": f"{self.name}-audit",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
            }
        )
        found: dict[str, list[tuple[int, bytes, dict[str, str], bytes]]] = {topic: [] for topic in self.topics}
        try:
            existing = consumer.list_topics(timeout=10).topics
            parts = [
                TopicPartition(topic, part, 0)
                for topic in self.topics
                if topic in existing
                for part in existing[topic].partitions
            ]
            consumer.assign(parts)
            ended = set()
            while len(ended) < len(parts):
                for message in consumer.consume(1000, timeout=1.0):
                    place = (message.topic(), message.partition())
                    if message.error():
                        ended.add(place)
                        continue
                    headers = {name: value.decode() for name, value in message.headers() or []}
                    found[message.topic()].append((message.partition(), message.key(), headers, message.value()))
        finally:
            consumer.close()
        return found

    def audit(self) -> Audit:
        """Compare topics and tables."""
        with self.connect() as db:
            rows = db.execute(
                "select id::text, seq, event_key, status from bridge.event_queue union all "
                "select id::text, seq, entity_type || ':' || entity_id, status from bridge.entity_events"
            ).fetchall()
        expected = {id_: (seq, key, status) for id_, seq, key, status in rows}
        seen: set[str] = set()
        duplicated, reordered = set(), set()
        for records in self.records().values():
            last: dict[bytes, int] = defaultdict(int)
            for _, key, headers, _ in records:
                id_ = headers["ce_id"]
                if id_ in seen:
                    duplicated.add(id_)
                seen.add(id_)
                seq, event_key, _ = expected.get(id_, (0, key.decode(), ""))
                if seq and seq <= last[key] and id_ not in duplicated:
                    reordered.add(id_)
                last[key] = max(last[key], seq)
                assert event_key.encode() == key
        lost = {id_ for id_, (_, _, status) in expected.items() if status != "PENDING" and id_ not in seen}
        return Audit(len(seen), lost, duplicated, reordered, seen - expected.keys())


@contextmanager
def open_site(
    servers: Endpoints, name: str, directory: Path, *, relay: str = "", replication_factor: int = 1
) -> Iterator[Site]:
    """A bridge called `name` on these servers; its relays are killed at the end. `relay`: lines for that section."""
    schemas = directory / "schemas"
    schemas.mkdir()
    for topic in ("things", "others"):
        (schemas / f"{name}.{topic}-test.Thing.avsc").write_text(json.dumps(THING))
    shipped = resource("schemas", "bridge.entity_events-bridge.EntityChanged.avsc").read_text("utf-8")
    (schemas / f"{name}.entity_events-bridge.EntityChanged.avsc").write_text(shipped)
    config = directory / "bridge.toml"
    config.write_text(CONFIG.format(servers=servers, name=name, relay=relay, replication_factor=replication_factor))
    site = Site(load(config, {}), config, name)
    try:
        yield site
    finally:
        for process in site.processes:
            if process.poll() is None:
                process.kill()
            process.wait()


@pytest.fixture
def relay_lines(request: pytest.FixtureRequest) -> str:
    """What `@pytest.mark.relay("batch_rows = 100")` adds to the [relay] section of a test's site."""
    marker = request.node.get_closest_marker("relay")
    return "\n".join(marker.args) if marker else ""


@pytest.fixture
def site(database: str, servers: Endpoints, unique: str, tmp_path: Path, relay_lines: str) -> Iterator[Site]:
    """A bridge of the test's own, with a fresh database, on the servers that all tests share."""
    with open_site(replace(servers, database_url=database), unique, tmp_path, relay=relay_lines) as site:
        yield site
