"""Reads the pending events of one shard, in the order of `seq`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import psycopg

from bridge.database import array, query
from bridge.event import Event
from bridge.position import Snapshot, Start


@dataclass(frozen=True, slots=True)
class Scan:
    """One read: `events` in order of seq; `deferred` seqs are pending but not due yet.

    `last_seq` is the last one read of either kind; `full` says that the scan was cut off there by rows or bytes.
    `drawn` bounds the numbers drawn from the sequence before the scan's snapshot.
    """

    events: list[Event]
    deferred: list[int]
    last_seq: int | None
    full: bool
    snapshot: Snapshot
    drawn: int


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one scan."""

    rows: int
    bytes: int


def read(
    conn: psycopg.Connection, shard: int, start: Start, limits: Limits, in_flight: list[int], held: Collection[str]
) -> Scan:
    """Read the next events from `start`, leaving out the seqs `in_flight` and the event types `held`.

    One round trip, one snapshot; no transaction is open afterwards.
    """
    parameters = {
        **start._asdict(),
        "xids": [str(xid) for xid in start.xids],
        "next_xid": str(start.next_xid),
        "shard": shard,
        "rows": limits.rows,
        "bytes": limits.bytes,
        "in_flight": array(seq for seq in in_flight if seq > start.lowest),
        "held": list(held),
    }
    with conn.pipeline():
        conn.execute("begin isolation level repeatable read read only")
        seen = conn.execute(query("read_snapshot"), prepare=True)
        pending = conn.execute(query("read_pending"), parameters, prepare=True)
        conn.execute("commit")
    rows = pending.fetchall()
    snapshot = seen.fetchone()
    assert snapshot is not None  # noqa: S101 - the statement always gives one row
    return Scan(
        events=[Event._make(row[:8]) for row in rows if row[8]],
        deferred=[row[1] for row in rows if not row[8]],
        last_seq=rows[-1][1] if rows else None,
        full=len(rows) == limits.rows or bool(rows and rows[-1][9] >= limits.bytes),
        snapshot=Snapshot.parse(snapshot[0]),
        drawn=snapshot[1],
    )
