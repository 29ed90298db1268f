"""Whether the drain rate stays the same: as history grows, under an old snapshot, with other shards and payloads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from bridge.bench.drain import Drained, drain_backlog
from bridge.bench.scene import Scene, text_length

HISTORY = """
insert into bridge.outbox (id, seq, xid, shard, event_type, event_key, payload)
select bridge.new_event_id(), nextval('bridge.event_seq'), pg_current_xact_id(), bridge.shard_of('key ' || g),
       'bench.happened', 'key ' || g, jsonb_build_object('n', g, 'text', repeat('x', %(text)s))
  from generate_series(1, %(count)s) g
"""
PROCESSED = """
update bridge.shard
   set (all_to, scan_from, cursor) = (select n, n, n from pg_sequence_last_value('bridge.event_seq') as n)
"""
LEAVES = """
with days as (
    select date_trunc('day', now()) - n * interval '1 day' as day from generate_series(%(first)s::int, %(last)s) n
)
select bridge.create_partition(parent, day, day + interval '1 day')
  from days cross join (values ('bridge.outbox'::regclass), ('bridge.history')) as parents (parent)
"""
IN_EACH_LEAF = """
insert into bridge.outbox (id, seq, xid, shard, event_type, event_key, payload, created_at)
select bridge.new_event_id(), nextval('bridge.event_seq'), pg_current_xact_id(), bridge.shard_of('key'),
       'bench.happened', 'key', '{"n": 1, "text": "x"}', date_trunc('day', now()) - n * interval '1 day'
  from generate_series(%(first)s::int, %(last)s) n
"""
CHUNK = 500_000
LEAF_CHUNK = 50  # days in one transaction, which locks the partitions of all of them
LOAD_ROWS = 500  # written at once, so many times a second
LOAD_PER_SECOND = 4


def after_history(
    scene: Scene, sizes: Sequence[int], events: int, payload_bytes: int, rounds: int, say: Callable[[str], None]
) -> dict[int, list[Drained]]:
    """The drain of `events`, `rounds` times, after each number of processed events in `sizes`, all of one day."""
    found: dict[int, list[Drained]] = {}
    for size in sorted(sizes):
        _grow(scene, size, payload_bytes)
        for _ in range(rounds):
            found.setdefault(size, []).append(drain_backlog(scene, events, payload_bytes))
            say(f"after {size:,} processed events: {found[size][-1].rate:,.0f} events/s")
    return found


def after_leaves(
    scene: Scene, counts: Sequence[int], events: int, payload_bytes: int, rounds: int, say: Callable[[str], None]
) -> dict[int, list[Drained]]:
    """The drain of `events`, `rounds` times, with each number of past table partitions, half of them of history."""
    found: dict[int, list[Drained]] = {}
    days = 0
    for count in sorted(counts):
        _add_leaves(scene, days + 1, count // 2)
        days = count // 2
        for _ in range(rounds):
            found.setdefault(count, []).append(drain_backlog(scene, events, payload_bytes))
            say(f"with {count:,} past table partitions: {found[count][-1].rate:,.0f} events/s")
    return found


def under_snapshot(
    scene: Scene, minutes: float, events: int, payload_bytes: int, rounds: int, say: Callable[[str], None]
) -> tuple[list[Drained], list[Drained]]:
    """The drain before, and after a snapshot was held open under a steady load, and still is."""
    before = [drain_backlog(scene, events, payload_bytes) for _ in range(rounds)]
    with _snapshot(scene):
        _load(scene, minutes * 60, payload_bytes)
        after = []
        for _ in range(rounds):
            after.append(drain_backlog(scene, events, payload_bytes))
            say(f"a snapshot open for {minutes:g} minutes: {after[-1].rate:,.0f} events/s")
    return before, after


def by_shards(
    scene: Scene, counts: Sequence[int], events: int, payload_bytes: int, rounds: int, say: Callable[[str], None]
) -> dict[int, list[Drained]]:
    """The drain with each number of shards; leaves the last."""
    found: dict[int, list[Drained]] = {}
    for _ in range(rounds):
        for count in counts:
            scene.set_shards(count)
            found.setdefault(count, []).append(drain_backlog(scene, events, payload_bytes))
            say(f"{count} shards: {found[count][-1].rate:,.0f} events/s")
    return found


def by_bytes(
    scene: Scene, sizes: Sequence[int], total_bytes: int, rounds: int, say: Callable[[str], None]
) -> dict[int, list[Drained]]:
    """The drain of as many events as make `total_bytes`, for each payload's size."""
    found: dict[int, list[Drained]] = {}
    for _ in range(rounds):
        for size in sizes:
            found.setdefault(size, []).append(drain_backlog(scene, total_bytes // size, size))
            rate = found[size][-1].rate
            say(f"payloads of {size:,} bytes: {rate:,.0f} events/s, {rate * size / 1e6:.1f} MB/s")
    return found


def _grow(scene: Scene, size: int, payload_bytes: int) -> None:
    with scene.connect() as db:
        row = db.execute("select count(*) from bridge.outbox").fetchone()
        have = int(row[0]) if row else 0
        for start in range(have, size, CHUNK):
            with db.transaction():
                db.execute(HISTORY, {"count": min(CHUNK, size - start), "text": text_length(payload_bytes)})
                db.execute(PROCESSED)
        db.execute("vacuum analyze bridge.outbox")
        db.execute("checkpoint")


def _add_leaves(scene: Scene, first: int, last: int) -> None:
    """Partitions for the days from `first` to `last` before today, each with a processed event; all are finished."""
    with scene.connect() as db:
        for day in range(first, last + 1, LEAF_CHUNK):
            db.execute(LEAVES, {"first": day, "last": min(day + LEAF_CHUNK - 1, last)})
        with db.transaction():
            db.execute(IN_EACH_LEAF, {"first": first, "last": last})
            db.execute(PROCESSED)
        moments: list[object] = [None]
        while len(moments) < 2 or moments[-1] != moments[-2]:  # so many at a time
            moments += db.execute("select bridge.finish_partitions()").fetchone() or ()


@contextmanager
def _snapshot(scene: Scene) -> Iterator[None]:
    """A transaction that has read something and stays open, as a forgotten session or a long report does."""
    with scene.connect() as db, db.transaction():
        db.execute("set transaction isolation level repeatable read")
        db.execute("select count(*) from bridge.shard")
        yield


def _load(scene: Scene, seconds: float, payload_bytes: int) -> None:
    """Events at a steady rate, and a relay that publishes them."""
    ends = time.monotonic() + seconds
    tick = threading.Event()
    with scene.relay():
        while time.monotonic() < ends:
            scene.write(LOAD_ROWS, payload_bytes)
            tick.wait(1 / LOAD_PER_SECOND)
        while scene.pending():
            tick.wait(1)
