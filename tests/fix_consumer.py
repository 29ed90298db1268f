"""Topics of events as bridge publishes them, without a relay, and consumers of `bridge.consumer`: in threads, and as
processes of their own that can be killed (`python -m consumer_process`)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from fix_relay import eventually
from kafka_settings import create

from bridge.consumer import Consumer, Message, create_inbox
from bridge.settings import Settings

PARTITIONS = 4
EFFECTS = """
create table effect (
    number bigint generated always as identity,
    key text,
    n int,
    pid int
)"""  # no key that would hide what happened twice
SOON = {"session.timeout.ms": "6000", "heartbeat.interval.ms": "500", "fetch.wait.max.ms": "50"}


def read_all(settings: Settings, topic: str, group: str, count: int) -> list[str]:
    """The ids of the things that a consumer of these servers is given, until there are `count`, or in a minute."""
    kafka = settings.kafka
    consumer = Consumer(
        kafka=kafka.bootstrap_servers,
        properties=kafka.properties,
        registry=settings.registry,
        database=settings.database.url,
        group=group,
        topics=[topic],
    )
    found: list[str] = []

    @consumer.handler("thing.changed")
    def take(message: Message, _connection: psycopg.Connection[Any]) -> None:
        found.append(str(message.headers["ce_id"]))
        if len(found) == count:
            consumer.stop()

    consumer.create_inbox()
    watchdog = threading.Timer(60, consumer.stop)
    watchdog.start()
    consumer.run()
    watchdog.cancel()
    return found


class Scene:
    """One topic, one consumer's database with an inbox and the table `effect`, one group."""

    def __init__(self, kafka: str, registry: str, database: str, name: str, directory: Path) -> None:
        self.kafka, self.registry, self.database, self.name = kafka, registry, database, name
        self.topic = f"{name}.things"
        self.processes: list[subprocess.Popen[bytes]] = []
        self._directory = directory
        self.admin = AdminClient({"bootstrap.servers": kafka})
        self._producer = Producer({"bootstrap.servers": kafka, "transactional.id": name, "linger.ms": 1})
        self._producer.init_transactions(30)
        self._sent = 0

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        self._producer.close()

    def send(self, *values: Any, key: str = "k", is_aborted: bool = False, **headers: str) -> None:
        """Events in one transaction; bytes as they are, others as JSON. Headers replace, or are added to, the usual."""
        self._producer.begin_transaction()
        for value in values:
            self._sent += 1
            given = {"ce_type": "thing.changed", "ce_source": "/test/outbox", "ce_id": f"{self.name}-{self._sent}"}
            if not isinstance(value, bytes | None):
                value = json.dumps(value).encode()
                given["content-type"] = "application/json"
            given |= {name.replace("__", "-"): content for name, content in headers.items()}
            sent = [(header, content.encode()) for header, content in given.items()]
            self._producer.produce(self.topic, value, key, headers=sent)
        self._producer.flush(30)  # or what is aborted would never have been sent
        self._producer.abort_transaction(30) if is_aborted else self._producer.commit_transaction(30)

    def consumer(self, **more: Any) -> Consumer:
        """A consumer without handlers; it is impatient."""
        given = {"kafka": self.kafka, "registry": self.registry, "database": self.database, "group": self.name}
        given |= {"topics": [self.topic], "properties": SOON, "backoff_seconds": 0.05, "attempts": 3}
        return Consumer(**(given | more))

    @contextmanager
    def running(self, consumer: Consumer) -> Iterator[threading.Thread]:
        """It runs in a thread, until the end; what it raises is raised."""
        raised: list[BaseException] = []

        def run() -> None:
            try:
                consumer.run()
            except BaseException as error:
                raised.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield thread
        finally:
            consumer.stop()
            thread.join(60)
        for error in raised:
            raise error

    def start(self, **more: Any) -> subprocess.Popen[bytes]:
        """`consumer_process` with these arguments; it is killed at the end of the test."""
        given = {"kafka": self.kafka, "database": self.database, "group": self.name, "topics": [self.topic]}
        given |= {"properties": SOON, "backoff_seconds": 0.05}
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        with (self._directory / f"consumer-{len(self.processes)}.log").open("wb") as log:
            command = [sys.executable, "-m", "consumer_process", json.dumps(given | more)]
            self.processes.append(subprocess.Popen(command, env=environment, stderr=log))
        return self.processes[-1]

    def logs(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self._directory.glob("consumer-*.log")))

    def execute(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database, autocommit=True) as db:
            cursor = db.execute(statement.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    def effects(self, key: str | None = None) -> list[int]:
        """What handlers have written, in its order: of one key, or of all."""
        rows = self.execute("select n from effect where key = coalesce(%s, key) order by number", key)
        return [n for (n,) in rows]

    def members(self) -> int:
        """Of the group, as the broker knows them."""
        (found,) = self.admin.describe_consumer_groups([self.name]).values()
        return len(found.result(30).members)

    def parked(self) -> list[tuple[str, int, str]]:
        """State, attempts and reason of what is parked, in its order."""
        return self.execute("select state, attempts, reason from bridge_inbox.parked order by number")

    def wait_for(self, count: int, seconds: float = 60.0) -> None:
        """Until there are so many effects, at least."""
        eventually(lambda: len(self.effects()) >= count, seconds)


@pytest.fixture
def scene(kafka: str, registry: str, empty_database: str, unique: str, tmp_path: Path) -> Iterator[Scene]:
    """A topic and a database of the test's own."""
    create_inbox(empty_database)
    scene = Scene(kafka, registry, empty_database, unique, tmp_path)
    create(scene.admin, NewTopic(scene.topic, PARTITIONS, 1))
    scene.execute(EFFECTS)
    yield scene
    scene.close()
    scene.admin.delete_topics([scene.topic])[scene.topic].result(30)
