"""What bounds any relay: the same rows through Postgres alone (read), the same bytes through librdkafka alone.

Both use the relay's own statements and settings, its number of shards and its batches, and nothing in between: rows
are not decoded, records not encoded, and nobody waits for the other server.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

from bridge.bench.scene import EVENT_TYPE, Scene
from bridge.event import EVENT_QUEUE, Event, Record
from bridge.kafka.producer import ShardProducer
from bridge.postgres.store import Store
from bridge.relay.equipment import Equipment
from bridge.shard.ledger import ControlRecord, InFlight
from bridge.shard.position import Scanner


def read(scene: Scene) -> float:
    """Events a second that Postgres gives out, with all shards at once, claims included."""

    def work(shard: int) -> int:
        with Store.open(scene.settings, shard, "bridge bench") as store:
            return carry(store)

    return _rate(work, scene.shards())


def carry(store: Store, batches: int | None = None) -> int:
    """Read and claim what is pending in one shard, or so many batches of it; returns the number of events.

    The ledger names the batch at the end that it named before, because Kafka has heard nothing of all this.
    """
    held = ledger = store.take()
    done = 0
    scanner = Scanner(ledger.position)
    while batches is None or batches > 0:
        seen = store.reader.read(scanner.start(), None)
        if not seen.events:
            break
        before = scanner.position
        in_flight = InFlight(scanner.scanned(seen.scan), len(seen.events), 0, ())
        new = ledger.claimed(uuid4(), before, in_flight)
        scanner.claimed(seen.scan.drawn, store.write(ledger, new, ledger.in_flight))
        ledger = new
        done += len(seen.events)
        batches = None if batches is None else batches - 1
    last = replace(ledger.at(held.control), position=scanner.position)
    store.write(ledger, last, ledger.in_flight)
    store.release(last)
    return done


def publish(scene: Scene, events: int) -> float:
    """Records a second that librdkafka commits, with all shards at once, in the relay's transactions."""
    equipment = Equipment.open(scene.settings, scene.shards(), {})
    relay = scene.settings.relay
    payload = '{"n": 1234567, "text": "' + "x" * 180 + '"}'
    now = time.time_ns() // 1000
    record = equipment.encoder.record(
        Event(EVENT_QUEUE, 1, str(uuid4()), EVENT_TYPE, "key 1234567", payload, None, now)
    )
    share = events // scene.shards()

    def work(shard: int) -> int:
        with ShardProducer(scene.settings, shard, equipment.limits) as producer:
            last = producer.open()
            for number, start in enumerate(range(0, share, relay.batch_rows), 1):
                size = min(relay.batch_rows, share - start)
                producer.commit(ControlRecord(number, uuid4(), None), (_keyed(record, start + n) for n in range(size)))
            if last is not None:  # as it was, for the ledger has heard nothing of all this
                producer.commit(last)
            return share

    return _rate(work, scene.shards())


def _keyed(record: Record, n: int) -> Record:
    return record._replace(key=b"key %d" % n)


def _rate(work: Callable[[int], int], shards: int) -> float:
    began = time.monotonic()
    with ThreadPoolExecutor(shards) as pool:
        done = sum(pool.map(work, range(shards)))
    return done / (time.monotonic() - began)
