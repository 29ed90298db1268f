"""The row of `bridge.shard`: lease, fence and ledger of one shard. ARCHITECTURE.md, "A batch".

Postgres is the truth about which events exist, Kafka about which batches were published; this row joins them. A claim
applies the outcomes of the last batch and writes the next one, in one short transaction that is void unless the row
still carries our generation and the batch id that we wrote last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import orjson
import psycopg
from psycopg.types.json import Jsonb

from bridge.database import array, query
from bridge.errors import LeaseLost
from bridge.event import ENTITY_EVENTS, EVENT_QUEUE, SOURCES, DeadLetter, Event

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What becomes of the events of one batch: by source, the seqs to mark processed, and the dead with reasons.

    `first_at` and `last_at` bound the events' times, so that marking touches only their table partitions.
    """

    processed: dict[str, list[int]]
    dead: dict[str, list[tuple[int, str]]]
    first_at: datetime | None = None
    last_at: datetime | None = None

    @classmethod
    def of(cls, events: Sequence[Event], dead: Sequence[DeadLetter]) -> Outcomes:
        """Outcomes of a batch that publishes `events` and gives up `dead`."""
        times = [event.created_us for event in events] + [letter.event.created_us for letter in dead]
        first, last = (EPOCH + timedelta(microseconds=us) for us in (min(times), max(times))) if times else (None, None)
        return cls(
            {source: [event.seq for event in events if event.source == source] for source in SOURCES},
            {source: [(d.event.seq, d.reason) for d in dead if d.event.source == source] for source in SOURCES},
            first,
            last,
        )

    @property
    def seqs(self) -> list[int]:
        """All seqs of the batch."""
        return [seq for seqs in self.processed.values() for seq in seqs] + [
            seq for pairs in self.dead.values() for seq, _ in pairs
        ]


NOTHING = Outcomes({source: [] for source in SOURCES}, {source: [] for source in SOURCES})


@dataclass(frozen=True, slots=True)
class Ledger:
    """One shard as this relay last wrote it. `outcomes` are those of batch `batch_no`, not applied yet."""

    shard: int
    owner: str
    generation: int
    batch_no: int
    batch_id: UUID | None
    outcomes: Outcomes
    scan_from: int


def take(conn: psycopg.Connection, shard: int, owner: str, lease_seconds: float) -> Ledger:
    """Take the shard's lease with the next generation. Raises LeaseLost when another relay holds it."""
    parameters = {"shard": shard, "owner": owner, "lease_seconds": lease_seconds}
    row = conn.execute(query("take_shard"), parameters).fetchone()
    if row is None:
        raise LeaseLost(f"shard {shard} is held by another relay")
    generation, batch_no, batch_id, event_queue, entity_events, dead, batch_from, batch_to, scan_from = row
    outcomes = Outcomes(
        {EVENT_QUEUE: event_queue, ENTITY_EVENTS: entity_events},
        {source: [(d["seq"], d["reason"]) for d in dead if d["source"] == source] for source in SOURCES},
        batch_from,
        batch_to,
    )
    return Ledger(shard, owner, generation, batch_no, batch_id, outcomes, scan_from)


def write(
    conn: psycopg.Connection, held: Ledger, new: Ledger, *, applied: Outcomes, lease_seconds: float
) -> tuple[Ledger, int, int]:
    """Replace `held` by `new` and mark the events of `applied`, in one transaction and one round trip.

    Returns the ledger as it stands now (its scan_from may have been set back by a retry), the transaction's id, and
    how many events were marked. Raises LeaseLost, having changed nothing, when the row is not `held` any more.
    """
    parameters = {
        "shard": held.shard,
        "generation": held.generation,
        "known_batch_id": held.batch_id,
        "known_scan_from": held.scan_from,
        "batch_no": new.batch_no,
        "batch_id": new.batch_id,
        "scan_from": new.scan_from,
        "lease_seconds": lease_seconds,
        "event_queue": array(new.outcomes.processed[EVENT_QUEUE]),
        "entity_events": array(new.outcomes.processed[ENTITY_EVENTS]),
        "dead": Jsonb(_dead_rows(new.outcomes), dumps=orjson.dumps),
        "batch_from": new.outcomes.first_at,
        "batch_to": new.outcomes.last_at,
    }
    for source in SOURCES:
        parameters[f"{source}_processed"] = len(applied.processed[source])
        parameters[f"{source}_dead"] = len(applied.dead[source])
    with conn.pipeline():
        conn.execute("begin")
        claim = conn.execute(query("write_ledger"), parameters, prepare=True, binary=False)
        marks = _mark(conn, new, applied)
        conn.execute("commit")
    row = claim.fetchone()
    if row is None:
        raise LeaseLost(f"shard {held.shard} is not ours any more (generation {held.generation})")
    scan_from, xid = row
    return replace(new, scan_from=scan_from), int(xid), sum(mark.rowcount for mark in marks)


def is_held(conn: psycopg.Connection, held: Ledger) -> bool:
    """Whether the lease is still the one that was taken, and the ledger therefore what was read then."""
    mine = {"shard": held.shard, "owner": held.owner, "generation": held.generation}
    row = conn.execute(query("holds_shard"), mine).fetchone()
    return row is not None and bool(row[0])


def release(conn: psycopg.Connection, held: Ledger) -> None:
    """Give the lease back; nothing happens when it is not ours any more."""
    conn.execute(query("release_shard"), {"shard": held.shard, "owner": held.owner, "generation": held.generation})


def _mark(conn: psycopg.Connection, new: Ledger, applied: Outcomes) -> list[psycopg.Cursor]:
    fence = {
        "shard": new.shard,
        "generation": new.generation,
        "batch_id": new.batch_id,
        "batch_from": applied.first_at,
        "batch_to": applied.last_at,
    }
    marks = []
    for source in SOURCES:
        if seqs := applied.processed[source]:
            statement = query(f"mark_{source}_processed")
            marks.append(conn.execute(statement, fence | {"seqs": array(seqs)}, prepare=True))
        if pairs := applied.dead[source]:
            seqs, reasons = [seq for seq, _ in pairs], [reason for _, reason in pairs]
            statement = query(f"mark_{source}_dead")
            marks.append(conn.execute(statement, fence | {"seqs": array(seqs), "reasons": reasons}))
    return marks


def _dead_rows(outcomes: Outcomes) -> list[dict[str, object]]:
    return [
        {"source": source, "seq": seq, "reason": reason} for source in SOURCES for seq, reason in outcomes.dead[source]
    ]
