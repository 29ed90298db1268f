"""The protocol for one shard that was taken over: read, encode, claim, publish. ARCHITECTURE.md, "A batch".

No Postgres transaction that writes is open while Kafka is awaited. There is no second try here: whatever goes wrong is
raised, and the shard is taken over anew, so that ledger and control record say what happened.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from typing import NamedTuple
from uuid import uuid4

from bridge.errors import LeaseLost, ShardStopped
from bridge.event import DeadLetter
from bridge.failpoint import failpoint
from bridge.harmless import Harmless
from bridge.log_fields import about
from bridge.settings import Delivery, Settings
from bridge.shard.batch import Batch, BatchMaker
from bridge.shard.holds import TopicHolds
from bridge.shard.ledger import ControlRecord, InFlight, Ledger
from bridge.shard.parked import State
from bridge.shard.policies import Policies
from bridge.shard.ports import EncoderPort, Free, ProducerPort, Read, StorePort
from bridge.shard.position import Position, Scanner
from bridge.shard.releases import Releases
from bridge.shard.suspicion import Suspicion
from bridge.shard.takeover import STOPPED_HINT, LastBatch, Resumption, resume
from bridge.shard.work import Stage, Stopwatch, Work, work_of

logger = logging.getLogger(__name__)

SETTLE_SECONDS = 0.1  # after the last batch; sooner the next claim settles it, for nothing
TICK_SECONDS = 1.0  # between two notes of where the shard stands
IDLE_NUMBERS = 10_000  # that an idle shard has passed before it writes down that it did; and
IDLE_SECONDS = 60.0  # at least this between two such notes


class Step(NamedTuple):
    """What one step moved; `is_idle` says that there is nothing to do now, `work` is its batch's, if it had one."""

    is_idle: bool
    published: int
    dead: Sequence[DeadLetter]
    work: Work | None


class News(Enum):
    """What may have happened since the last read."""

    NONE = "another read would find the same"
    ENDED = "a transaction has ended, maybe one that drew its number before"
    WRITTEN = "a number was drawn, or something that is parked may go"


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
        most_traces: int = 0,
    ) -> None:
        self.in_hand: Batch | None = None
        self._settings = settings
        self._ledger = ours
        self._store = store
        self._producer = producer
        self._encoder = encoder
        self._holds = holds
        self._suspicion = suspicion
        self._policies = Policies(settings)
        self._now = now
        self._most_traces = most_traces
        self._scanner = Scanner(ours.position)
        self._watch = Stopwatch(now)
        self._published_at = 0.0  # of the last batch
        self._ahead: Read | None = None  # the next read, if it was sent while the last batch was published
        self._releases = Releases()
        self._has_looked = False  # in the step before: what is narrowed among new events needs its turn, too
        self._decisions = ours.decisions
        self._stops: Mapping[str, int] = {}  # as the last look at parked events, or read, saw them
        self._are_numbers_checked = False
        self._settle_at = self._ticked_at = self._noted_at = 0.0
        self._harmless = Harmless(logger, "what a batch did")

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
        most_traces: int = 0,
    ) -> Shard:
        """Become the shard's only publisher, and learn what became of the last batch.

        `most_traces`: of writers, that a batch's work is to name.

        Raises LeaseLost, ShardStopped, Unavailable, PublishUncertain.
        """
        ours = store.take()
        failpoint("takeover_taken")
        shard = cls(settings, ours, store, producer, encoder, holds, suspicion, now, most_traces)
        if ours.is_copied:  # before it fences the relay of the database that it was copied from
            shard._stop_for("its transaction ids are another database's, of which this one is a copy")
        resumption = shard._resume(producer.open())
        if resumption.last_batch is LastBatch.FIRST:
            # A new shard's first act, so that a missing record is never a guess; before the ledger names its id.
            producer.commit(resumption.ledger.control)
        shard._write(resumption.ledger, resumption.settled, lazily=False)  # durable before the first read
        shard._scanner = Scanner(resumption.ledger.position)
        logger.info(
            "shard %d is ours (generation %d): %s", ours.shard, ours.generation, resumption.last_batch.value,
            extra=about("shard-taken", shard=ours.shard, batch=resumption.ledger.batch_no),
        )  # fmt: skip
        return shard

    def step(self) -> Step:
        """Move one batch. Raises as `take_over()`, EventFailed, LimitsUnsure, and RecordRefused."""
        self._watch = watch = Stopwatch(self._now)
        now = watch.at
        if self._holds.release_due():
            self._releases.expect()
        settled_no = self._ledger.settled_no  # as a look sees it
        looks = self._releases.is_time(now, settled_no) and not (self._suspicion.is_narrowing and self._has_looked)
        self._has_looked = looks
        free = self._look_for_parked() if looks else Free()
        before = self._scanner.position
        read = self._read(free)
        failpoint("read")
        watch.lap(Stage.READ)
        batch = self._make_batch(free, read)
        watch.lap(Stage.ENCODE)
        work: Work | None = None
        if batch.records or batch.changes:
            self.in_hand = batch
            work = self._carry(batch, before, has_more=read is not None and read.scan.cut)
            self._suspicion.passed(batch.seqs)
            self._holds.published(batch.records)
            self.in_hand = None
        elif now >= self._settle_at:
            self._settle(now)
        if looks:
            told = (now, len(free.released), settled_no, self._ledger.batch_no)
            self._releases.looked(*told, is_full=free.is_full, due_in=free.due_in)
        if any(change.after is not None and change.after.state is State.DEFERRED for change in batch.changes):
            self._releases.expect_behind(self._ledger.batch_no)  # after the look of this step, which did not see it
        if read is not None:
            self._note_decisions(read.decisions)
            self._note_stops(read.stops)
        is_whole = read is not None and not read.scan.cut and before.late is None  # a catch-up reads no further
        is_idle = not free.released and read is not None and not read.events and is_whole
        return Step(is_idle, len(batch.published), batch.dead, work)

    def look(self) -> News:
        """Whether a step would find anything to do, as far as that can be told cheaply."""
        now = self._now()
        drawn, seen = self._store.reader.look()
        may_go = self._holds.is_due() or self._releases.is_time(now, self._ledger.settled_no)
        if drawn > self._scanner.drawn or may_go:
            return News.WRITTEN
        has_to_settle = self._ledger.in_flight is not None and now >= self._settle_at
        return News.ENDED if seen != self._scanner.position.seen or has_to_settle else News.NONE

    def hand_back(self) -> None:
        """Settle what is in flight and give the lease back."""
        self._settle(None)
        self._store.release(self._ledger)

    def _look_for_parked(self) -> Free:
        in_flight = [change.seq for change in self._ledger.unsettled]
        free = self._store.reader.free(self._holds.current.keys(), in_flight, self._suspicion.limit)
        self._note_stops(free.stops)  # what ended between this look and the next read would be seen by neither
        if free.decisions is not None:
            self._note_decisions(free.decisions)  # before what was retried is made a record
        return free

    def _read(self, free: Free) -> Read | None:
        """As many as there is room for beside those that were released, or what was read ahead."""
        read, self._ahead = self._ahead, None
        if free.is_full:
            return None
        if read is None or free.released:
            read = self._store.reader.read(self._scanner.start(), max(self._room - len(free.released), 1))
        known = max(self._scanner.drawn, read.scan.last_seq or 0)
        if read.scan.drawn < known or not self._are_numbers_checked:
            self._check_numbers()
        for seq, obstacle in read.obstacles.items():
            if obstacle.is_foreign:
                self._stop_for(
                    f"event number {seq} belongs to a transaction that this database has not seen yet: its "
                    "transaction ids are another database's, of which this one is a copy"
                )
        self._scanner.scanned(read.scan)
        return read

    @property
    def _room(self) -> int:
        return self._suspicion.limit or self._settings.relay.batch_rows

    def _make_batch(self, free: Free, read: Read | None) -> Batch:
        maker = BatchMaker(self._encoder, self._holds, self._suspicion, self._policies)
        new = ((), {}, {}) if read is None else (read.events, read.obstacles, read.stops)
        return maker.make(free.released, *new, self._ledger.unsettled)

    def _note_decisions(self, decisions: int) -> None:
        if decisions > self._decisions:  # or less, in a read that was sent before
            self._decisions = decisions
            self._encoder.expect_change()  # somebody has mended before what the event died of
            self._releases.expect()

    def _note_stops(self, stops: Mapping[str, int]) -> None:
        """A topic that another shard's event has stopped goes on without a decision about one of ours."""
        if any(stops.get(topic, seq + 1) > seq for topic, seq in self._stops.items()):
            self._releases.expect()
        self._stops = stops

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
        drawn, highest = self._store.reader.numbers()
        if drawn < highest:
            reason = (
                f"the sequence bridge.event_seq stands at {drawn}, but an event has the number {highest}: the sequence "
                "was set back"
            )
            self._stop_for(reason, renumber=True)
        self._are_numbers_checked = True

    def _stop_for(self, why: str, *, renumber: bool = False) -> None:
        reason = f"shard {self._ledger.shard} is stopped: {why}"
        self._stop(reason, renumber=renumber)
        raise ShardStopped(reason, hint=STOPPED_HINT)

    def _stop(self, reason: str, *, renumber: bool = False) -> None:
        """Raises LeaseLost where the shard is not ours to stop any more."""
        if not self._store.stop(self._ledger, reason, renumber=renumber):
            raise LeaseLost(f"shard {self._ledger.shard} was taken over meanwhile")

    def _carry(self, batch: Batch, before: Position, *, has_more: bool) -> Work | None:
        """`before` is where reading stood before this batch: all that was settled."""
        in_flight = batch.in_flight(self._scanner.position)
        new = self._ledger.claimed(uuid4(), before, in_flight)
        self._published_at = self._watch.at  # where nothing is to be published
        if self._settings.relay.delivery is Delivery.AT_LEAST_ONCE:
            if batch.records:
                self._publish(new.control, batch, reads_on=has_more and not batch.changes)
            self._ledger = replace(self._ledger, in_flight=in_flight)
            self._settle(self._now())
            self._watch.lap(Stage.CLAIM)
        else:
            self._write(new, self._ledger.in_flight, lazily=False)
            failpoint("claimed")
            self._publish(new.control, batch, reads_on=has_more)
            failpoint("published")
            self._settle_at = self._now() + SETTLE_SECONDS
        watch, letters = self._watch, self._holds.dead_letters
        told = (watch.seconds, watch.laps, new.batch_no, self._most_traces)
        return self._harmless(lambda: work_of(batch, in_flight, letters, self._published_at, *told))

    def _publish(self, control: ControlRecord, batch: Batch, *, reads_on: bool) -> None:
        """Postgres reads meanwhile: behind the claim, so that what it does not see is what is in flight."""
        self._watch.lap(Stage.CLAIM)
        receive = self._store.reader.send(self._scanner.start(), self._room) if reads_on else None
        self._producer.publish(control, batch.records)
        self._watch.lap(Stage.PUBLISH)
        self._published_at = self._watch.at
        if receive is not None:
            self._ahead = receive()
            self._watch.lap(Stage.READ)

    def _settle(self, now: float | None) -> None:
        """Settle the last batch on its own, because no next claim will; `now` is None at the end.

        An idle shard writes down from time to time what it has passed, so that a taker need not pass it again.
        """
        passed = self._scanner.position.scan_from - self._ledger.position.scan_from
        is_due = now is None or passed >= IDLE_NUMBERS or now - self._noted_at >= IDLE_SECONDS
        if self._ledger.in_flight is not None or (passed and is_due):
            new = replace(self._ledger, position=self._scanner.position, in_flight=None)
            # Behind a pooler nobody notices a crash that loses it; the events count as pending until the next claim.
            is_lazy = self._settings.relay.delivery is Delivery.AT_LEAST_ONCE
            self._ticked_at = self._ticked_at if is_lazy else 0.0  # the last tick before a rest covers all
            self._write(new, self._ledger.in_flight, lazily=is_lazy)
            self._noted_at = self._now()
            failpoint("settled")

    def _write(self, new: Ledger, settled: InFlight | None, *, lazily: bool) -> None:
        now = self._now()
        with_tick = settled is not None and now - self._ticked_at >= TICK_SECONDS
        xid = self._store.write(self._ledger, new, settled, with_tick=with_tick, lazily=lazily)
        self._ticked_at = now if with_tick else self._ticked_at
        self._ledger = new
        self._scanner.claimed(self._scanner.drawn, xid)
