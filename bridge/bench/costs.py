"""What an event costs Postgres: WAL, disk, dead tuples, its writer's time; and a batch: transactions, round trips."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import sql

from bridge.bench.ceiling import carry
from bridge.bench.drain import drain
from bridge.bench.scene import WRITE, Scene, text_length
from bridge.postgres.store import Store

TUPLES = """
select coalesce(sum(n_tup_upd + n_tup_del), 0)::bigint
  from pg_stat_user_tables where schemaname = 'bridge' and relname ~ '^(outbox|history)'
"""
DISK = "select sum(pg_total_relation_size(relid)) from pg_partition_tree('bridge.outbox')"
PLAIN_TABLE = "a plain table with a uuid key"
ANEW = ", parsed and planned anew"  # what most libraries send, unless they were told to prepare it
PROCEDURES = {  # of sql/fill.sql
    PLAIN_TABLE: "fill_debezium",
    "one with the outbox's columns and indexes": "fill_unpartitioned",
    "bridge.event_queue": "fill_bridge",
    "bridge.publish_event()": "fill_function",
    "bridge.publish_event(serialize => false)": "fill_function_unserialized",
    f"{PLAIN_TABLE}{ANEW}": "fill_debezium_anew",
    f"bridge.event_queue{ANEW}": "fill_bridge_anew",
    f"bridge.publish_event(){ANEW}": "fill_function_anew",
}
WRITER_ROUNDS = 5


@dataclass(frozen=True)
class Costs:
    """Bytes of WAL and dead tuples are per event, written in a transaction of its own; the rest is per batch.

    `wal_left`: for leaving, with the whole table partition. `dead_tuples`: of the outbox itself. `writer_us`: what a
    writer pays for an event in a transaction of its own that waits for no disk, in microseconds, one figure a round.
    """

    events: int
    wal_level: str
    wal_written: float
    wal_carried: float
    wal_left: float
    dead_tuples: float
    disk: float
    transactions: float
    round_trips: float
    writer_us: dict[str, list[float]]

    @property
    def wal(self) -> float:
        return self.wal_written + self.wal_carried + self.wal_left


def measure(scene: Scene, events: int, payload_bytes: int) -> Costs:
    """Write `events` one by one, let a relay carry them, and drop their table partitions."""
    scene.clear()
    with scene.connect() as db:
        start, disk_before = _position(db), _number(db, DISK)
        db.execute("set synchronous_commit = off")  # as much WAL, sooner
        first = scene.reserve(events) + 1
        for n in range(first, first + events):
            db.execute(WRITE, {"n": n, "text": text_length(payload_bytes)}, prepare=True)
        written = _position(db)
        tuples_before = _number(db, TUPLES)
        published = scene.counter(scene.topic)
        with scene.relay() as process:
            drain(process, published, events)
        carried = _position(db)
        tuples = _number(db, TUPLES) - tuples_before
        disk = _number(db, DISK) - disk_before
        transactions, round_trips = _by_batch(scene, payload_bytes)
        left = _leave(db)
        (level,) = db.execute("show wal_level").fetchone() or ("",)
    return Costs(
        events,
        level,
        (written - start) / events,
        (carried - written) / events,
        left / events,
        tuples / events,
        disk / events,
        transactions,
        round_trips,
        _writers(scene, events, payload_bytes),
    )


def _position(db: psycopg.Connection) -> int:
    row = db.execute("select pg_current_wal_insert_lsn() - '0/0'").fetchone()
    return int(row[0]) if row else 0


def _number(db: psycopg.Connection, statement: LiteralString) -> int:
    db.execute("select pg_stat_clear_snapshot()")
    row = db.execute(statement).fetchone()
    return int(row[0]) if row else 0


def _writers(scene: Scene, events: int, payload_bytes: int) -> dict[str, list[float]]:
    """The procedures take turns; nobody carries what they write."""
    found: dict[str, list[float]] = {name: [] for name in PROCEDURES}
    with scene.connect() as db:
        db.execute("set synchronous_commit = off")
        for _ in range(WRITER_ROUNDS):
            for name, procedure in PROCEDURES.items():
                scene.clear()
                began = time.monotonic()
                call = sql.SQL("call {}(%s, %s, %s)").format(sql.Identifier("public", procedure))
                db.execute(call, (scene.reserve(events), events, text_length(payload_bytes)))
                found[name].append((time.monotonic() - began) / events * 1e6)
    scene.clear()
    return found


def _by_batch(scene: Scene, payload_bytes: int) -> tuple[float, float]:
    """Transactions and round trips, counted in what the client's library exchanges with the server."""
    batches = 4
    scene.fill(batches * scene.settings.relay.batch_rows * scene.shards(), payload_bytes)
    with tempfile.NamedTemporaryFile("r") as trace, Store.open(scene.settings, 0, "bridge bench") as store:
        store.conn.pgconn.trace(trace.fileno())
        carry(store, batches)
        store.conn.pgconn.untrace()
        trace.seek(0)  # the library wrote through the same description
        text = trace.read()
    return text.count('"COMMIT"') / batches, text.count("ReadyForQuery") / batches


def _leave(db: psycopg.Connection) -> int:
    """The WAL of dropping the table partitions that hold events, which are made anew."""
    rows = db.execute("select distinct tableoid::regclass::text from bridge.outbox").fetchall()
    before = _position(db)
    for (leaf,) in rows:
        db.execute(sql.SQL("drop table {}").format(sql.SQL(leaf)))
    after = _position(db)
    db.execute("select bridge.ensure_partitions()")
    return after - before
