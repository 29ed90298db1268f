"""One shard's Postgres: reads its pending events, and reads and writes its ledger.

A claim applies the outcomes of the last batch and writes the next one, in one short transaction that is void unless
the row still carries our generation and the batch id that we wrote last. No transaction is open between two calls.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import MAXYEAR, MINYEAR, datetime
from types import TracebackType
from typing import LiteralString

import orjson
import psycopg
from psycopg.types.json import Jsonb

from bridge.errors import LeaseLost
from bridge.event import ENTITY_EVENTS, EVENT_QUEUE, SOURCES, Event
from bridge.failpoint import failpoint
from bridge.postgres.connection import array, connect, is_pooled, query
from bridge.settings import OnDead, RelaySettings, Settings
from bridge.shard.ledger import NOTHING, Ledger, Outcomes, Written
from bridge.shard.position import Scan, Snapshot, Start


class Store:
    """One connection, for one shard and one owner. Every method raises psycopg.Error as it comes."""

    def __init__(self, conn: psycopg.Connection, shard: int, owner: str, relay: RelaySettings) -> None:
        self.conn = conn
        self.shard = shard
        self._owner = owner
        self._relay = relay
        self._is_pooled = is_pooled(conn)
        if not self._is_pooled:
            conn.execute(query("set_session"), {"is_local": False})

    @classmethod
    def open(cls, settings: Settings, shard: int, owner: str) -> Store:
        """Connect. Raises ConfigError, DatabaseUnavailable."""
        conn = connect(settings.database.url, application_name=_application_name(settings.relay.name, shard))
        return cls(conn, shard, owner, settings.relay)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.conn.close()  # without waiting: the lease runs out by itself if it was not given back

    def take(self) -> Ledger:
        """Take the shard's lease with the next generation. Raises LeaseLost when another relay holds it."""
        return self._take(is_stopped=False)

    def take_stopped(self) -> Ledger:
        """Take a shard that is stopped, which no relay does. Raises LeaseLost when it is not."""
        return self._take(is_stopped=True)

    def stop(self, held: Ledger, reason: str, *, renumber: bool = False) -> bool:
        """Stop the shard until a person has looked at it, and give the lease back.

        `renumber`: its pending events need new numbers first. Returns False, having changed nothing, when the lease is
        not the one that was taken any more.
        """
        stopped = _identity(held) | {"reason": reason, "renumber": renumber}
        return self.conn.execute(query("stop_shard"), stopped).fetchone() is not None

    def release(self, held: Ledger) -> None:
        """Give the lease back; nothing happens when it is not ours any more."""
        self.conn.execute(query("release_shard"), _identity(held))

    def read(self, start: Start, in_flight: list[int], held: Collection[str]) -> Scan:
        """Read the next events from `start`, leaving out the seqs `in_flight` and the event types `held`.

        One round trip, one snapshot.
        """
        parameters = {
            **start._asdict(),
            "xids": [str(xid) for xid in start.xids],
            "next_xid": str(start.next_xid),
            "shard": self.shard,
            "rows": self._relay.batch_rows,
            "bytes": self._relay.batch_bytes,
            "in_flight": array(seq for seq in in_flight if seq > start.lowest),
            "held": list(held),
        }
        with self.conn.pipeline():
            self._begin("begin isolation level repeatable read read only")
            seen = self.conn.execute(query("read_snapshot"), {"shard": self.shard}, prepare=True)
            pending = self.conn.execute(query("read_pending"), parameters, prepare=True)
            self.conn.execute("commit")
        rows = pending.fetchall()
        snapshot = seen.fetchone()
        assert snapshot is not None  # noqa: S101 - the statement always gives one row
        return Scan(
            events=[Event._make(row[:8]) for row in rows if row[8]],
            deferred=[row[1] for row in rows if not row[8]],
            last_seq=rows[-1][1] if rows else None,
            full=len(rows) == self._relay.batch_rows or bool(rows and rows[-1][9] >= self._relay.batch_bytes),
            snapshot=Snapshot.parse(snapshot[0]),
            drawn=snapshot[1],
            scan_from=snapshot[2],
        )

    def look(self) -> tuple[int, Snapshot]:
        """The last number drawn for an event, of any shard, and what can be seen now: a fiftieth of a read."""
        row = self.conn.execute(query("look"), prepare=True).fetchone()
        assert row is not None  # noqa: S101 - a sequence has one row
        return row[0], Snapshot.parse(row[1])

    def numbers(self) -> tuple[int, int]:
        """The last number drawn for an event, of any shard, and the highest that this shard's events have."""
        row = self.conn.execute(query("numbers"), {"shard": self.shard}).fetchone()
        assert row is not None  # noqa: S101 - a sequence has one row
        return row

    def write(self, held: Ledger, new: Ledger, applied: Outcomes) -> Written:
        """Replace `held` by `new` and mark the events of `applied`, in one transaction and one round trip.

        A claim is durable on return. Marks alone may be lost by a crash of the server: then they are still in the
        ledger, and are applied again. Raises LeaseLost, having changed nothing, when the row is not `held` any more.
        """
        parameters = {
            "shard": held.shard,
            "generation": held.generation,
            "known_batch_id": held.batch_id,
            "known_scan_from": held.scan_from,
            "batch_no": new.batch_no,
            "batch_id": new.batch_id,
            "scan_from": new.scan_from,
            "lease_seconds": self._relay.lease_seconds,
            "event_queue": array(new.outcomes.processed[EVENT_QUEUE]),
            "entity_events": array(new.outcomes.processed[ENTITY_EVENTS]),
            "dead": Jsonb(_dead_rows(new.outcomes), dumps=orjson.dumps),
            "batch_from": new.outcomes.first_at,
            "batch_to": new.outcomes.last_at,
        }
        for source in SOURCES:
            parameters[f"{source}_processed"] = len(applied.processed[source])
            parameters[f"{source}_dead"] = len(applied.dead[source])
        with self.conn.pipeline():
            self._begin("begin")
            if new.outcomes == NOTHING and new.batch_id == held.batch_id:
                self.conn.execute("set local synchronous_commit to off")
            claim = self.conn.execute(query("write_ledger"), parameters, prepare=True, binary=False)
            failpoint("claiming")
            marks = self._mark(new, applied)
            self.conn.execute("commit")
        row = claim.fetchone()
        if row is None:
            raise LeaseLost(f"shard {held.shard} is not ours any more (generation {held.generation})")
        scan_from, xid = row
        return Written(replace(new, scan_from=scan_from), int(xid), sum(mark.rowcount for mark in marks))

    def _take(self, *, is_stopped: bool) -> Ledger:
        parameters = {
            "shard": self.shard,
            "owner": self._owner,
            "lease_seconds": self._relay.lease_seconds,
            "is_stopped": is_stopped,
        }
        name = {"name": _application_name(self._relay.name, self.shard)}
        self.conn.execute(query("end_stale_sessions"), parameters | name)
        row = self.conn.execute(query("take_shard"), parameters).fetchone()
        if row is None:
            raise LeaseLost(f"shard {self.shard} is not to be had: another relay holds it, or it is stopped")
        generation, batch_no, batch_id, event_queue, entity_events, dead, batch_from, batch_to, scan_from = row
        outcomes = Outcomes(
            {EVENT_QUEUE: event_queue, ENTITY_EVENTS: entity_events},
            {source: [(d["seq"], d["reason"]) for d in dead if d["source"] == source] for source in SOURCES},
            batch_from,
            batch_to,
        )
        return Ledger(self.shard, self._owner, generation, batch_no, batch_id, outcomes, scan_from)

    def _begin(self, statement: LiteralString) -> None:
        self.conn.execute(statement)
        if self._is_pooled:  # the session is another one each time
            self.conn.execute(query("set_session"), {"is_local": True})

    def _mark(self, new: Ledger, applied: Outcomes) -> list[psycopg.Cursor]:
        fence = {
            "shard": new.shard,
            "generation": new.generation,
            "batch_id": new.batch_id,
            "batch_from": _unless_in(MINYEAR, applied.first_at, "-infinity"),
            "batch_to": _unless_in(MAXYEAR, applied.last_at, "infinity"),
        }
        marks = []
        for source in SOURCES:
            if seqs := applied.processed[source]:
                statement = query(f"mark_{source}_processed")
                marks.append(self.conn.execute(statement, fence | {"seqs": array(seqs)}, prepare=True))
            if pairs := applied.dead[source]:
                seqs, reasons = [seq for seq, _ in pairs], [reason for _, reason in pairs]
                statement = query(f"mark_{source}_dead")
                dead = {"seqs": array(seqs), "reasons": reasons, "hold": self._relay.on_dead is OnDead.HOLD}
                marks.append(self.conn.execute(statement, fence | dead))
        return marks


def _application_name(relay_name: str, shard: int) -> str:
    return f"{relay_name} shard {shard}".encode("ascii", "replace").decode()[-63:]  # what Postgres keeps of it


def _unless_in(year: int, at: datetime | None, beyond: str) -> datetime | str | None:
    """The end of a batch's times. What was read as of the first or the last year may lie beyond it."""
    return beyond if at and at.year == year else at


def _identity(held: Ledger) -> dict[str, object]:
    return {"shard": held.shard, "owner": held.owner, "generation": held.generation}


def _dead_rows(outcomes: Outcomes) -> list[dict[str, object]]:
    return [
        {"source": source, "seq": seq, "reason": reason} for source in SOURCES for seq, reason in outcomes.dead[source]
    ]
