"""A tracked table's changes as generic records and as typed ones: the same backlog of UPDATEs, in turns."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from confluent_kafka import Consumer, TopicPartition

from bridge.admin.generate import generate
from bridge.admin.typed_schema import Wishes
from bridge.bench.drain import Drained, drain
from bridge.bench.scene import PARTITIONS, Scene, statements
from bridge.bench.writers import BULK, BULK_ROWS, ON, TABLE
from bridge.errors import Unavailable
from bridge.kafka.client import client_properties
from bridge.kafka.cluster import Cluster
from bridge.kafka.topics import ensure_topics
from bridge.settings import Route

GENERIC = "generic"
WISHES = {"typed": Wishes(), "typed, after only": Wishes(after_only=True)}
READ_SECONDS = 60.0
STATISTICS_MS = 100


@dataclass(frozen=True)
class Carried:
    """A drained backlog, and what it left in Kafka, in bytes a record: of the value, and compressed, all included."""

    drained: Drained
    value_bytes: float
    kafka_bytes: float


def by_form(scene: Scene, events: int, rounds: int, say: Callable[[str], None]) -> dict[str, list[Carried]]:
    """Drains of `events` changes, with both states or the new one. The first of each form warms up and is left out."""
    with scene.connect() as db:
        db.execute(statements("table"))
        db.execute(ON.format(False).encode())
    forms = {GENERIC: scene, **{form: _typed(scene, wishes) for form, wishes in WISHES.items()}}
    found: dict[str, list[Carried]] = {form: [] for form in forms}
    for number in range(rounds + 1):
        say(f"round {number} of {rounds}" if number else "warming up")
        order = list(forms)
        for form in order[number % len(order) :] + order[: number % len(order)]:
            one = _carry(forms[form], max(events // BULK_ROWS, 1))
            if number:
                found[form].append(one)
                say(
                    f"{form}: {one.drained.rate:,.0f} events/s, {one.drained.cpu_seconds:.1f} CPU s a million,"
                    f" {one.value_bytes:,.0f} bytes a value, {one.kafka_bytes:,.0f} in Kafka"
                )
    return found


def _typed(scene: Scene, wishes: Wishes) -> Scene:
    """The scene, with a topic and a schema of its own for the table's changes."""
    with scene.connect() as db:
        schema = generate(db, TABLE, wishes, None)
    topic = f"{scene.name}.{'after' if wishes.after_only else 'both'}"
    subject = f"{topic}-{schema.full_name}"
    (scene.directory / f"{subject}.avsc").write_text(schema.text)
    route = Route(topic=topic, subject=subject, table=schema.entity_type)
    own = replace(scene, settings=replace(scene.settings, routes=(*scene.settings.routes, route)))
    ensure_topics(own.settings, scene.shards())
    return own


def _carry(scene: Scene, statements: int) -> Carried:
    """So many statements that update the whole table, and their changes carried."""
    topic, events = scene.settings.routes[-1].topic, statements * BULK_ROWS
    with scene.connect() as db:
        db.execute("truncate bridge.history")
        for _ in range(statements):
            db.execute(BULK)
        db.execute("vacuum (analyze) bridge.history, public.customer")
        db.execute("checkpoint")
    published = scene.counter(topic)
    with _reader(scene, topic) as read:
        with scene.relay() as process:
            drained = drain(process, published, events)
        return Carried(drained, *(size / events for size in read(events)))


@contextmanager
def _reader(scene: Scene, topic: str) -> Iterator[Callable[[int], tuple[int, int]]]:
    """Reads so many records that come behind what is there; tells the bytes of their values, and of what came."""
    received = 0

    def note(statistics: str) -> None:
        nonlocal received
        received = sum(broker["rxbytes"] for broker in json.loads(statistics)["brokers"].values())

    ends = Cluster(scene.settings).ends([(topic, n) for n in range(PARTITIONS)], committed=False)
    own = {"group.id": scene.name, "isolation.level": "read_committed", "enable.auto.commit": False}
    own |= {"statistics.interval.ms": STATISTICS_MS, "stats_cb": note}
    consumer = Consumer(client_properties(scene.settings) | own)

    def read(count: int) -> tuple[int, int]:
        consumer.assign([TopicPartition(*partition, end) for partition, end in ends.items()])
        size = 0
        while count > 0:
            messages = consumer.consume(min(count, 10_000), READ_SECONDS)
            if not messages:
                raise Unavailable(f"{count:,} records of {topic} do not arrive")
            values = [message.value() or b"" for message in messages if message.error() is None]
            count, size = count - len(values), size + sum(map(len, values))
        consumer.consume(1, STATISTICS_MS * 3 / 1000)  # the last figures
        return size, received

    try:
        yield read
    finally:
        consumer.close()
