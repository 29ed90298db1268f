"""The auditor: what was written against what a consumer finds. It shares no code with the relay or `bridge verify`.

It reads the topics with a plain consumer, schemas from the registry, bodies with fastavro, and the tables with plain
SQL; the writers' own list of what they were told had committed can be given too.
"""

from __future__ import annotations

import io
import json
import struct
import time
import urllib.request
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg
from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from fastavro import parse_schema, schemaless_reader

from bridge.settings import Settings

ROWS = """
select id::text, seq, event_key, status, payload::text, available_at is null from bridge.event_queue union all
select id::text, seq, entity_type || ':' || entity_id, status, null, true from bridge.entity_events
"""
PATIENCE_SECONDS = 10.0  # for markers of transactions that have ended
LEDGERS = "select shard, batch_no, batch_id::text from bridge.shard where batch_id is not null"


class Found(NamedTuple):
    """One committed record."""

    partition: int
    key: bytes
    headers: dict[str, str]
    value: bytes | None


class Row(NamedTuple):
    """One event as people see it; one that was to wait for a time of its own (not `is_ordered`) holds up no other."""

    seq: int
    key: str
    status: str
    payload: str | None
    is_ordered: bool


@dataclass(frozen=True)
class Audit:
    """What was found, by the ids of events; all but `published` are empty when all is well.

    lost: written, or said to be processed or dead, but not where it should be. duplicated: more than one record.
    reordered: behind a later event of its key. phantom: no committed row. changed: another key or body than the row's.
    hanging: partitions whose last stable offset does not reach the end. unsettled: shards whose ledger is not what the
    last control record says.
    """

    published: int
    lost: Collection[str]
    duplicated: Collection[str]
    reordered: Collection[str]
    phantom: Collection[str]
    changed: Collection[str]
    hanging: Collection[str]
    unsettled: Collection[str]

    @property
    def is_clean(self) -> bool:
        return not any(getattr(self, name) for name in self.__dataclass_fields__ if name != "published")


def audit(settings: Settings, routed: Sequence[str], dead_letters: str, written: Collection[str] = ()) -> Audit:
    """Compare tables and topics once nothing moves any more. `written`: ids whose writers were told of a commit."""
    with psycopg.connect(settings.database.url) as db:
        rows = {id_: Row(*rest) for id_, *rest in db.execute(ROWS)}
        ledgers = db.execute(LEDGERS).fetchall()
    bootstrap = settings.kafka.bootstrap_servers
    hanging = hanging_for_long(bootstrap, [*routed, dead_letters, settings.topics.control])
    found = read_topics(bootstrap, [*routed, dead_letters])
    dead = {record.headers["ce_id"] for record in found.pop(dead_letters)}
    seen: set[str] = set()
    replays: set[tuple[str, str]] = set()  # ids, and in which replay
    duplicated, reordered, changed = set(), set(), set()
    schemas = Schemas(settings.registry.url)
    for records in found.values():
        last: dict[bytes, int] = defaultdict(int)
        replayed_to: dict[tuple[bytes, str], int] = defaultdict(int)
        for record in records:
            id_ = record.headers["ce_id"]
            row = rows.get(id_)
            if "bridge_replayed" in record.headers:  # in an order of its own
                replay = (id_, record.headers["bridge_replayed"])
                last_replayed = replayed_to[record.key, replay[1]]
                if replay in replays:
                    duplicated.add(id_)
                elif row is not None and row.seq <= last_replayed:
                    reordered.add(id_)
                replays.add(replay)
                replayed_to[record.key, replay[1]] = max(last_replayed, 0 if row is None else row.seq)
            elif id_ in seen:
                duplicated.add(id_)
            elif row is not None and row.is_ordered:
                if row.seq <= last[record.key]:
                    reordered.add(id_)
                last[record.key] = max(last[record.key], row.seq)
            if "bridge_replayed" not in record.headers:
                seen.add(id_)
            if row is not None and not _is_equal(record.key, schemas.decode(record.value), row):
                changed.add(id_)
    lost = {id_ for id_, row in rows.items() if row.status == "PROCESSED" and id_ not in seen}
    lost |= {id_ for id_, row in rows.items() if row.status == "DEAD" and id_ not in dead}
    lost |= {id_ for id_ in written if id_ not in rows and id_ not in seen}
    return Audit(
        published=len(seen | dead),
        lost=lost,
        duplicated=duplicated,
        reordered=reordered,
        phantom=(seen | dead) - rows.keys(),
        changed=changed,
        hanging=hanging,
        unsettled=_unsettled(settings, ledgers),
    )


def read_topics(bootstrap_servers: str, topics: Sequence[str]) -> dict[str, list[Found]]:
    """All committed records by topic, in the order of their offsets."""
    consumer = _consumer(bootstrap_servers, "auditor", {"enable.partition.eof": True})
    found: dict[str, list[Found]] = {topic: [] for topic in topics}
    try:
        parts = _partitions(consumer, topics)
        consumer.assign(parts)
        ended = set()
        while len(ended) < len(parts):
            for message in consumer.consume(1000, timeout=1.0):
                if (error := message.error()) is not None:
                    if error.code() != KafkaError._PARTITION_EOF:
                        continue  # a broker that has just come back, say
                    ended.add((message.topic(), message.partition()))
                    continue
                headers = {name: value.decode() for name, value in message.headers() or []}
                found[message.topic()].append(Found(message.partition(), message.key(), headers, message.value()))
    finally:
        consumer.close()
    return found


def _is_equal(key: bytes, decoded: Mapping[str, Any], row: Row) -> bool:
    if key != row.key.encode():
        return False
    if row.payload is None:  # change history: the record repeats the row's number, and its state as text
        return decoded["seq"] == row.seq
    payload = json.loads(row.payload)
    return all(value == payload.get(name) for name, value in decoded.items())


def hanging_for_long(bootstrap_servers: str, topics: Sequence[str]) -> list[str]:
    """Partitions whose last stable offset does not reach the end after a while.

    A transaction is committed before each partition has its marker, without which nobody reads what it wrote.
    """
    ends = time.monotonic() + PATIENCE_SECONDS
    while (found := _hanging(bootstrap_servers, topics)) and time.monotonic() < ends:
        time.sleep(0.2)
    return found


def _hanging(bootstrap_servers: str, topics: Sequence[str]) -> list[str]:
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    latest = {part: OffsetSpec.latest() for part in _partitions(admin, topics)}
    try:
        ends = [
            {
                f"{part.topic}/{part.partition}": future.result(30).offset
                for part, future in admin.list_offsets(latest, isolation_level=level).items()
            }
            for level in (IsolationLevel.READ_UNCOMMITTED, IsolationLevel.READ_COMMITTED)
        ]
    except KafkaException as error:  # a leader that moves, say
        return [f"not known: {error}"]
    return [f"{place}: {ends[1][place]} of {end}" for place, end in ends[0].items() if ends[1][place] != end]


def _unsettled(settings: Settings, ledgers: Sequence[tuple[int, int, str]]) -> list[str]:
    values: dict[int, bytes] = {}
    control = settings.topics.control
    for record in read_topics(settings.kafka.bootstrap_servers, [control])[control]:
        if record.key == settings.relay.name.encode():
            values[record.partition] = record.value
    records = {shard: json.loads(value) for shard, value in values.items()}
    last = {shard: (record["batch_no"], record["batch_id"]) for shard, record in records.items()}
    return [
        f"shard {shard}: ledger {batch_no} {batch_id}, Kafka {last.get(shard)}"
        for shard, batch_no, batch_id in ledgers
        if last.get(shard) != (batch_no, batch_id)
    ]


def _consumer(bootstrap_servers: str, group: str, more: Mapping[str, object]) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": group,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
        | more
    )


def _partitions(client: Consumer | AdminClient, topics: Sequence[str]) -> list[TopicPartition]:
    existing = client.list_topics(timeout=30).topics
    return [
        TopicPartition(topic, part, 0) for topic in topics if topic in existing for part in existing[topic].partitions
    ]


class Schemas:
    """Reads bodies by the schema ids in their first five bytes, with the schemas that the registry has."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._known: dict[int, Any] = {}

    def decode(self, value: bytes) -> Mapping[str, Any]:
        magic, schema_id = struct.unpack(">bI", value[:5])
        assert magic == 0
        if schema_id not in self._known:
            with urllib.request.urlopen(f"{self._url}/schemas/ids/{schema_id}", timeout=30) as answer:
                self._known[schema_id] = parse_schema(json.loads(json.load(answer)["schema"]))
        return schemaless_reader(io.BytesIO(value[5:]), self._known[schema_id], None)
