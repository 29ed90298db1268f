"""A server is away while `bridge.consumer` runs, or before: it waits, counts nothing, and goes on."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from fix_consumer import EFFECTS, PARTITIONS, Scene
from fix_kafka import Cluster
from fix_relay import eventually
from kafka_settings import create
from proxy import Proxy
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bridge.consumer import Message, create_inbox

THING = {"type": "record", "name": "Thing", "fields": [{"name": "n", "type": "int"}]}


class Gate:
    """What a server is reached through: shut, connections break, and new ones are refused."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self._is_open = False
        self._refusals = 0
        self._proxy = Proxy(self._target, speaks_kafka=False)

    @property
    def url(self) -> str:
        login, at, _ = self._url.netloc.rpartition("@")
        return self._url._replace(netloc=f"{login}{at}127.0.0.1:{self._proxy.port}").geturl()

    def open(self) -> None:
        self._is_open = True

    def shut(self) -> None:
        self._is_open = False
        self._proxy.reset()

    def drop(self) -> None:
        """Connections break, and the next one is refused."""
        self._refusals = 1
        self._proxy.reset()

    def close(self) -> None:
        self._proxy.close()

    def _target(self) -> int:
        if self._refusals:
            self._refusals -= 1
            return 1
        return (self._url.port or 0) if self._is_open else 1


@contextmanager
def gate(url: str) -> Iterator[Gate]:
    found = Gate(url)
    try:
        yield found
    finally:
        found.close()


def write(message: Message, connection: psycopg.Connection[Any]) -> None:
    connection.execute("insert into effect (key, n) values (%s, %s)", (message.key, message.value["n"]))


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if "waiting for it" in record.message]


def test_the_database(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    with gate(scene.database) as database:
        consumer = scene.consumer(database=database.url)
        consumer.handler("thing.changed")(write)
        scene.send({"n": 1}, key="a")
        with scene.running(consumer):
            eventually(lambda: said(caplog))  # at the start
            database.open()
            scene.wait_for(1)
            database.shut()
            scene.send({"n": 2}, {"n": 3}, key="a")
            eventually(lambda: len(said(caplog)) == 2)
            database.open()
            scene.wait_for(3)

    assert scene.effects() == [1, 2, 3]
    assert len(said(caplog)) == 2
    assert "password" not in caplog.text


def test_a_password_that_changes_is_a_refusal_until_the_file_has_it(
    scene: Scene, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    role, file = f"{scene.name}_consumer", tmp_path / "pgpass"
    own = conninfo_to_dict(scene.database)
    del own["password"]

    def keep(password: str) -> None:
        file.with_suffix(".new").write_text(f"*:*:*:*:{password}\n")
        file.with_suffix(".new").chmod(0o600)
        file.with_suffix(".new").replace(file)

    scene.execute(f"create role {role} superuser login password 'former'")
    keep("former")
    try:
        consumer = scene.consumer(database=make_conninfo(**own | {"user": role, "passfile": str(file)}))
        consumer.handler("thing.changed")(write)
        with scene.running(consumer):
            scene.send({"n": 1}, key="a")
            scene.wait_for(1)
            scene.execute(f"alter role {role} password 'S3CR3T'")
            scene.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", role)
            eventually(lambda: f'password authentication failed for user "{role}"; trying again' in caplog.text)
            keep("S3CR3T")
            scene.send({"n": 2}, key="a")
            scene.wait_for(2)
    finally:
        scene.execute(f"drop role {role}")

    assert "authentication failed" not in "".join(said(caplog))
    assert "S3CR3T" not in caplog.text


def test_a_database_that_goes_away_in_the_middle_of_a_handler_costs_no_attempt(scene: Scene) -> None:
    calls: list[int] = []
    with gate(scene.database) as database:
        database.open()
        consumer = scene.consumer(database=database.url, attempts=2)

        def handle(message: Message, connection: psycopg.Connection[Any]) -> None:
            calls.append(message.attempt)
            if len(calls) == 1:
                database.drop()
            write(message, connection)

        consumer.handler("thing.changed")(handle)
        scene.send({"n": 1}, {"n": 2}, key="a")
        with scene.running(consumer):
            scene.wait_for(2)

    assert scene.effects() == [1, 2]
    assert calls == [1, 1, 1]


def test_an_event_that_makes_the_server_go_away_is_not_tried_for_ever(scene: Scene) -> None:
    """Its first loss is one of several's; then each is its own, though the server is not there at once."""
    calls: list[int] = []
    with gate(scene.database) as database:
        database.open()
        consumer = scene.consumer(database=database.url)

        def handle(message: Message, connection: psycopg.Connection[Any]) -> None:
            if message.value["n"] == 2:
                calls.append(message.attempt)
                database.drop()
            write(message, connection)

        consumer.handler("thing.changed")(handle)
        scene.send({"n": 1}, {"n": 2}, key="a")
        scene.send({"n": 3}, key="b")
        with scene.running(consumer):
            eventually(lambda: scene.parked())
            scene.wait_for(2)

    assert sorted(scene.effects()) == [1, 3]
    assert [row[:2] for row in scene.parked()] == [("dead", 3)]
    assert len(calls) <= 4


@contextmanager
def copied(scene: Scene) -> Iterator[str]:
    """A copy of the consumer's database as it is now, by its name."""
    name = conninfo_to_dict(scene.database)["dbname"]
    beside = make_conninfo(scene.database, dbname="postgres")
    with psycopg.connect(beside, autocommit=True) as db:
        eventually(lambda: not db.execute("select from pg_stat_activity where datname = %s", (name,)).fetchall())
        db.execute(f"create database {name}_copy template {name} strategy file_copy".encode())
        try:
            yield f"{name}_copy"
        finally:
            db.execute(f"drop database if exists {name}_copy with (force)".encode())


def test_a_database_that_is_restored_is_given_what_it_lacks(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """Kafka's offsets know nothing of that: they are behind all that the former one had."""

    def handle_all(database: str, count: int) -> None:
        consumer = scene.consumer(database=database)
        consumer.handler("thing.changed")(write)
        with scene.running(consumer), psycopg.connect(database, autocommit=True) as db:
            eventually(lambda: db.execute("select count(*) from effect").fetchone() == (count,))

    scene.send({"n": 1}, key="a")
    handle_all(scene.database, 1)
    with copied(scene) as name:
        scene.send({"n": 2}, key="a")
        scene.send({"n": 3}, key="b")
        handle_all(scene.database, 3)
        handle_all(make_conninfo(scene.database, dbname=name), 3)

    assert f"{scene.topic}[" in caplog.text
    assert "the database is behind Kafka's offsets" in caplog.text


def test_a_failover_to_a_standby_that_lacks_commits(scene: Scene) -> None:
    """The consumer keeps its partitions meanwhile."""
    name = conninfo_to_dict(scene.database)["dbname"]
    with gate(scene.database) as database:
        database.open()
        consumer = scene.consumer(database=database.url)
        consumer.handler("thing.changed")(write)
        with scene.running(consumer):
            scene.send({"n": 1}, key="a")
            scene.wait_for(1)
            database.shut()
            with copied(scene) as standby:
                database.open()
                scene.send({"n": 2}, key="a")
                scene.wait_for(2)
                database.shut()
                with psycopg.connect(make_conninfo(scene.database, dbname="postgres"), autocommit=True) as db:
                    db.execute(f"drop database {name} with (force)".encode())
                    db.execute(f"alter database {standby} rename to {name}".encode())
                database.open()
                scene.wait_for(2)
                scene.send({"n": 3}, key="a")
                scene.wait_for(3)

    assert scene.effects() == [1, 2, 3]


def test_what_kafka_has_removed_before_it_came_is_told(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    for numbers, kept in (([1, 2], [1, 2]), ([3, 4], [1, 2, 5]), ([6], [1, 2, 5, 6])):
        scene.send(*({"n": n} for n in numbers), key="a")
        if numbers == [3, 4]:
            ends = scene.admin.delete_records([TopicPartition(scene.topic, n, -1) for n in range(PARTITIONS)])
            for end in ends.values():
                end.result(30)
            scene.send({"n": 5}, key="a")
        consumer = scene.consumer()
        consumer.handler("thing.changed")(write)
        with scene.running(consumer):
            scene.wait_for(len(kept))
        assert scene.effects() == kept

    (told,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "removed records" in told.message
    assert "at the offsets 2 to " in told.message  # behind two records


def test_the_registry(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    with SchemaRegistryClient({"url": scene.registry}) as client:
        schema_id = client.register_schema(scene.name, Schema(json.dumps(THING), "AVRO"))
    avro = b"\0" + schema_id.to_bytes(4, "big") + b"\x04"
    with gate(scene.registry) as registry:
        consumer = scene.consumer(registry=registry.url)
        consumer.handler("thing.changed")(write)
        scene.send({"n": 1}, avro, {"n": 3}, key="a")
        with scene.running(consumer):
            eventually(lambda: said(caplog))
            assert scene.effects() == [1]  # what needs no schema is not held up by what comes behind it
            assert scene.parked() == []
            assert "Check the consumer's parameter `registry`" in said(caplog)[0]
            registry.open()
            scene.wait_for(3)

    assert scene.effects() == [1, 2, 3]
    assert len(said(caplog)) == 1


def test_it_ends_while_kafka_is_away(
    empty_database: str, unique: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """librdkafka would wait for the commit of its last offsets for minutes."""
    cluster = Cluster(tmp_path, 1)
    try:
        create_inbox(empty_database)
        scene = Scene(cluster.bootstrap_servers, "", empty_database, unique, tmp_path)
        create(scene.admin, NewTopic(scene.topic, PARTITIONS, 1))
        scene.execute(EFFECTS)
        consumer = scene.consumer()
        consumer.handler("thing.changed")(write)
        scene.send({"n": 1})
        with scene.running(consumer) as thread:
            scene.wait_for(1)
            cluster.brokers[0].signal(signal.SIGKILL)
            eventually(lambda: "brokers are down" in caplog.text)
            consumer.stop()
            thread.join(30)
            assert not thread.is_alive()
        scene.close()
    finally:
        cluster.brokers[0].close()
