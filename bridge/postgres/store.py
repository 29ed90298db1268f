"""One shard's row in Postgres: reads and writes its lease and ledger, and parks its events.

A claim settles the last batch and writes the next one, in one short transaction that is void unless the row still
carries our generation and the batch id that we wrote last, and our takeover's witness is there. No transaction is open
between two calls.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from types import TracebackType
from uuid import UUID, uuid4

import psycopg

from bridge.encoding.limits import NO_LIMITS, TopicLimits
from bridge.encoding.routing import all_topics
from bridge.errors import LeaseLost
from bridge.event import ENTITY_EVENTS, EVENT_QUEUE
from bridge.failpoint import failpoint
from bridge.postgres.connection import begin, connect, is_pooled, waiting_at_most
from bridge.postgres.explained import explained
from bridge.postgres.queries import query
from bridge.postgres.reading import Reader
from bridge.postgres.row import changes_json, in_flight_json, in_flight_of, position_columns, position_of
from bridge.postgres.script import program
from bridge.settings import RelaySettings, Settings
from bridge.shard.ledger import InFlight, Ledger

LOCK_SECONDS = 3  # to wait for the shard's row at most


class Store:
    """One connection, for one shard and one owner.

    Every method raises DatabaseUnavailable, and psycopg.Error for what is not foreseen.
    """

    def __init__(
        self,
        conn: psycopg.Connection,
        shard: int,
        owner: str,
        relay: RelaySettings,
        limits: TopicLimits = NO_LIMITS,
        topics: Collection[str] = (),
    ) -> None:
        """`topics`: all that an event may be parked for."""
        self.conn = conn
        self.shard = shard
        self.reader = Reader(conn, shard, relay, limits, topics)
        self._owner = owner
        self._relay = relay
        self._nonce: UUID | None = None  # of our takeover
        if not is_pooled(conn):
            conn.execute(query("set_session"), {"is_local": False})

    @classmethod
    def open(cls, settings: Settings, shard: int, owner: str, limits: TopicLimits = NO_LIMITS) -> Store:
        """Connect. Raises ConfigError, DatabaseUnavailable."""
        conn = connect(settings.database, application_name=_application_name(settings.relay.name, shard))
        try:
            with explained():
                return cls(conn, shard, owner, settings.relay, limits, all_topics(settings))
        except BaseException:
            conn.close()
            raise

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
    def write(
        self, ours: Ledger, new: Ledger, settled: InFlight | None, *, with_tick: bool = False, lazily: bool = False
    ) -> int:
        """Replace `ours` by `new`, and settle what was in flight, in one transaction and one round trip.

        Returns the transaction's id. It is durable on return, but `lazily`: then a crash of the server may lose it, and
        what it settled is still in the ledger. `with_tick` notes where the shard stands. Raises LeaseLost, having
        changed nothing, when the row is not `ours` any more.
        """
        written = {
            "shard": ours.shard,
            "generation": ours.generation,
            "nonce": self._nonce,
            "known_batch_id": ours.batch_id,
            "batch_no": new.batch_no,
            "batch_id": new.batch_id,
            "previous_id": new.previous_id,
            "in_flight": None if new.in_flight is None else in_flight_json(new.in_flight),
            **position_columns(new.position),
            "lease_seconds": self._relay.lease_seconds,
            "event_queue_processed": settled.event_queue if settled else 0,
            "event_queue_dead": settled.dead(EVENT_QUEUE) if settled else 0,
            "entity_events_processed": settled.entity_events if settled else 0,
            "entity_events_dead": settled.dead(ENTITY_EVENTS) if settled else 0,
        }
        fence = {"shard": new.shard, "generation": new.generation, "batch_id": new.batch_id}
        with self.conn.pipeline():
            begin(self.conn, "begin isolation level read committed")
            if lazily:
                self.conn.execute("set local synchronous_commit to off")
            claim = self.conn.execute(query("write_ledger"), written, prepare=True, binary=False)
            failpoint("claiming")
            if settled is not None and settled.changes:
                changes = fence | {"changes": changes_json(settled.changes)}
                self.conn.execute(query("park_events"), changes)
                if any(change.after is None for change in settled.changes):
                    self.conn.execute(query("unpark_events"), changes)
            if with_tick:
                self.conn.execute(query("write_tick"), fence)
            self.conn.execute("commit")
        row = claim.fetchone()
        if row is None:
            else_ = "; or Postgres crashed, or is another server, behind the pooler" if is_pooled(self.conn) else ""
            raise LeaseLost(f"shard {ours.shard} is not ours any more (generation {ours.generation}){else_}")
        return int(row[0])

    def _take(self, *, is_stopped: bool) -> Ledger:
        self._nonce = uuid4()
        parameters = {
            "shard": self.shard,
            "owner": self._owner,
            "lease_seconds": self._relay.lease_seconds,
            "is_stopped": is_stopped,
            "nonce": self._nonce,
            "program": program(),
        }
        name = {"name": _application_name(self._relay.name, self.shard)}
        self.conn.execute(query("end_stale_sessions"), parameters | name)
        with self._lock_limit():
            row = self.conn.execute(query("take_shard"), parameters, binary=True).fetchone()
        if row is None:
            raise LeaseLost(
                f"shard {self.shard} is not to be had: another relay holds it, it is stopped, or this one is too old"
            )
        generation, batch_no, batch_id, previous_id, in_flight, *position, decisions, is_copied = row
        return Ledger(
            self.shard, self._owner, generation, batch_no, batch_id, previous_id, position_of(*position),
            None if in_flight is None else in_flight_of(in_flight), decisions, is_copied,
        )  # fmt: skip

    def _lock_limit(self) -> AbstractContextManager[None]:
        """Below the time after which another relay takes this session for one that was left behind."""
        return waiting_at_most(self.conn, min(LOCK_SECONDS, self._relay.lease_seconds / 2))


def _application_name(relay_name: str, shard: int) -> str:
    return f"{relay_name} shard {shard}".encode("ascii", "replace").decode()[-63:]  # what Postgres keeps of it


def _identity(ours: Ledger) -> dict[str, object]:
    return {"shard": ours.shard, "owner": ours.owner, "generation": ours.generation}
