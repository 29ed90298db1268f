"""Where one event is, and why it waits, in words: from its row through its batch to its place in Kafka."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from bridge.admin.dead import Decided
from bridge.admin.event_gone import Gone
from bridge.admin.event_place import Look
from bridge.admin.event_row import Behind, EventRow, ParkedRow
from bridge.admin.event_wait import (
    NOBODY,
    PERSON,
    SERVER,
    ShardNow,
    moment,
)

UNKNOWN = 1
UNLESS = ", unless it was held"  # by its topic: nothing keeps that, once it is published


@dataclass(frozen=True, slots=True)
class Trace:
    """One event; `outcome` is published, dead, skipped, waits, left or unknown, and `answer` says it in words.

    `topic` is where it goes, or went. `published_at`: with its batch; later, if its topic was held. `exit_code`: 0
    nobody has to do anything, 1 nothing is known of the event, 3 it waits for a server, or one could not be asked, 5 it
    waits for a person.
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
                yield self.row.read_by, f"read and settled by then{_batches(self.row)}"
        if self.parked is not None:
            state = "dead" if self.parked.state == "skipped" else self.parked.state  # since it died
            yield self.parked.since, f"{state}: {self.parked.reason or 'parked'}"
        for one in self.decisions:
            yield one.decided_at, f"{one.decision} by {one.decided_by}: {one.why or 'no reason given'}"
        if self.published_at is not None and self.look is not None and self.look.place is not None:
            yield self.published_at, f"published to {self.look.place}{UNLESS}"


def published(trace: Trace) -> str:
    """In words: where, and how long after it was written."""
    row, look = trace.row, trace.look
    if row is None or look is None or look.place is None:
        by = "" if row is None or row.read_by is None else f", read by {moment(row.read_by)}"
        return f"Published{by}, but it was not found: {'' if look is None else look.why_not}"
    took = "after it had waited"
    if trace.published_at is not None:
        at_most = "at most " if trace.published_at == row.read_by else ""
        took = f"{at_most}{duration(trace.published_at - row.written_at)} after it was written{UNLESS}"
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
