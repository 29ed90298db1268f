"""One shard's Postgres: reads its pending events, and reads and writes its ledger.

A claim applies the outcomes of the last batch and writes the next one, in one short transaction that is void unless
the row still carries our generation and the batch id that we wrote last, and our takeover's witness is there. No
transaction is open between two calls.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import MAXYEAR, MINYEAR, datetime
from types import TracebackType
from typing import Any, LiteralString
from uuid import UUID, uuid4

import orjson
import psycopg
from psycopg.types.json import Jsonb

from bridge.encoding.limits import NO_LIMITS, TopicLimits
from bridge.errors import LeaseLost
from bridge.event import ENTITY_EVENTS, EVENT_QUEUE, MAX_HEADER_TEXT, MAX_TYPE, Event
from bridge.failpoint import failpoint
from bridge.postgres.around import EVERY, is_about_a_row, read_around
from bridge.postgres.connection import connect, is_pooled, waiting_at_most
from bridge.postgres.explained import explained
from bridge.postgres.queries import query
from bridge.settings import OnDead, RelaySettings, Settings
from bridge.shard.ledger import NOTHING, Ledger, OfSource, Outcomes, Written
from bridge.shard.position import Scan, Snapshot, Start

LOCK_SECONDS = 3  # to wait for the shard's row at most
FIRST_ROWS = 16  # of the first read, whose rows may be large


class Store:
    """One connection, for one shard and one owner.

    Every method raises DatabaseUnavailable, and psycopg.Error for what is not foreseen.
    """

    def __init__(
        self, conn: psycopg.Connection, shard: int, owner: str, relay: RelaySettings, limits: TopicLimits = NO_LIMITS
    ) -> None:
        self.conn = conn
        self.shard = shard
        self._owner = owner
        self._relay = relay
        self._limits = limits
        self._rows_at_most = FIRST_ROWS
        self._nonce: UUID | None = None  # of our takeover
        self._is_pooled = is_pooled(conn)
        if not self._is_pooled:
            conn.execute(query("set_session"), {"is_local": False})

    @classmethod
    def open(cls, settings: Settings, shard: int, owner: str, limits: TopicLimits = NO_LIMITS) -> Store:
        """Connect. Raises ConfigError, DatabaseUnavailable."""
        conn = connect(settings.database.url, application_name=_application_name(settings.relay.name, shard))
        with explained():
            return cls(conn, shard, owner, settings.relay, limits)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.conn.close()  # without waiting: the lease runs out by itself if it was not given back

    @explained()
    def take(self) -> Ledger:
        """Take the shard's lease with the next generation. Raises LeaseLost when another relay holds it."""
        return self._take(is_stopped=False)

    @explained()
    def take_stopped(self) -> Ledger:
        """Take a shard that is stopped, which no relay does. Raises LeaseLost when it is not."""
        return self._take(is_stopped=True)

    @explained()
    def stop(self, ours: Ledger, reason: str, *, renumber: bool = False) -> bool:
        """Stop the shard until a person has looked at it, and give the lease back.

        `renumber`: its pending events need new numbers first. Returns False, having changed nothing, when the lease is
        not the one that was taken any more.
        """
        stopped = _identity(ours) | {"reason": reason, "renumber": renumber}
        with self._lock_limit():
            return self.conn.execute(query("stop_shard"), stopped).fetchone() is not None

    @explained()
    def release(self, ours: Ledger) -> None:
        """Give the lease back; nothing happens when it is not ours any more."""
        with self._lock_limit():
            self.conn.execute(query("release_shard"), _identity(ours))

    @explained()
    def read(
        self, start: Start, in_flight: Collection[int], held_types: Collection[str], limit: int | None = None
    ) -> Scan:
        """Read the next events from `start`, leaving out the seqs `in_flight` and the event types `held_types`.

        At most `limit` of them, where that is less than the settings say.

        One snapshot, and one round trip: what is in flight lies behind `start` nearly always, and is not even sent.
        Where a retry has set scans back before it, the read is done again with all of it.
        """
        scan = self._read(start, [seq for seq in in_flight if seq > start.lowest], held_types, limit)
        if scan.scan_from < start.scan_from and in_flight:
            del scan  # or its events would be in memory twice
            scan = self._read(start, in_flight, held_types, limit)
        return scan

    def _read(self, start: Start, in_flight: Collection[int], held_types: Collection[str], limit: int | None) -> Scan:
        def scan(rows: int, *, whole_below: int = EVERY, last: int = EVERY) -> Scan:
            try:
                return self._scan(start, in_flight, held_types, rows, whole_below, last)
            except psycopg.Error as error:
                if is_about_a_row(error):
                    self.conn.rollback()
                raise

        rows_at_most = min(self._relay.batch_rows, limit or self._relay.batch_rows, self._rows_at_most)
        try:
            return scan(rows_at_most)
        except psycopg.Error as error:
            if not is_about_a_row(error):
                raise
            return read_around(scan, rows_at_most)

    def _scan(
        self,
        start: Start,
        in_flight: Collection[int],
        held_types: Collection[str],
        rows_at_most: int,
        whole_below: int,
        last: int,
    ) -> Scan:
        parameters = {
            **start._asdict(),
            "xids": [str(xid) for xid in start.xids],
            "floors": list(start.floors),
            "next_xid": str(start.next_xid),
            "shard": self.shard,
            "rows": rows_at_most,
            "bytes": self._relay.batch_bytes,
            "cut": self._limits.cut,
            "headers_cut": MAX_HEADER_TEXT,
            "type_cut": MAX_TYPE,
            "in_flight": _array(in_flight),
            "held": list(held_types),
            "whole_below": whole_below,
            "last": last,
        }
        with self.conn.pipeline():
            self._begin("begin isolation level repeatable read read only")
            seen = self.conn.execute(query("read_snapshot"), {"shard": self.shard}, prepare=True)
            pending = self.conn.execute(query("read_pending"), parameters, prepare=True)
            self.conn.execute("commit")
        rows = pending.fetchall()
        size, most = (rows[-1][9] if rows else 0), self._relay.batch_bytes
        is_cut_by_bytes = size >= most
        # Postgres makes text of as many rows as are asked for, however few of them a batch has room for.
        room = 2 * most * len(rows) // size if size else self._relay.batch_rows
        self._rows_at_most = max(min(4 * rows_at_most, self._relay.batch_rows, room), 1)
        snapshot = seen.fetchone()
        assert snapshot is not None  # noqa: S101 - the statement always gives one row
        return Scan(
            events=tuple([Event._make(row[:8]) for row in rows if row[8]]),
            deferred=tuple([row[1] for row in rows if not row[8]]),
            last_seq=rows[-1][1] if rows else last if last < EVERY else None,
            full=len(rows) == rows_at_most or is_cut_by_bytes or last < EVERY,
            snapshot=Snapshot.parse(snapshot[0]),
            drawn=snapshot[1],
            scan_from=snapshot[2],
        )

    @explained()
    def look(self) -> tuple[int, Snapshot]:
        """The last number drawn for an event, of any shard, and what can be seen now: a fiftieth of a read."""
        row = self.conn.execute(query("look"), prepare=True).fetchone()
        assert row is not None  # noqa: S101 - a sequence has one row
        return row[0], Snapshot.parse(row[1])

    @explained()
    def numbers(self) -> tuple[int, int]:
        """The last number drawn for an event, of any shard, and the highest that this shard's events have."""
        row = self.conn.execute(query("numbers"), {"shard": self.shard}).fetchone()
        assert row is not None  # noqa: S101 - a sequence has one row
        return row

    @explained()
    def write(self, ours: Ledger, new: Ledger, applied: Outcomes) -> Written:
        """Replace `ours` by `new` and mark the events of `applied`, in one transaction and one round trip.

        A claim is durable on return. Marks alone may be lost by a crash of the server: then they are still in the
        ledger, and are applied again. Raises LeaseLost, having changed nothing, when the row is not `ours` any more.
        """
        parameters = {
            "shard": ours.shard,
            "generation": ours.generation,
            "nonce": self._nonce,
            "known_batch_id": ours.batch_id,
            "known_scan_from": ours.scan_from,
            "batch_no": new.batch_no,
            "batch_id": new.batch_id,
            "previous_id": new.previous_id,
            "scan_from": new.scan_from,
            "lease_seconds": self._relay.lease_seconds,
            "event_queue": _array(new.outcomes.event_queue.processed),
            "entity_events": _array(new.outcomes.entity_events.processed),
            "dead": Jsonb(_dead_rows(new.outcomes), dumps=orjson.dumps),
            "batch_from": new.outcomes.first_at,
            "batch_to": new.outcomes.last_at,
            "event_queue_processed": len(applied.event_queue.processed),
            "event_queue_dead": len(applied.event_queue.dead),
            "entity_events_processed": len(applied.entity_events.processed),
            "entity_events_dead": len(applied.entity_events.dead),
        }
        with self.conn.pipeline():
            self._begin("begin isolation level read committed")
            if new.outcomes == NOTHING and new.batch_id == ours.batch_id:
                self.conn.execute("set local synchronous_commit to off")
            claim = self.conn.execute(query("write_ledger"), parameters, prepare=True, binary=False)
            failpoint("claiming")
            marks = self._mark(new, applied)
            self.conn.execute("commit")
        row = claim.fetchone()
        if row is None:
            else_ = "; or Postgres crashed, or is another server, behind the pooler" if self._is_pooled else ""
            raise LeaseLost(f"shard {ours.shard} is not ours any more (generation {ours.generation}){else_}")
        scan_from, xid = row
        return Written(replace(new, scan_from=scan_from), int(xid), sum(mark.rowcount for mark in marks))

    def _take(self, *, is_stopped: bool) -> Ledger:
        self._nonce = uuid4()
        parameters = {
            "shard": self.shard,
            "owner": self._owner,
            "lease_seconds": self._relay.lease_seconds,
            "is_stopped": is_stopped,
            "nonce": self._nonce,
        }
        name = {"name": _application_name(self._relay.name, self.shard)}
        self.conn.execute(query("end_stale_sessions"), parameters | name)
        with self._lock_limit():
            row = self.conn.execute(query("take_shard"), parameters, binary=True).fetchone()
        if row is None:
            raise LeaseLost(f"shard {self.shard} is not to be had: another relay holds it, or it is stopped")
        generation, batch_no, batch_id, previous_id, *batch, scan_from = row
        event_queue, entity_events, dead, batch_from, batch_to = batch
        outcomes = Outcomes(
            OfSource(tuple(event_queue), _dead_of(EVENT_QUEUE, dead)),
            OfSource(tuple(entity_events), _dead_of(ENTITY_EVENTS, dead)),
            batch_from,
            batch_to,
        )
        return Ledger(self.shard, self._owner, generation, batch_no, batch_id, previous_id, outcomes, scan_from)

    def _lock_limit(self) -> AbstractContextManager[None]:
        """Below the time after which another relay takes this session for one that was left behind."""
        return waiting_at_most(self.conn, min(LOCK_SECONDS, self._relay.lease_seconds / 2))

    def _begin(self, statement: LiteralString) -> None:
        self.conn.execute(statement)
        if self._is_pooled:  # the session is another one each time
            self.conn.execute(query("pin_session"), {"is_local": True})
            self.conn.execute(query("set_session"), {"is_local": True})

    def _mark(self, new: Ledger, applied: Outcomes) -> list[psycopg.Cursor]:
        fence = {
            "shard": new.shard,
            "generation": new.generation,
            "batch_id": new.batch_id,
            "batch_from": _unless_in(MINYEAR, applied.first_at, "-infinity"),
            "batch_to": _unless_in(MAXYEAR, applied.last_at, "infinity"),
        }
        both = (
            (applied.event_queue, "mark_event_queue_processed", "mark_event_queue_dead"),
            (applied.entity_events, "mark_entity_events_processed", "mark_entity_events_dead"),
        )
        marks = []
        for of_source, marked, given_up in both:
            if of_source.processed:
                seqs = {"seqs": _array(of_source.processed)}
                marks.append(self.conn.execute(query(marked), fence | seqs, prepare=True))
            if of_source.dead:
                dead = {
                    "seqs": _array(seq for seq, _ in of_source.dead),
                    "reasons": [reason for _, reason in of_source.dead],
                    "hold": self._relay.on_dead is OnDead.HOLD,
                }
                marks.append(self.conn.execute(query(given_up), fence | dead))
        return marks


def _application_name(relay_name: str, shard: int) -> str:
    return f"{relay_name} shard {shard}".encode("ascii", "replace").decode()[-63:]  # what Postgres keeps of it


def _unless_in(year: int, at: datetime | None, beyond: str) -> datetime | str | None:
    """The end of a batch's times. What was read as of the first or the last year may lie beyond it."""
    return beyond if at and at.year == year else at


def _identity(ours: Ledger) -> dict[str, object]:
    return {"shard": ours.shard, "owner": ours.owner, "generation": ours.generation}


def _dead_rows(outcomes: Outcomes) -> list[dict[str, object]]:
    both = ((EVENT_QUEUE, outcomes.event_queue), (ENTITY_EVENTS, outcomes.entity_events))
    return [{"source": source, "seq": seq, "reason": reason} for source, of in both for seq, reason in of.dead]


def _dead_of(source: str, rows: list[dict[str, Any]]) -> tuple[tuple[int, str], ...]:
    return tuple((row["seq"], row["reason"]) for row in rows if row["source"] == source)


def _array(numbers: Iterable[int]) -> str:
    """Postgres' text form of an integer array, for `%(name)s::bigint[]`; psycopg makes one element by element, which
    costs a relay more than reading the events."""
    return "{" + ",".join(map(str, numbers)) + "}"
