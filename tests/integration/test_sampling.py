"""What health reads from the database is what the views say, read with a relay's rights."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from bridge.settings import DatabaseSettings, Settings
from bridge.telemetry.sample import NO_DEAD, DeadSample
from bridge.telemetry.sampling import Sampler

WRITE = (
    "select bridge.publish_event('t', %s, '{}')",
    "insert into bridge.entity_events (entity_type, entity_id, action) values ('thing', %s, 'INSERT')",
)
OLDEST = "select s.shard, (select min(seq) from bridge.unread as u where u.shard = s.shard) from bridge.shard as s"
# All that is committed now is read; what is open and has drawn its number is late.
READ = """update bridge.shard set cursor = (select last_value from bridge.event_seq), snapshot = pg_current_snapshot(),
                 late_cursor = null, late_snapshot = null where shard = %s"""
PARK = """insert into bridge.parked (seq, source, event_id, at, shard, topic, key_hash, state, blocks, due_at)
          values (%s, 'event_queue', gen_random_uuid(), now() - interval '1 hour', 0, 'a', %s, %s, %s,
                  now() - interval '5 minutes')"""


@pytest.fixture
def sampler(database: str, unique: str) -> Iterator[Sampler]:
    """As a role that has what `bridge run` needs, and nothing else."""
    role, settings = sql.Identifier(f"{unique}_relay"), Settings()
    with psycopg.connect(database, autocommit=True) as db:
        db.execute(sql.SQL("create role {} login password 'relay'").format(role))
        db.execute("select bridge.grant_relay(%s::regrole)", (role.as_string(db),))
        url = make_conninfo(database, user=f"{unique}_relay", **{"password": "relay"})
        with closing(Sampler(Settings(database=DatabaseSettings(url), relay=settings.relay))) as sampler:
            yield sampler
        db.execute(sql.SQL("drop owned by {}").format(role))
        db.execute(sql.SQL("drop role {}").format(role))


def test_the_oldest_unread_event_is_found(database: str, sampler: Sampler) -> None:
    """Whatever commits late, and wherever each shard's position stands."""
    dice = random.Random(16)
    found = []
    with psycopg.connect(database, autocommit=True) as db:
        writers = [psycopg.connect(database, autocommit=True) for _ in range(4)]
        for _ in range(60):
            writer = dice.choice(writers)
            is_open = writer.info.transaction_status is psycopg.pq.TransactionStatus.INTRANS
            match dice.randrange(4):
                case 0 if is_open:
                    writer.execute("commit")
                case 1 if not is_open:
                    writer.execute("begin")
                case 2:
                    db.execute(READ, (dice.randrange(2),))
            for _ in range(dice.randrange(3)):
                writer.execute(dice.choice(WRITE), (f"{id(writer)}-{dice.randrange(3)}",))
            found.append(sampler().shards)
            assert {shard.shard: shard.seq for shard in found[-1]} == dict(db.execute(OLDEST).fetchall())
        for writer in writers:
            writer.close()
    assert {shard.seq is None for shards in found for shard in shards} == {True, False}
    assert all((shard.age_seconds is None) == (shard.seq is None) for shards in found for shard in shards)


def test_what_is_parked_is_told_by_topic(database: str, sampler: Sampler) -> None:
    assert sampler().dead == NO_DEAD
    with psycopg.connect(database, autocommit=True) as db:

        def park(seq: int, key: int, state: str, blocks: bool = True) -> Any:
            return db.execute(PARK, (seq, key, state, blocks))

        park(1, 1, "dead")
        park(2, 1, "waiting")
        park(3, 2, "waiting")
        park(4, 3, "retried")
        park(5, 3, "deferred", False)
        park(6, 3, "skipped", False)
        park(7, 3, "dead", False)
        found = sampler()
        assert (found.dead.events, found.dead.blocking) == (2, 1)
        assert [(one.shard, one.topic, one.kind, one.is_behind_dead, one.events) for one in found.parked] == [
            (0, "a", "due", False, 1),
            (0, "a", "waiting", False, 2),
            (0, "a", "waiting", True, 1),
        ]
        assert [one.place for one in found.parked[1:]] == [3, 2]
        assert all(3600 <= one.age_seconds < 4000 for one in found.parked)
        db.execute("update bridge.parked set stops = true where seq = 1")
        assert [(one.topic, one.waiting) for one in sampler().stopped_topics] == [("a", 4)]
        assert all(one.is_behind_dead for one in sampler().parked)
        db.execute("update bridge.parked set state = 'skipped', stops = false where state = 'dead'")
        assert sampler().dead == DeadSample()
        assert not any(one.is_behind_dead for one in sampler().parked)
