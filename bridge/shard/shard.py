"""The protocol for one shard that was taken over: read, encode, claim, publish. ARCHITECTURE.md, "A batch".

No Postgres transaction is open while Kafka is awaited. There is no second try here: whatever goes wrong is raised, and
the shard is taken over anew, so that ledger and control record say what happened.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from typing import NamedTuple
from uuid import uuid4

from bridge.errors import LeaseLost, ShardStopped
from bridge.event import DeadLetter
from bridge.failpoint import failpoint
from bridge.settings import Delivery, OnDead, Settings
from bridge.shard.batch import Batch, make_batch
from bridge.shard.holds import Key, TopicHolds
from bridge.shard.ledger import NOTHING, ControlRecord, Ledger, Outcomes
from bridge.shard.ports import EncoderPort, ProducerPort, StorePort
from bridge.shard.position import Position
from bridge.shard.suspicion import Suspicion
from bridge.shard.takeover import STOPPED_HINT, LastBatch, Resumption, resume

logger = logging.getLogger(__name__)

SETTLE_SECONDS = 0.1  # after the last batch; sooner the next claim applies its outcomes, for nothing
SWEEP_SECONDS = 1.0  # at least this between two sweeps, and
SWEEP_SHARE = 50  # this many times what the last one took, so that they cost 2 % at most


class Step(NamedTuple):
    """What one step moved; `read` 0 says that there is nothing to do now."""

    read: int
    published: int
    dead: Sequence[DeadLetter]


class News(Enum):
    """What may have happened since the last read."""

    NONE = "another read would find the same"
    ENDED = "a transaction has ended, maybe one that drew its number before"
    WRITTEN = "a number was drawn"


class Shard:
    """A shard that is ours until something is raised; made by `take_over()`.

    `in_hand` is the batch that is being claimed and published, None between two.
    """

    def __init__(
        self,
        settings: Settings,
        ours: Ledger,
        store: StorePort,
        producer: ProducerPort,
        encoder: EncoderPort,
        holds: TopicHolds,
        suspicion: Suspicion,
        now: Callable[[], float],
    ) -> None:
        self.in_hand: Batch | None = None
        self._settings = settings
        self._ledger = ours
        self._store = store
        self._producer = producer
        self._encoder = encoder
        self._holds = holds
        self._suspicion = suspicion
        self._now = now
        self._position = Position(ours.scan_from)
        self._deferred_from: int | None = None  # lowest seq read since the last rewind that was not due yet
        self._drawn = sys.maxsize  # the bound on numbers of the last read; before the first, it is looked for
        self._blocked: Mapping[Key, int] = {}  # keys that the dead events in flight block
        self._next_sweep = self._settle_at = 0.0

    @classmethod
    def take_over(
        cls,
        settings: Settings,
        store: StorePort,
        producer: ProducerPort,
        encoder: EncoderPort,
        holds: TopicHolds,
        suspicion: Suspicion,
        now: Callable[[], float],
    ) -> Shard:
        """Become the shard's only publisher, and learn what became of the last batch.

        Raises LeaseLost, ShardStopped, Unavailable, PublishUncertain.
        """
        ours = store.take()
        failpoint("takeover_taken")
        found = producer.open()
        shard = cls(settings, ours, store, producer, encoder, holds, suspicion, now)
        resumption = shard._resume(found)
        if resumption.last_batch is LastBatch.FIRST:
            # A new shard's first act, so that a missing record is never a guess; before the ledger names its id.
            producer.commit(resumption.ledger.control)
        shard._write(resumption.ledger, resumption.applied, drawn=None)
        logger.info("shard %d is ours (generation %d): %s", ours.shard, ours.generation, resumption.last_batch.value)
        return shard

    def step(self) -> Step:
        """Move one batch. Raises as `take_over()`, EventFailed, LimitsUnsure, and RecordRefused."""
        now = self._now()
        if self._holds.release_due() or now >= self._next_sweep:
            self._rewind()
        limit, in_flight = self._suspicion.limit, self._ledger.outcomes.seqs
        scan = self._store.read(self._position.start(), in_flight, self._holds.event_types(), limit)
        if scan.scan_from < self._position.scan_from:  # a retry set it back
            self._encoder.expect_change()
        if self._position.cursor == self._position.scan_from:
            self._next_sweep = now + max(SWEEP_SECONDS, SWEEP_SHARE * (self._now() - now))
        if scan.drawn < self._drawn:
            self._check_numbers()
        self._position.scanned(scan)
        self._drawn = scan.drawn
        self._ledger = replace(self._ledger, scan_from=self._position.scan_from)
        if scan.deferred:
            self._deferred_from = min(scan.deferred[0], self._deferred_from or scan.deferred[0])
        failpoint("read")
        block_keys = self._settings.relay.on_dead is OnDead.HOLD
        batch = make_batch(
            scan.events, self._encoder, self._holds, self._suspicion, self._blocked, block_keys=block_keys
        )
        if batch.records:
            self.in_hand = batch
            self._carry(batch, scan.drawn)
            self._suspicion.passed(sorted(batch.outcomes.seqs))
            self._holds.published(batch.records)
            self.in_hand = None
        elif now >= self._settle_at:
            self._settle(scan.drawn)
        return Step(len(scan.events), len(batch.records) - len(batch.dead), batch.dead)

    def look(self) -> News:
        """Whether a step would find anything to do, as far as that can be told cheaply; what has become due cannot."""
        drawn, seen = self._store.look()
        if drawn > self._drawn:
            return News.WRITTEN
        has_to_settle = self._ledger.outcomes != NOTHING and self._now() >= self._settle_at
        return News.ENDED if seen != self._position.seen or has_to_settle else News.NONE

    def hand_back(self) -> None:
        """Apply what is in flight and give the lease back."""
        self._settle(None)
        self._store.release(self._ledger)

    def _resume(self, found: ControlRecord | None) -> Resumption:
        try:
            return resume(self._ledger, found, uuid4())
        except ShardStopped as stopped:
            # We may have slept since we took the lease; then the record is our successor's, and all is well.
            self._stop(stopped.message)
            raise

    def _check_numbers(self) -> None:
        """Stop where the sequence was set back: its next events would be passed, or published before earlier ones.

        A crash of Postgres may set it back, too, but never behind a number that an event has.
        """
        drawn, highest = self._store.numbers()
        if drawn < highest:
            reason = (
                f"shard {self._ledger.shard} is stopped: the sequence bridge.event_seq stands at {drawn}, but an event "
                f"has the number {highest}: the sequence was set back"
            )
            self._stop(reason, renumber=True)
            raise ShardStopped(reason, hint=STOPPED_HINT)

    def _stop(self, reason: str, *, renumber: bool = False) -> None:
        """Raises LeaseLost where the shard is not ours to stop any more."""
        if not self._store.stop(self._ledger, reason, renumber=renumber):
            raise LeaseLost(f"shard {self._ledger.shard} was taken over meanwhile")

    def _carry(self, batch: Batch, drawn: int) -> None:
        new = self._ledger.claimed(uuid4(), batch.outcomes)
        if self._settings.relay.delivery is Delivery.AT_LEAST_ONCE:
            self._producer.publish(new.control, batch.records)
            self._ledger = replace(self._ledger, outcomes=batch.outcomes)
            self._settle(drawn)
        else:
            self._write(new, self._ledger.outcomes, drawn)
            self._blocked = batch.blocked
            failpoint("claimed")
            self._producer.publish(new.control, batch.records)
            failpoint("published")
            self._settle_at = self._now() + SETTLE_SECONDS

    def _settle(self, drawn: int | None) -> None:
        """Apply the outcomes of the last batch on their own, because no next claim will."""
        if self._ledger.outcomes != NOTHING:
            self._write(self._ledger.settled(), self._ledger.outcomes, drawn)
            self._blocked = {}
            failpoint("marked")

    def _write(self, new: Ledger, applied: Outcomes, drawn: int | None) -> None:
        """Claim `new` and apply `applied`; `drawn` is the scan's bound on numbers, for a checkpoint."""
        new = replace(new, scan_from=self._new_scan_from(new.outcomes))
        written = self._store.write(self._ledger, new, applied)
        if written.marked != len(applied.seqs):
            logger.warning(
                "shard %d: %d of %d published events could not be marked: their rows were changed or removed meanwhile",
                new.shard, len(applied.seqs) - written.marked, len(applied.seqs),
            )  # fmt: skip
        self._ledger = written.ledger
        self._position.scan_from = written.ledger.scan_from
        if drawn is not None:
            self._position.checkpoint(drawn, written.xid)
        if written.ledger.scan_from != new.scan_from:  # a retry set it back
            self._rewind()

    def _new_scan_from(self, in_flight: Outcomes) -> int:
        if self._holds.current:  # scans leave out what is held, so they cannot tell where it begins
            return self._position.scan_from
        unfinished = in_flight.seqs if self._deferred_from is None else [*in_flight.seqs, self._deferred_from]
        return self._position.finished(min(unfinished, default=None))

    def _rewind(self) -> None:
        """Scan from scan_from again: finds what was retried, released or has become due."""
        self._position.rewind()
        self._deferred_from = None
