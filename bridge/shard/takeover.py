"""What a takeover concludes from the ledger and the committed offset; pure functions. ARCHITECTURE.md, "A batch".

The only place where a batch's fate is decided; everything else follows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from uuid import UUID

from bridge.errors import ShardStopped
from bridge.shard.ledger import NOTHING, Ledger, Outcomes

STOPPED_HINT = "Nothing was published or marked. What can be done: bridge recover --dry-run"


@dataclass(frozen=True, slots=True)
class Committed:
    """The offset committed for a shard's partition of the control topic, and the batch id in its metadata.

    `batch_id` is None where a tool of Kafka's has set the offset.
    """

    number: int
    batch_id: UUID | None


class LastBatch(Enum):
    """What the ledger's last batch is, seen from Kafka."""

    FIRST = "the shard has never published"
    PUBLISHED = "the last batch was published"
    NOT_PUBLISHED = "the last batch was not published"


@dataclass(frozen=True, slots=True)
class Resumption:
    """How a taker goes on: the ledger to write, and the outcomes to apply in the same transaction.

    After LastBatch.FIRST the ledger's batch id must be committed to Kafka before it is written.
    """

    last_batch: LastBatch
    ledger: Ledger
    applied: Outcomes


def resume(ours: Ledger, committed: Committed | None, first_id: UUID) -> Resumption:
    """What to do with the ledger that was taken. `first_id` is for a shard that has never published.

    `committed` must have been read after init_transactions(), as read_committed. Raises ShardStopped when the two
    contradict each other.
    """
    in_flight = ours.outcomes != NOTHING
    last_batch = reconcile(ours.shard, ours.batch_no, ours.batch_id, committed, in_flight=in_flight)
    if last_batch is LastBatch.PUBLISHED:
        return Resumption(last_batch, ours.settled(), ours.outcomes)
    return Resumption(last_batch, adopt(ours, committed, first_id), NOTHING)


def adopt(ours: Ledger, committed: Committed | None, new_id: UUID) -> Ledger:
    """The ledger with which a stopped shard goes on: Kafka's last batch, and nothing in flight.

    Only right once every pending event that Kafka has is marked. Where Kafka has no batch id, `new_id` must be
    committed to it before the ledger is written.
    """
    if committed is None or committed.batch_id is None:
        return replace(ours, batch_id=new_id, outcomes=NOTHING)
    return replace(ours, batch_no=committed.number, batch_id=committed.batch_id, outcomes=NOTHING)


def reconcile(
    shard: int, batch_no: int, batch_id: UUID | None, committed: Committed | None, *, in_flight: bool
) -> LastBatch:
    """Decide what happened to the ledger's last batch.

    `in_flight`: the ledger holds outcomes that were not applied. Raises ShardStopped for a contradiction.
    """
    if committed is None:
        if batch_id is None:
            return LastBatch.FIRST
        raise _stopped(
            shard,
            batch_no,
            "Kafka has no committed offset for it: the consumer group or the control "
            "topic was deleted, or its offset expired",
        )
    if committed.batch_id is None:
        raise _stopped(
            shard,
            batch_no,
            f"the offset {committed.number} that Kafka has for it was not committed by bridge: somebody has reset the "
            "offsets of its consumer group",
        )
    if batch_id is None:
        if committed.number == 0:  # the first act was done, but a crash kept the ledger from saying so
            return LastBatch.NOT_PUBLISHED
        raise _stopped(
            shard,
            batch_no,
            f"Kafka says {committed.number} batches were published by a bridge of this name: "
            "the database is new or was restored, or two bridges share a relay.name",
        )
    if committed == Committed(batch_no, batch_id):
        return LastBatch.PUBLISHED
    if committed.number == batch_no - 1 and in_flight:
        return LastBatch.NOT_PUBLISHED
    raise _stopped(
        shard,
        batch_no,
        f"Kafka says batch {committed.number} ({committed.batch_id}) was the last: the "
        "database has gone back in time (restore, or a failover that lost commits) or Kafka has",
    )


def _stopped(shard: int, batch_no: int, why: str) -> ShardStopped:
    return ShardStopped(
        f"shard {shard} is stopped: its ledger says batch {batch_no}, but {why}",
        hint=STOPPED_HINT,
    )
