"""What one row of `bridge.shard` says: lease, fence and ledger of one shard. ARCHITECTURE.md, "A batch".

Postgres is the truth about which events exist, Kafka about which batches were published; this row joins them. Values
and their transitions only; `store.py` reads and writes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from bridge.event import ENTITY_EVENTS, EVENT_QUEUE, DeadLetter, Event

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INEXACT = timedelta(milliseconds=1)  # a time is read as a double, which is some microseconds off in far years


class OfSource(NamedTuple):
    """What becomes of a batch's events of one source: seqs to mark processed, and the dead with their reasons."""

    processed: tuple[int, ...] = ()
    dead: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What becomes of the events of one batch.

    `first_at` and `last_at` bound the events' times, so that marking touches only their table partitions.
    """

    event_queue: OfSource
    entity_events: OfSource
    first_at: datetime | None = None
    last_at: datetime | None = None

    @classmethod
    def of(cls, events: Sequence[Event], dead: Sequence[DeadLetter]) -> Outcomes:
        """Outcomes of a batch that publishes `events` and gives up `dead`."""
        times = [event.created_us for event in events] + [letter.event.created_us for letter in dead]
        first = EPOCH + timedelta(microseconds=min(times)) - INEXACT if times else None
        last = EPOCH + timedelta(microseconds=max(times)) + INEXACT if times else None
        return cls(_of_source(EVENT_QUEUE, events, dead), _of_source(ENTITY_EVENTS, events, dead), first, last)

    @property
    def seqs(self) -> list[int]:
        """All seqs of the batch."""
        both = (self.event_queue, self.entity_events)
        return [seq for of in both for seq in of.processed] + [seq for of in both for seq, _ in of.dead]


def _of_source(source: str, events: Sequence[Event], dead: Sequence[DeadLetter]) -> OfSource:
    return OfSource(
        tuple([event.seq for event in events if event.source == source]),
        tuple([(letter.event.seq, letter.reason) for letter in dead if letter.event.source == source]),
    )


NOTHING = Outcomes(OfSource(), OfSource())


@dataclass(frozen=True, slots=True)
class ControlRecord:
    """Kafka's side of the ledger: which batch was published last, and which before it.

    `batch_id` is None where the record was not written by bridge, `previous_id` at a shard's first act.
    """

    batch_no: int
    batch_id: UUID | None
    previous_id: UUID | None


@dataclass(frozen=True, slots=True)
class Ledger:
    """One shard as this relay last wrote it. `outcomes` are those of batch `batch_no`, not applied yet.

    `generation` counts takeovers and fences a former owner; `batch_id` is None until the shard's first act, and
    `previous_id` is that of the batch before.
    """

    shard: int
    owner: str
    generation: int
    batch_no: int
    batch_id: UUID | None
    previous_id: UUID | None
    outcomes: Outcomes
    scan_from: int

    @property
    def control(self) -> ControlRecord:
        """What is committed to Kafka with the batch."""
        return ControlRecord(self.batch_no, self.batch_id, self.previous_id)

    def claimed(self, batch_id: UUID, outcomes: Outcomes) -> Ledger:
        """The ledger with the next batch in flight; what was in flight before is to be applied with it."""
        return replace(
            self, batch_no=self.batch_no + 1, batch_id=batch_id, previous_id=self.batch_id, outcomes=outcomes
        )

    def at(self, control: ControlRecord) -> Ledger:
        """The ledger with this as its last batch, and nothing in flight."""
        return replace(
            self,
            batch_no=control.batch_no,
            batch_id=control.batch_id,
            previous_id=control.previous_id,
            outcomes=NOTHING,
        )

    def settled(self) -> Ledger:
        """The ledger with nothing in flight any more."""
        return replace(self, outcomes=NOTHING)


class Written(NamedTuple):
    """A claim: the ledger as it stands now (a retry may have set scan_from back), its transaction id, rows marked."""

    ledger: Ledger
    xid: int
    marked: int
