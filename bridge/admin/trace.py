"""Where one event is, and why it waits: from its row through its batch to its place in Kafka."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from bridge.admin.dead import Decided, list_decisions
from bridge.admin.event_gone import Gone, look_for
from bridge.admin.event_place import Finder, Look
from bridge.admin.event_row import Behind, EventRow, ParkedRow, ids_of_key, read_behind, read_parked, read_row
from bridge.admin.event_wait import (
    NOBODY,
    PERSON,
    SERVER,
    Cause,
    ShardNow,
    moment,
    read_shard,
    read_waits,
    why_parked,
    why_unread,
)
from bridge.encoding.routing import Router
from bridge.errors import BridgeError, Unavailable
from bridge.settings import Settings

OPEN = ("dead", "waiting", "deferred", "retried")  # states in which it is still to be published
UNKNOWN = 1


@dataclass(frozen=True, slots=True)
class Trace:
    """One event; `outcome` is published, dead, skipped, waits, left or unknown, and `answer` says it in words.

    `topic` is where it goes, or went. `exit_code`: 0 nobody has to do anything, 1 nothing is known of the event, 3 it
    waits for a server, or one could not be asked, 5 it waits for a person.
    """

    event_id: UUID
    outcome: str
    answer: str
    exit_code: int
    mend: str | None = None
    topic: str | None = None
    row: EventRow | None = None
    parked: ParkedRow | None = None
    behind: Behind | None = None
    shard: ShardNow | None = None
    decisions: tuple[Decided, ...] = ()
    look: Look | None = None
    published_at: datetime | None = None
    gone: Gone | None = None

    @property
    def steps(self) -> Iterator[tuple[datetime, str]]:
        """What happened to it when, the earliest first."""
        return iter(sorted(self._steps(), key=lambda step: step[0]))

    def as_json(self) -> dict[str, Any]:
        """JSON-ready, without any payload."""
        steps = [{"at": at, "what": what} for at, what in self.steps]
        return {**asdict(self), "steps": steps}

    def _steps(self) -> Iterator[tuple[datetime, str]]:
        if self.row is not None:
            yield self.row.written_at, f"written by transaction {self.row.transaction}, committed since"
            if self.row.read_by is not None:
                yield self.row.read_by, f"read by then{_batches(self.row)}"
        if self.parked is not None:
            yield self.parked.since, f"{self.parked.state}: {self.parked.reason or 'parked'}"
        for one in self.decisions:
            yield one.decided_at, f"{one.decision} by {one.decided_by}: {one.why or 'no reason given'}"
        if self.published_at is not None and self.look is not None and self.look.place is not None:
            yield self.published_at, f"published to {self.look.place}"


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
            return replace(trace, outcome="skipped", answer=f"Dead, and given up {moment(parked.since)}")
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
        waited = trace.parked is not None or bool(trace.decisions)
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
        return replace(trace, answer=_published(trace))

    def _published_at(self, finder: Finder, row: EventRow, look: Look, *, waited: bool) -> datetime | None:
        """When, where that is known: by its batch's control record, or else by the first tick behind it."""
        if waited or row.read_by is None or (look.not_before is not None and look.not_before > row.read_by):
            return None  # it had waited, and was published later than it was read
        batches = row.batches
        if batches is None or batches[0] != batches[1] or row.read_after is None:
            return row.read_by
        return finder.batch_time(row.shard, batches[1], row.read_after) or row.read_by

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


def _published(trace: Trace) -> str:
    """In words: where, and how long after it was written."""
    row, look = trace.row, trace.look
    if row is None or look is None or look.place is None:
        by = "" if row is None or row.read_by is None else f", read by {moment(row.read_by)}"
        return f"Published{by}, but it was not found: {'' if look is None else look.why_not}"
    took = "after it had waited"
    if trace.published_at is not None:
        at_most = "at most " if trace.published_at == row.read_by else ""
        took = f"{at_most}{duration(trace.published_at - row.written_at)} after it was written"
    return f"Published to {look.place}, {took}"


def duration(took: timedelta) -> str:
    """For people; a clock that is behind another makes it nothing."""
    seconds = max(took.total_seconds(), 0.0)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 120 else f"{timedelta(seconds=round(seconds))}"


def _batches(row: EventRow) -> str:
    if row.batches is None:
        return "" if row.batch_no is None else f", in batch {row.batch_no} of shard {row.shard} or before"
    first, last = row.batches
    of = f"of shard {row.shard}"
    return f", in batch {last} {of}" if first == last else f", in one of the batches {first} to {last} {of}"


def worst(traces: Sequence[Trace]) -> int:
    """The exit code of several."""
    codes = {trace.exit_code for trace in traces} or {UNKNOWN}
    return next((code for code in (PERSON, SERVER, UNKNOWN) if code in codes), NOBODY)
