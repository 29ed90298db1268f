"""Follows events: what the database has of each, why it waits, and where it is in Kafka."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import psycopg

from bridge.admin.dead import list_decisions
from bridge.admin.event_gone import look_for
from bridge.admin.event_place import Finder, Look
from bridge.admin.event_row import EventRow, has_waited, ids_of_key, read_behind, read_parked, read_row
from bridge.admin.event_wait import (
    NOBODY,
    SERVER,
    Cause,
    moment,
    read_shard,
    read_waits,
    why_parked,
    why_unread,
)
from bridge.admin.trace import UNKNOWN, Trace, published
from bridge.encoding.routing import Router
from bridge.errors import BridgeError, Unavailable
from bridge.settings import Settings

OPEN = ("dead", "waiting", "deferred", "retried")  # states in which it is still to be published


class Tracer:
    """Traces events over one connection; Kafka is asked only if it has to be."""

    def __init__(self, conn: psycopg.Connection, settings: Settings, topic: str | None = None) -> None:
        """`topic`: look there, whatever the routes say."""
        self._conn = conn
        self._settings = settings
        self._named = topic
        self._router = Router(settings.routes)
        self._waits = read_waits(conn)

    def event(self, event_id: UUID) -> Trace:
        """All that is known. Raises psycopg.Error."""
        found = self._in_database(event_id)
        if found.outcome == "published" or (found.outcome in ("dead", "skipped") and found.row is not None):
            return self._in_kafka(found)
        return self._left(found) if found.gone is not None else found

    def of_key(self, key: str, most: int) -> Sequence[Trace]:
        """The last events of a key, the latest first, without asking Kafka."""
        found = [self._in_database(event_id) for event_id in ids_of_key(self._conn, key, most)]
        return [one for one in found if self._named is None or one.topic == self._named]

    def _in_database(self, event_id: UUID) -> Trace:
        row = read_row(self._conn, event_id)
        if row is None:
            return Trace(event_id, "unknown", "There is no such event in this database", UNKNOWN,
                         gone=look_for(self._conn, event_id))  # fmt: skip
        parked = read_parked(self._conn, event_id)
        shard = read_shard(self._conn, row)
        route = self._router.find(row.event_type, row.entity_type)
        topic = parked.topic if parked is not None else None if route is None else route.topic
        trace = Trace(
            event_id, "published", "Published", NOBODY, topic=topic, row=row, parked=parked, shard=shard,
            decisions=tuple(list_decisions(self._conn, event_id, 10)),
        )  # fmt: skip
        if shard is None:
            return trace
        if parked is not None and parked.state in (*OPEN, "replayed"):
            behind = read_behind(self._conn, parked)
            return self._waiting(replace(trace, behind=behind), why_parked(parked, behind, shard, self._waits))
        if parked is not None and parked.state == "skipped":
            given_up = max((one.decided_at for one in trace.decisions), default=parked.since)
            return replace(trace, outcome="skipped", answer=f"Dead, and given up {moment(given_up)}")
        if parked is None and not row.is_read:
            return self._waiting(trace, why_unread(row, shard, self._waits, topic))
        return trace

    def _waiting(self, trace: Trace, cause: Cause) -> Trace:
        state = "" if trace.parked is None else trace.parked.state
        if state == "replayed":
            words = f"Published before; replay {trace.parked and trace.parked.replay_id} is to publish it once more: "
            return replace(trace, answer=words + cause.words, exit_code=cause.needs, mend=cause.mend)
        outcome, words = ("dead", "Dead: ") if state == "dead" else ("waits", "Waits: ")
        return replace(trace, outcome=outcome, answer=words + cause.words, exit_code=cause.needs, mend=cause.mend)

    def _in_kafka(self, trace: Trace) -> Trace:
        """Look for the record, or for the dead letter."""
        row = trace.row
        is_dead = trace.outcome != "published"
        topic = self._settings.topics.dead_letters if is_dead else self._named or trace.topic
        if row is None or not self._settings.kafka.bootstrap_servers:
            return trace
        if topic is None:
            return replace(
                trace, answer=f"{trace.answer}; no route names its type now, so where is not known (--topic)"
            )
        waited = trace.parked is not None or bool(trace.decisions) or has_waited(self._conn, row, topic)
        by = trace.parked.since if trace.parked is not None and not is_dead else row.read_by
        try:
            finder = Finder(self._settings)
            look = finder.find(row, topic, by)
            at = None if is_dead or look.place is None else self._published_at(finder, row, look, waited=waited)
        except Unavailable as error:
            code = trace.exit_code or SERVER
            return replace(trace, answer=f"{trace.answer}; where is not known: {error.message}", exit_code=code)
        except BridgeError as error:
            return replace(trace, answer=f"{trace.answer}; where is not known: {error.message}")
        if is_dead:
            letter = f"; its dead letter is {look.place}" if look.place else ""
            return replace(trace, look=look, answer=trace.answer + letter)
        trace = replace(trace, look=look, published_at=at, topic=topic)
        return replace(trace, answer=published(trace))

    def _published_at(self, finder: Finder, row: EventRow, look: Look, *, waited: bool) -> datetime | None:
        """When, where that is known: by its batch's control record, or else by the first tick behind it."""
        if waited or row.read_by is None or (look.not_before is not None and look.not_before > row.read_by):
            return None  # it had waited, and was published later than it was read
        batches = row.batches
        if batches is None or batches[0] != batches[1]:
            return row.read_by
        return finder.batch_time(row.shard, batches[1], row.read_after or row.written_at) or row.read_by

    def _left(self, trace: Trace) -> Trace:
        """One without a row: what is left of it, and in `--topic`, if that is given, by the time in its id."""
        gone = trace.gone
        if gone is None:
            return trace
        if gone.is_known:
            trace = replace(
                trace, outcome="left", answer="Its row has left the database", exit_code=NOBODY,
                parked=gone.parked, decisions=gone.decisions,
            )  # fmt: skip
        if self._named is None or gone.written_at is None:
            return trace
        try:
            look = Finder(self._settings).find_by_time(str(trace.event_id), self._named, gone.written_at)
        except Unavailable as error:
            return replace(trace, answer=f"{trace.answer}; {error.message}", exit_code=SERVER)
        if look.place is None:
            return replace(trace, look=look)
        words = f"Published to {look.place}; its row has left the database"
        return replace(trace, outcome="published", answer=words, look=look, topic=self._named, exit_code=NOBODY)
