"""Where a measurement takes place: a database, topics and schemas of its own on the servers that the settings name."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import LiteralString
from urllib.parse import urlsplit

import psycopg
from confluent_kafka.admin import AdminClient
from psycopg import sql

from bridge.admin.config import given_keys
from bridge.bench.measured import Measured
from bridge.kafka.client import client_properties
from bridge.kafka.cluster import Cluster
from bridge.kafka.topics import ensure_topics
from bridge.local.relay_process import RelayProcess
from bridge.postgres.connection import connect
from bridge.postgres.migrate import migrate
from bridge.resources import resource
from bridge.settings import SECTIONS, Delivery, Route, Settings

EVENT_TYPE = "bench.happened"
PROCEDURE = "fill_bridge"  # in sql/fill.sql
PARTITIONS = 6
SCHEMA = {
    "type": "record",
    "name": "Happened",
    "namespace": "bench",
    "fields": [{"name": "n", "type": "long"}, {"name": "text", "type": "string"}],
}
HISTORY_SCHEMA = "bridge.entity_events-bridge.EntityChanged"  # that ships with bridge
OVERHEAD_BYTES = 40  # of a payload, around its text: {"n": 1234567, "text": ""}
WRITE = (
    "select bridge.publish_event('bench.happened', 'key ' || %(n)s::bigint,"
    " jsonb_build_object('n', %(n)s::bigint, 'text', repeat('x', %(text)s)))"
)


def text_length(payload_bytes: int) -> int:
    """The length of the text that makes a payload so large."""
    return max(payload_bytes - OVERHEAD_BYTES, 0)


def statements(name: str) -> LiteralString:
    """The text of `sql/<name>.sql`."""
    return resource("bench", f"sql/{name}.sql").read_text("utf-8")


@dataclass
class Scene:
    """`settings` name a scratch database, and topics with the prefix `name`; `events` were written so far."""

    settings: Settings
    name: str
    directory: Path
    events: int = 0

    @property
    def topic(self) -> str:
        return f"{self.name}.happened"

    def connect(self) -> psycopg.Connection:
        return connect(self.settings.database, application_name="bridge bench")

    def reserve(self, count: int) -> int:
        """Reserves the numbers of `count` events, and returns the one before the first."""
        self.events += count
        return self.events - count

    def write(self, count: int, payload_bytes: int, procedure: str = PROCEDURE) -> None:
        """Write `count` events with a payload of about so many bytes, each in a transaction of its own."""
        call = sql.SQL("call {}(%s, %s, %s)").format(sql.Identifier("public", procedure))
        with self.connect() as db:
            db.execute("set synchronous_commit = off")  # what is measured comes later
            db.execute(call, (self.reserve(count), count, text_length(payload_bytes)))

    def fill(self, count: int, payload_bytes: int, procedure: str = PROCEDURE) -> None:
        """Write a backlog, and leave nothing for the server to do that would fall into the measurement."""
        self.write(count, payload_bytes, procedure)
        with self.connect() as db:
            db.execute("vacuum analyze")
            db.execute("checkpoint")

    def clear(self) -> None:
        """Empty the outboxes, or what was measured before would be vacuumed during what comes now."""
        with self.connect() as db:
            db.execute("truncate bridge.outbox, public.outbox, public.unpartitioned")
            db.execute("checkpoint")

    def pending(self) -> int:
        with self.connect() as db:
            row = db.execute("select count(*) from bridge.unread").fetchone()
        return int(row[0]) if row else 0

    def counter(self, topic: str) -> Callable[[], int]:
        """Counts the new records in `topic` that a read_committed consumer can reach, transaction markers included."""
        cluster, partitions = Cluster(self.settings), [(topic, n) for n in range(PARTITIONS)]
        before = sum(cluster.ends(partitions, committed=True).values())
        return lambda: sum(cluster.ends(partitions, committed=True).values()) - before

    def shards(self) -> int:
        with self.connect() as db:
            row = db.execute("select count(*) from bridge.shard").fetchone()
        return int(row[0]) if row else 0

    def set_shards(self, count: int) -> None:
        with self.connect() as db:
            db.execute("select bridge.set_shard_count(%s)", (count,))

    @contextmanager
    def relay(self, *, delivery: Delivery = Delivery.EXACTLY_ONCE) -> Iterator[Measured]:
        """A `bridge run` process, ended at the end."""
        chosen = replace(self.settings, relay=replace(self.settings.relay, delivery=delivery))
        config = self.directory / "bridge.toml"
        config.write_text(as_toml(chosen))
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BRIDGE_")}
        with RelayProcess(kept, config, self.directory / "relay.log") as relay:
            yield Measured.of_pid(relay.pid)


@contextmanager
def open_scene(settings: Settings, shards: int) -> Iterator[Scene]:
    """A scene on the servers of `settings`, which keep nothing of it. The role must be allowed to create a database.

    Raises ConfigError, DatabaseUnavailable, BrokerUnavailable.
    """
    name = f"bridge_bench_{secrets.token_hex(4)}"
    directory = Path(tempfile.mkdtemp(prefix=name))
    subject = f"{name}.happened-bench.Happened"
    history = f"{name}.entity_events-bridge.EntityChanged"
    (directory / f"{subject}.avsc").write_text(json.dumps(SCHEMA))
    (directory / f"{history}.avsc").write_bytes(resource("schemas", f"{HISTORY_SCHEMA}.avsc").read_bytes())
    own = replace(
        settings,
        database=replace(settings.database, url=urlsplit(settings.database.url)._replace(path=f"/{name}").geturl()),
        relay=replace(settings.relay, name=name),
        topics=replace(
            settings.topics,
            create_missing=True,
            partitions=PARTITIONS,
            control=f"{name}.shards",
            dead_letters=f"{name}.dead_letters",
        ),
        routes=(
            Route(EVENT_TYPE, f"{name}.happened", subject),
            Route("entity.changed", f"{name}.entity_events", history),  # of the tracked table
        ),
        schemas=directory,
    )
    with connect(settings.database, application_name="bridge bench") as admin:
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    try:
        migrate(own.database)
        scene = Scene(own, name, directory)
        with scene.connect() as db:
            db.execute(statements("fill"))
        scene.set_shards(shards)
        ensure_topics(own, shards)
        yield scene
    finally:
        with connect(settings.database, application_name="bridge bench") as admin:
            admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
        kafka = AdminClient(client_properties(settings))
        topics = [topic for topic in kafka.list_topics(timeout=10).topics if topic.startswith(name)]
        for deletion in kafka.delete_topics(topics).values() if topics else ():
            deletion.result(30)
        shutil.rmtree(directory)


def as_toml(settings: Settings) -> str:
    """`settings` as a configuration file. JSON's strings, numbers and booleans are TOML's."""
    lines = [f"schemas = {json.dumps(str(settings.schemas))}"]
    for section in SECTIONS:
        lines.append(f"[{section}]")
        values = getattr(settings, section)
        for knob in fields(values):
            value = getattr(values, knob.name)
            if isinstance(value, Mapping):
                pairs = ", ".join(f"{json.dumps(key)} = {json.dumps(of_key)}" for key, of_key in value.items())
                lines.append(f"{knob.name} = {{ {pairs} }}")
            else:
                lines.append(f"{knob.name} = {json.dumps(value)}")
    for route in settings.routes:
        lines.append("[[routes]]")
        lines += [f"{name} = {json.dumps(value)}" for name, value in given_keys(route)]
    return "\n".join(lines)
