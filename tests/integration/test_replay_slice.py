"""`bridge.replay_slice()`: what one transaction of a replay reads; nothing is left out, or comes out of order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, NamedTuple

import psycopg
import pytest
from fix_relay import eventually

from bridge.admin.replay import Wanted, begin_replay
from bridge.postgres.queries import query

Db = psycopg.Connection[Any]
AGES = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
KEYS, EVENTS, CHANGES, SHARDS, MOST = 40, 3000, 300, 8, 160
PUBLISHED = (
    "update bridge.shard set cursor = (select last_value from bridge.event_seq), snapshot = pg_current_snapshot()"
)
WRITTEN = """
    insert into bridge.event_queue (event_type, event_key, payload)
    select 't.' || g %% 2, 'k' || g %% %(keys)s, '{}' from generate_series(1, %(events)s) as g"""
CHANGED = """
    insert into bridge.entity_events (entity_type, entity_id, action, new_state)
    select 'row', (g %% %(keys)s)::text, 'INSERT', '{}' from generate_series(1, %(events)s) as g"""


class Slice(NamedTuple):
    """What became of one slice."""

    parked: int
    passed: int
    left_to: int
    is_last: bool


@pytest.fixture
def db(database: str) -> Any:
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("select bridge.set_shard_count(%s)", (SHARDS,))
        conn.execute(WRITTEN, {"keys": KEYS, "events": EVENTS})
        conn.execute(CHANGED, {"keys": KEYS, "events": CHANGES})
        conn.execute(PUBLISHED)
        yield conn


def next_slice(db: Db, replay: int) -> Slice:
    given = {"id": replay, "rules": ["^", "=entity.changed"], "topics": ["t", "changes"], "most": MOST}
    return Slice(*db.execute(query("replay_slice"), given).fetchone() or ())


def slices(db: Db, **wanted: Any) -> list[Slice]:
    """A whole replay; what each slice parks lies behind what the one before it did, and up to where it says."""
    replay = begin_replay(db, Wanted(*AGES, **wanted))
    found, up_to = [], 0
    while not found or not found[-1].is_last:
        found.append(next_slice(db, replay.id))
        new = "select count(*), max(seq) from bridge.parked where replay_id = %s and seq > %s"
        count, highest = db.execute(new, (replay.id, up_to)).fetchone() or ()
        assert count == found[-1].parked
        assert (highest or 0) <= found[-1].left_to
        up_to = found[-1].left_to
    return found


def total(found: list[Slice]) -> int:
    return sum(one.parked for one in found)


def test_all_are_replayed_and_no_slice_reads_more_than_it_may(db: Db) -> None:
    found = slices(db)
    assert total(found) == EVENTS + CHANGES
    assert max(one.parked for one in found) <= MOST
    assert len(found) * MOST < 4 * (EVENTS + CHANGES)  # what they read together, at most


def test_of_keys_their_shards_alone_are_read(db: Db) -> None:
    of_shard = "select count(*) from bridge.outbox where shard = bridge.shard_of('k7')"
    (there,) = db.execute(of_shard).fetchone() or ()
    found = slices(db, keys=["k7"])
    assert total(found) == EVENTS // KEYS
    assert len(found) <= there // (MOST // 2) + 2


def test_keys_that_were_in_another_shard_before_are_found(db: Db) -> None:
    db.execute("select bridge.set_shard_count(3)")
    db.execute(WRITTEN, {"keys": KEYS, "events": 2 * KEYS})
    db.execute(PUBLISHED)
    assert total(slices(db, keys=["k7", "row:7"])) == EVENTS // KEYS + CHANGES // KEYS + 2 + 1
    assert total(slices(db, types=["t.1"])) == EVENTS // 2 + KEYS - EVENTS // KEYS - 2


@pytest.mark.parametrize("shards", [3, SHARDS + 8])
def test_the_number_of_shards_is_changed_meanwhile(db: Db, database: str, shards: int) -> None:
    """Nothing is parked where no relay would look for it, or where its key is not."""
    replay = begin_replay(db, Wanted(*AGES))
    waits = "select exists (select from pg_stat_activity where pid = %s and wait_event_type = 'Lock')"
    with psycopg.connect(database) as other, ThreadPoolExecutor() as pool:
        other.execute("select bridge.set_shard_count(%s)", (shards,))
        with psycopg.connect(database, autocommit=True) as conn:
            parking = pool.submit(next_slice, conn, replay.id)
            eventually(lambda: db.execute(waits, (conn.info.backend_pid,)).fetchone() == (True,))
            other.commit()
            assert parking.result().parked > 0
    misplaced = "select count(*) from bridge.parked where shard <> (key_hash & 9223372036854775807) %% %s"
    assert db.execute(misplaced, (shards,)).fetchone() == (0,)
