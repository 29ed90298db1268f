"""What a takeover concludes from the ledger and the last control record; pure functions. ARCHITECTURE.md, "A batch".

The only place where a batch's fate is decided; everything else follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from bridge.errors import ShardStopped
from bridge.shard.ledger import ControlRecord, InFlight, Ledger

STOPPED_HINT = "Nothing was published. What can be done: bridge recover --dry-run"


class LastBatch(Enum):
    """What the ledger's last batch is, seen from Kafka."""

    FIRST = "the shard has never published"
    PUBLISHED = "the last batch was published"
    NOT_PUBLISHED = "the last batch was not published"


@dataclass(frozen=True, slots=True)
class Resumption:
    """How a taker goes on: the ledger to write, and what is to be settled in the same transaction.

    After LastBatch.FIRST the ledger's control record must be committed to Kafka before it is written.
    """

    last_batch: LastBatch
    ledger: Ledger
    settled: InFlight | None


def resume(ours: Ledger, found: ControlRecord | None, first_id: UUID) -> Resumption:
    """What to do with the ledger that was taken. `first_id` is for a shard that has never published.

    `found` is the last control record; it must have been looked for after init_transactions(), behind an arrival
    record. Raises ShardStopped when the two contradict each other.
    """
    last_batch = reconcile(ours, found)
    if last_batch is LastBatch.PUBLISHED:
        return Resumption(last_batch, ours.settled(), ours.in_flight)
    return Resumption(last_batch, adopt(ours, found, first_id), None)


def adopt(ours: Ledger, found: ControlRecord | None, new_id: UUID) -> Ledger:
    """The ledger with which a stopped shard goes on: Kafka's last batch, and nothing in flight.

    Only right once no event that Kafka has counts as pending. Where Kafka has no batch id, the ledger's control
    record, with `new_id`, must be committed to it before the ledger is written.
    """
    if found is None or found.batch_id is None:
        return ours.at(ControlRecord(ours.batch_no, new_id, None))
    return ours.at(found)


def reconcile(ours: Ledger, found: ControlRecord | None) -> LastBatch:
    """Decide what happened to the ledger's last batch. Raises ShardStopped for a contradiction."""
    if found is None:
        if ours.batch_id is None:
            return LastBatch.FIRST
        raise _stopped(ours, "Kafka has no control record of it: the control topic was deleted, or its records were")
    if found.batch_id is None:
        raise _stopped(ours, "the last record under its key in the control topic was not written by bridge")
    if ours.batch_id is None:
        if found.batch_no == 0:  # the first act was done, but a crash kept the ledger from saying so
            return LastBatch.NOT_PUBLISHED
        raise _stopped(
            ours,
            f"Kafka says {found.batch_no} batches were published by a bridge of this name: "
            "the database is new or was restored, or two bridges share a relay.name",
        )
    if (found.batch_no, found.batch_id) == (ours.batch_no, ours.batch_id):
        return LastBatch.PUBLISHED
    if ours.in_flight is not None and (found.batch_no, found.batch_id) == (ours.batch_no - 1, ours.previous_id):
        return LastBatch.NOT_PUBLISHED
    raise _stopped(
        ours,
        f"Kafka says batch {found.batch_no} ({found.batch_id}) was the last: the "
        "database has gone back in time (restore, or a failover that lost commits) or Kafka has",
    )


def _stopped(ours: Ledger, why: str) -> ShardStopped:
    return ShardStopped(
        f"shard {ours.shard} is stopped: its ledger says batch {ours.batch_no}, but {why}", hint=STOPPED_HINT
    )
