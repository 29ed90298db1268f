"""The relay's statements keep their plans, whatever ANALYZE saw last, and marks are HOT."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import psycopg
import pytest

from bridge.postgres.around import EVERY
from bridge.postgres.connection import connect
from bridge.postgres.queries import query
from bridge.postgres.store import Store
from bridge.settings import RelaySettings
from bridge.shard.ledger import NOTHING, Outcomes
from bridge.shard.position import Position

EVENTS = 20_000


@pytest.fixture
def db(database: str) -> Iterator[psycopg.Connection]:
    with connect(database) as db:
        db.execute(query("set_session"), {"is_local": False})
        yield db


def fill(db: psycopg.Connection) -> None:
    db.execute(
        "insert into bridge.event_queue (event_type, event_key, payload)"
        " select 'thing.changed', g::text, jsonb_build_object('n', g) from generate_series(1, %s) g",
        (EVENTS,),
    )
    db.execute(
        "insert into bridge.entity_events (entity_type, entity_id, action, new_state)"
        " select 'thing', g::text, 'INSERT', jsonb_build_object('n', g) from generate_series(1, %s) g",
        (EVENTS // 10,),
    )


def carry(db: psycopg.Connection, shard: int) -> int:
    """Read and mark all of a shard as a relay does, without Kafka."""
    store = Store(db, shard, "test", RelaySettings(batch_rows=1000))
    held = store.take()
    held = store.write(held, replace(held, batch_id=uuid4()), NOTHING).ledger
    position, marked = Position(held.scan_from), 0
    while True:
        scan = store.read(position.start(), held.outcomes.seqs, [])
        position.scanned(scan)
        written = store.write(held, held.claimed(uuid4(), Outcomes.of(scan.events, [])), held.outcomes)
        held = written.ledger
        position.checkpoint(scan.drawn, written.xid)
        marked += written.marked
        if not scan.events:
            return marked


def read_plan(db: psycopg.Connection, **changes: object) -> tuple[str, int]:
    """The generic plan of the scan, as text, and how many buffers it touches."""
    start = Position(0).start()
    parameters = {
        **start._asdict(),
        "xids": [],
        "next_xid": "0",
        "shard": 1,
        "rows": 100,
        "bytes": 1 << 20,
        "cut": 1 << 24,
        "headers_cut": 100_000,
        "type_cut": 10_000,
        "floors": [],
        "in_flight": "{}",
        "held": [],
        "whole_below": EVERY,
        "last": EVERY,
        **changes,
    }
    lines = db.execute(
        "explain (analyze, buffers, costs off, timing off) " + query("read_pending"), parameters
    ).fetchall()
    plan = "\n".join(line for (line,) in lines)
    first = next(line for line in plan.splitlines() if "Buffers:" in line)
    return plan, sum(int(part.split("=")[1]) for part in first.split() if "=" in part)


def check_scan(plan: str) -> None:
    assert "Seq Scan" not in plan, plan
    assert "Bitmap" not in plan, plan
    assert "->  Sort" not in plan, plan
    assert plan.replace("shard_pkey on shard", "").count("pkey") == 0, plan
    assert "hashed SubPlan" in plan, plan
    assert "shard_seq_idx" in plan, plan


@pytest.mark.parametrize("moment", ["never", "empty", "all pending", "half processed", "all processed"])
def test_the_scan_follows_shard_and_seq_whenever_analyze_ran(db: psycopg.Connection, moment: str) -> None:
    def analyze(now: str) -> None:
        if moment == now:
            db.execute("analyze")

    db.execute("select bridge.set_shard_count(4)")
    analyze("empty")
    fill(db)
    analyze("all pending")
    check_scan(read_plan(db)[0])
    carry(db, 0)
    carry(db, 1)
    analyze("half processed")
    check_scan(read_plan(db, shard=2)[0])
    carry(db, 2)
    carry(db, 3)
    analyze("all processed")
    check_scan(read_plan(db)[0])


def test_the_keys_of_many_dead_events_are_hashed(db: psycopg.Connection) -> None:
    """Looked up one by one, 400,000 of them made a read of 5,000 rows take minutes."""
    fill(db)
    db.execute(
        "insert into bridge.dead_event (event_id, source, seq, shard, event_type, event_key, reason, holds_key)"
        " select gen_random_uuid(), 'event_queue', g, 1, 't', 'dead' || g, 'r', true from generate_series(1, 400000) g"
    )
    db.execute("analyze bridge.dead_event")
    check_scan(read_plan(db)[0])


def test_a_scan_from_the_position_costs_the_same_after_much_was_processed(db: psycopg.Connection) -> None:
    _, fresh = read_plan(db)
    fill(db)
    assert carry(db, 1) > 0
    cursor = db.execute("select last_value from bridge.event_seq").fetchone()[0]
    plan, later = read_plan(db, cursor=cursor, next_floor=cursor)
    assert later < fresh + 30, plan


@pytest.mark.parametrize("shards", [1, 4])
def test_marks_are_hot(db: psycopg.Connection, shards: int) -> None:
    """With one shard, a batch marks all rows of a page in one transaction, and needs room for all of them."""
    db.execute("select bridge.set_shard_count(%s)", (shards,))
    fill(db)
    total = sum(carry(db, shard) for shard in range(shards))
    assert total == EVENTS + EVENTS // 10
    db.execute("select pg_stat_force_next_flush()")
    updates, hot = db.execute(
        "select sum(n_tup_upd)::bigint, sum(n_tup_hot_upd)::bigint from pg_stat_user_tables"
        " where relname ~ '^(event_queue|entity_events)'"
    ).fetchone()
    assert updates == total
    assert hot > 0.99 * updates, f"{hot} of {updates} updates were HOT"


def test_marking_touches_only_the_table_partitions_of_the_batch(db: psycopg.Connection) -> None:
    fill(db)
    seqs = [seq for (seq,) in db.execute("select seq from bridge.event_queue where shard = 1 limit 100").fetchall()]
    first, last = db.execute("select min(created_at), max(created_at) from bridge.event_queue").fetchone()
    seqs_text = "{" + ",".join(map(str, seqs)) + "}"
    parameters = {
        "shard": 1, "seqs": seqs_text, "batch_from": first, "batch_to": last, "generation": 0, "batch_id": uuid4(),
    }  # fmt: skip
    lines = db.execute("explain (costs off) " + query("mark_event_queue_processed"), parameters).fetchall()
    plan = "\n".join(line for (line,) in lines)
    assert "Seq Scan" not in plan, plan
    assert plan.count("shard_seq_idx") <= 2, plan
