"""What an event costs Postgres: WAL, dead tuples; and a batch: transactions, round trips."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass

import psycopg
from psycopg import sql

from bridge.bench.ceiling import carry
from bridge.bench.drain import drain
from bridge.bench.scene import WRITE, Scene, text_length
from bridge.postgres.store import Store

TUPLES = """
select coalesce(sum(n_tup_upd + n_tup_del), 0)::bigint, coalesce(sum(n_tup_hot_upd), 0)::bigint
  from pg_stat_user_tables where schemaname = 'bridge'
"""


@dataclass(frozen=True)
class Costs:
    """Bytes of WAL and dead tuples are per event, written in a transaction of its own; the rest is per batch.

    `wal_left`: for leaving, with the whole table partition. `hot`: the share of updates that touch no index.
    """

    events: int
    wal_level: str
    wal_written: float
    wal_carried: float
    wal_left: float
    dead_tuples: float
    hot: float
    transactions: float
    round_trips: float

    @property
    def wal(self) -> float:
        return self.wal_written + self.wal_carried + self.wal_left


def measure(scene: Scene, events: int, payload_bytes: int) -> Costs:
    """Write `events` one by one, let a relay carry them, and drop their table partitions."""
    scene.clear()
    with scene.connect() as db:
        start = _position(db)
        db.execute("set synchronous_commit = off")  # as much WAL, sooner
        first = scene.reserve(events) + 1
        for n in range(first, first + events):
            db.execute(WRITE, {"n": n, "text": text_length(payload_bytes)}, prepare=True)
        written = _position(db)
        tuples_before = _tuples(db)
        published = scene.counter(scene.topic)
        with scene.relay() as process:
            drain(process, published, events)
        carried = _position(db)
        tuples, hot = (after - before for after, before in zip(_tuples(db), tuples_before, strict=True))
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
        hot / tuples,
        transactions,
        round_trips,
    )


def _position(db: psycopg.Connection) -> int:
    row = db.execute("select pg_current_wal_insert_lsn() - '0/0'").fetchone()
    return int(row[0]) if row else 0


def _tuples(db: psycopg.Connection) -> tuple[int, int]:
    db.execute("select pg_stat_clear_snapshot()")
    return db.execute(TUPLES).fetchone() or (0, 0)


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
    rows = db.execute("select distinct tableoid::regclass::text from bridge.event_queue").fetchall()
    before = _position(db)
    for (leaf,) in rows:
        db.execute(sql.SQL("drop table {}").format(sql.SQL(leaf)))
    after = _position(db)
    db.execute("select bridge.ensure_partitions()")
    return after - before
