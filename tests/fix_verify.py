"""A database and topics for `bridge verify`, and ways to put events and records there, faults included."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from kafka_settings import create

from bridge.kafka.partitioner import key_hash
from bridge.settings import (
    DatabaseSettings,
    KafkaSettings,
    RegistrySettings,
    RelaySettings,
    Route,
    Settings,
    TopicSettings,
)

PARTITIONS = 3
ROWS = """
select id::text, event_key, event_type, 'event_queue', seq, created_at
  from bridge.outbox where id = any (%(ids)s::uuid[])
union all
select id::text, entity_type || ':' || entity_id, 'entity.changed', 'entity_events', seq, occurred_at
  from bridge.history where id = any (%(ids)s::uuid[])
"""


@dataclass
class World:
    """A database, two topics, the dead letters' topic, and ways to put events and records there."""

    settings: Settings
    producer: Producer
    db: psycopg.Connection

    @property
    def topic(self) -> str:
        return self.settings.routes[0].topic

    @property
    def name(self) -> str:
        return self.settings.relay.name

    def events(self, status: str, keys: list[str], wait: str | None = None) -> list[str]:
        """Write one event for each key; returns their ids in the order of seq. All events so far count as read, but
        those that are PENDING now.
        """
        ids = []
        for key in keys:
            (event_id,) = self.db.execute(
                "insert into bridge.event_queue (event_type, event_key, payload, available_at)"
                " values ('thing.made', %s, '{}', now() + %s::interval) returning id::text",
                (key, wait),
            ).fetchone()
            ids.append(event_id)
        if status != "PENDING":
            self.settle()
        if status == "DEAD":
            self.db.execute(
                "insert into bridge.parked (seq, source, event_id, at, shard, topic, key_hash, state, blocks, deaths)"
                " select seq, 'event_queue', id, created_at, shard, 'topic', 0, 'dead', true, 1"
                " from bridge.event_queue where id = any (%s::uuid[])",
                (ids,),
            )
        return ids

    def settle(self) -> None:
        """All events so far are read."""
        self.db.execute(
            "update bridge.shard set snapshot = pg_current_snapshot(),"
            " cursor = (select last_value from bridge.event_seq)"
        )

    def publish(self, key: str, *ids: str, topic: str | None = None, source: str = "event_queue", **more: str) -> None:
        for event_id in ids:
            headers = {"ce_id": event_id, "ce_source": f"/{self.name}/{source}", **more}
            self.producer.produce(topic or self.topic, b"{}", key, headers=headers)
        self.producer.flush()

    def carry(self, *ids: str, topic: str | None = None) -> None:
        """Publish events as a relay does it, in this order."""
        rows = {id: rest for id, *rest in self.db.execute(ROWS, {"ids": list(ids)})}
        for id in ids:
            key, event_type, source, seq, at = rows[id]
            headers = {
                "ce_id": id,
                "ce_source": f"/{self.name}/{source}",
                "ce_type": event_type,
                "ce_time": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                "ce_sequence": f"{seq:019d}",
            }
            home = next(route.topic for route in self.settings.routes if route.event_type == event_type)
            time_ms = int(at.timestamp() * 1000)
            self.producer.produce(topic or home, b"{}", key, headers=headers, timestamp=time_ms)
        self.producer.flush()

    def changes(self, *keys: str, action: str = "INSERT") -> list[str]:
        """Write one event of the history for each key, all read."""
        ids = [
            self.db.execute(
                "insert into bridge.entity_events (entity_type, entity_id, action) values ('thing', %s, %s)"
                " returning id::text",
                (key, action),
            ).fetchone()[0]
            for key in keys
        ]
        self.settle()
        return ids

    def age(self, ids: list[str], days: float) -> None:
        """These events were written, and published, so long ago."""
        ago = timedelta(days=days)
        for table, control in (("outbox", "created_at"), ("history", "occurred_at")):
            statement = f"update bridge.{table} set {control} = {control} - %s where id = any (%s::uuid[])"
            self.db.execute(statement.encode(), (ago, ids))
        self.db.execute(
            "insert into bridge.tick"
            " select s.shard, (select coalesce(min(batch_no), 0) - 1 from bridge.tick), m.at, 0, m.seq,"
            "        pg_current_snapshot(), 0, 0"
            "   from bridge.shard as s, (select max(seq) as seq, max(created_at) as at from bridge.outbox"
            "                             where id = any (%s::uuid[]) having max(seq) > 0) as m",
            (ids,),
        )

    def take_out(self, parent: str, days: int, *, say: bool = True) -> tuple[datetime, datetime]:
        """The table partition of the day so many days ago is dropped. Returns its range."""
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        since, until = today - timedelta(days=days), today - timedelta(days=days - 1)
        find = "select leaf::text from bridge.partition_bounds(%s::regclass) where range_from = %s"
        if self.db.execute(find, (parent, since)).fetchone() is None:
            self.db.execute("select bridge.create_partition(%s::regclass, %s, %s)", (parent, since, until))
        (leaf,) = self.db.execute(find, (parent, since)).fetchone()
        with self.db.transaction():
            if say:
                self.db.execute(
                    "insert into bridge.retired_partition"
                    "       (parent, leaf, relation, range_from, range_to, expiry, state, max_xid)"
                    " values (%s, %s, 0, %s, %s, 'drop', 'dropped', %s)",
                    (parent, leaf, since, until, self.db.execute(f"select max(xid::text) from {leaf}").fetchone()[0]),
                )
            self.db.execute(f"drop table {leaf}".encode())
        return since, until

    def trim(self, partition: int, before: int, topic: str | None = None) -> None:
        """Kafka removes the records of a partition before this offset."""
        admin = AdminClient({"bootstrap.servers": self.settings.kafka.bootstrap_servers})
        for deleted in admin.delete_records([TopicPartition(topic or self.topic, partition, before)]).values():
            deleted.result()

    def partition(self, key: str) -> int:
        return key_hash(key.encode()) % PARTITIONS


@pytest.fixture
def world(database: str, kafka: str, registry: str, unique: str) -> Iterator[World]:
    settings = Settings(
        database=DatabaseSettings(database),
        kafka=KafkaSettings(kafka),
        registry=RegistrySettings(registry),
        relay=RelaySettings(name=unique),
        topics=TopicSettings(create_missing=True, dead_letters=f"{unique}.dead"),
        routes=(
            Route("thing.made", f"{unique}.a", "x"),
            Route("other.made", f"{unique}.b", "x"),
            Route("entity.changed", f"{unique}.b", "x"),
        ),
    )
    admin = AdminClient({"bootstrap.servers": kafka})
    names = [f"{unique}.a", f"{unique}.b", f"{unique}.dead"]
    create(admin, *(NewTopic(name, PARTITIONS, 1) for name in names))
    producer = Producer({"bootstrap.servers": kafka, "partitioner": "murmur2_random"})
    with psycopg.connect(database, autocommit=True) as db:
        yield World(settings, producer, db)
    producer.close()
    for gone in admin.delete_topics(names).values():
        gone.result()
