"""What one row of `bridge.shard` says: lease, fence and ledger of one shard. ARCHITECTURE.md, "A batch".

Postgres is the truth about which events exist, Kafka about which batches were published; this row joins them. Values
and their transitions only; `store.py` reads and writes them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from bridge.shard.parked import Change, State
from bridge.shard.position import Position


@dataclass(frozen=True, slots=True)
class InFlight:
    """What is settled once a batch is known to be published: where reading stands behind it, and what it parked.

    `published` counts the events that it publishes, by source.
    """

    position: Position
    event_queue: int
    entity_events: int
    changes: tuple[Change, ...]

    def dead(self, source: str) -> int:
        """How many events of a source die."""
        parked = [change.after for change in self.changes if change.after is not None]
        return sum(row.source == source and row.state is State.DEAD for row in parked)


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
    """One shard as this relay last wrote it. `position` is settled, `in_flight` is batch `batch_no` until it is, too.

    `generation` counts takeovers and fences a former owner; `batch_id` is None until the shard's first act, and
    `previous_id` is that of the batch before. `decisions` counts what people have decided about dead events.
    `is_copied`: the position's transaction ids are another database's.
    """

    shard: int
    owner: str
    generation: int
    batch_no: int
    batch_id: UUID | None
    previous_id: UUID | None
    position: Position
    in_flight: InFlight | None = None
    decisions: int = 0
    is_copied: bool = False

    @property
    def control(self) -> ControlRecord:
        """What is committed to Kafka with the batch."""
        return ControlRecord(self.batch_no, self.batch_id, self.previous_id)

    @property
    def settled_no(self) -> int:
        """The last batch that is settled."""
        return self.batch_no if self.in_flight is None else self.batch_no - 1

    @property
    def unsettled(self) -> tuple[Change, ...]:
        """What the batch in flight parks and unparks."""
        return () if self.in_flight is None else self.in_flight.changes

    def claimed(self, batch_id: UUID, position: Position, in_flight: InFlight) -> Ledger:
        """The ledger with the next batch in flight; what was in flight before is settled at `position` with it."""
        return replace(
            self,
            batch_no=self.batch_no + 1,
            batch_id=batch_id,
            previous_id=self.batch_id,
            position=position,
            in_flight=in_flight,
        )

    def at(self, control: ControlRecord) -> Ledger:
        """The ledger with this as its last batch, and nothing in flight."""
        return replace(
            self,
            batch_no=control.batch_no,
            batch_id=control.batch_id,
            previous_id=control.previous_id,
            in_flight=None,
        )

    def settled(self) -> Ledger:
        """The ledger with nothing in flight any more, because that was published."""
        return replace(self, position=self.in_flight.position, in_flight=None) if self.in_flight else self
