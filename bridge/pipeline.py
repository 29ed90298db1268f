"""One shard's pipeline: take over, then step by step read, encode, claim, publish. ARCHITECTURE.md, "A batch".

No Postgres transaction is open while Kafka is awaited. Whatever goes wrong, the answer is the same: throw the
connections away, take the shard over anew, and let ledger and committed offset say what happened.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from dataclasses import replace
from uuid import uuid4

import psycopg

from bridge import ledger, outbox
from bridge.batch import Batch, make_batch
from bridge.database import connect, query
from bridge.encoder import Encoders
from bridge.errors import (
    BridgeError,
    DatabaseUnavailable,
    LeaseLost,
    PublishUncertain,
    RecordTooLarge,
    ShardStopped,
    Unavailable,
)
from bridge.failpoint import failpoint
from bridge.hold import Holds
from bridge.ledger import NOTHING, Ledger, Outcomes
from bridge.outage import SERVERS, Outages
from bridge.position import Position
from bridge.producer import ShardProducer
from bridge.protocol import Committed, Verdict, reconcile
from bridge.settings import Settings

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 1.0  # at least this between two sweeps, and
SWEEP_SHARE = 50  # this many times what the last one took, so that they cost 2 % at most
BACKOFF_SECONDS = (0.1, 3.0)


class Pipeline:
    """Carries the events of one shard; one thread runs it, others may call `stop()` and read the public fields."""

    def __init__(self, settings: Settings, shard: int, owner: str, encoders: Encoders, outages: Outages) -> None:
        self.shard = shard
        self.published = 0
        self.idle = False  # the last scan found nothing, and all outcomes are applied
        self.failure: ShardStopped | None = None
        self._settings = settings
        self._owner = owner
        self._encoders = encoders
        self._outages = outages
        self._producer = ShardProducer(settings, shard)
        self._limits = outbox.Limits(settings.relay.batch_rows, settings.relay.batch_bytes)
        self._holds = Holds(settings)
        self._limits_are_stale = False
        self._stop = threading.Event()
        self._conn: psycopg.Connection | None = None
        self._ledger: Ledger
        self._position: Position
        self._deferred_from: int | None = None  # lowest seq read since the last rewind that was not due yet
        self._next_sweep = self._next_heartbeat = 0.0

    @property
    def held_reasons(self) -> list[BridgeError]:
        """Why topics are held, if any are."""
        return list(self._holds.reasons.values())

    def stop(self) -> None:
        """Ask the pipeline to finish its batch, give the lease back and end."""
        self._stop.set()

    def run(self) -> None:
        """Carry events until stopped, or until the shard is another relay's."""
        attempt = 0
        while not self._stop.is_set():
            try:
                self.take_over()
                attempt = 0
                self._carry()
            except LeaseLost as lost:
                logger.info("%s", lost)
                break
            except ShardStopped as stopped:
                logger.error("%s", stopped)
                self.failure = stopped
                break
            except RecordTooLarge as refused:
                logger.info("%s; reading the topics' limits again", refused)
                self._limits_are_stale = True
                self._recovering(attempt)
            except (Unavailable, PublishUncertain, psycopg.Error) as error:
                self._note(error)
                self._recovering(attempt)
            self.idle = False
            attempt += 1
        self.close()

    def take_over(self) -> None:
        """Become the shard's only publisher, and learn what became of the last batch.

        Raises LeaseLost, ShardStopped, Unavailable, PublishUncertain.
        """
        relay = self._settings.relay
        self.close()
        self._conn = connect(self._settings.database.url, application_name=f"{relay.name} shard {self.shard}")
        self._conn.execute(query("set_session"))
        self._outages.ended("Postgres")
        held = ledger.take(self._conn, self.shard, self._owner, relay.lease_seconds)
        failpoint("takeover_taken")
        if self._limits_are_stale:
            self._encoders.refresh_limits()
            self._limits_are_stale = False
        committed = self._producer.open(self._encoders.max_bytes.values())
        verdict = self._reconcile(held, committed)
        new, applied = replace(held, outcomes=NOTHING), NOTHING
        if verdict is Verdict.FIRST:
            # A new shard's first act, so that a missing offset is never a guess; before the ledger names its id.
            first_id = uuid4()
            self._producer.commit(held.batch_no, first_id)
            new = replace(new, batch_id=first_id)
        elif verdict is Verdict.PUBLISHED:
            applied = held.outcomes
        elif committed is not None:
            new = replace(new, batch_no=committed.number, batch_id=committed.batch_id)
        self._ledger = held
        self._position = Position(held.scan_from)
        self._write(new, applied, drawn=None)
        self._give_sign_of_life()
        self._outages.ended("Kafka")
        self._rewind()
        logger.info("shard %d is ours (generation %d): %s", self.shard, held.generation, verdict.value)

    def _reconcile(self, held: Ledger, committed: Committed | None) -> Verdict:
        """The verdict on the last batch. Raises ShardStopped, or LeaseLost if the ledger may be another's by now."""
        try:
            in_flight = held.outcomes != NOTHING
            return reconcile(self.shard, held.batch_no, held.batch_id, committed, in_flight=in_flight)
        except ShardStopped as stopped:
            # We may have slept since we took the lease; then the offset is our successor's, and all is well.
            assert self._conn is not None  # noqa: S101 - take_over() opened it
            if not ledger.is_held(self._conn, held):
                raise LeaseLost(f"shard {self.shard} was taken over meanwhile") from stopped
            raise

    def _give_sign_of_life(self) -> None:
        """Commit the last batch's offset again: offsets and transactional ids expire after a week without use."""
        assert self._ledger.batch_id is not None  # noqa: S101 - a takeover gave it one
        self._producer.commit(self._ledger.batch_no, self._ledger.batch_id)
        self._next_heartbeat = time.monotonic() + self._settings.relay.heartbeat_hours * 3600

    def step(self) -> int:
        """Move one batch; returns how many events were read (0: there is nothing to do now)."""
        assert self._conn is not None  # noqa: S101 - take_over() opened it
        now = time.monotonic()
        if self._holds.release_due() or now >= self._next_sweep:
            self._rewind()
        in_flight = self._ledger.outcomes.seqs
        scan = outbox.read(
            self._conn, self.shard, self._position.start(), self._limits, in_flight, self._holds.event_types()
        )
        took = time.monotonic() - now
        if self._position.cursor == self._position.scan_from:
            self._next_sweep = now + max(SWEEP_SECONDS, SWEEP_SHARE * took)
        self._position.scanned(scan.snapshot, scan.last_seq, full=scan.full)
        if scan.deferred:
            self._deferred_from = min(scan.deferred[0], self._deferred_from or scan.deferred[0])
        failpoint("read")
        batch = make_batch(scan.events, self._encoders, self._holds)
        if batch.records:
            self._carry_batch(batch, scan.drawn)
        elif self._ledger.outcomes != NOTHING:
            self._settle(scan.drawn)
        return len(scan.events)

    def close(self) -> None:
        """Drop the connections without waiting; the lease runs out by itself if it was not given back."""
        self._producer.discard()
        if self._conn is not None:
            self._conn.close()
            self._conn = None

    def _carry(self) -> None:
        relay = self._settings.relay
        pause = relay.poll_min_seconds
        while not self._stop.is_set():
            if self.step():
                self.idle, pause = False, relay.poll_min_seconds
                continue
            self.idle = True
            if time.monotonic() >= self._next_heartbeat:
                self._give_sign_of_life()
            self._stop.wait(pause)
            pause = min(pause * 1.5, relay.poll_max_seconds)
        self._settle(None)
        assert self._conn is not None  # noqa: S101 - as in step()
        ledger.release(self._conn, self._ledger)

    def _carry_batch(self, batch: Batch, drawn: int) -> None:
        number, batch_id = self._ledger.batch_no + 1, uuid4()
        if self._settings.relay.delivery == "at_least_once":
            self._producer.publish(number, batch_id, batch.records)
            self._ledger = replace(self._ledger, outcomes=batch.outcomes)
            self._settle(drawn)
        else:
            new = replace(self._ledger, batch_no=number, batch_id=batch_id, outcomes=batch.outcomes)
            self._write(new, self._ledger.outcomes, drawn)
            failpoint("claimed")
            self._producer.publish(number, batch_id, batch.records)
            failpoint("published")
        self.published += len(batch.records)
        self._outages.ended("Kafka")
        self._next_heartbeat = time.monotonic() + self._settings.relay.heartbeat_hours * 3600

    def _settle(self, drawn: int | None) -> None:
        """Apply the outcomes of the last batch on their own, because no next claim will."""
        self._write(replace(self._ledger, outcomes=NOTHING), self._ledger.outcomes, drawn)
        failpoint("marked")

    def _write(self, new: Ledger, applied: Outcomes, drawn: int | None) -> None:
        assert self._conn is not None  # noqa: S101 - as in step()
        new = replace(new, scan_from=self._new_scan_from(new.outcomes))
        seconds = self._settings.relay.lease_seconds
        written, xid, marked = ledger.write(self._conn, self._ledger, new, applied=applied, lease_seconds=seconds)
        if marked != len(applied.seqs):
            logger.warning(
                "shard %d: %d of %d published events could not be marked: their rows were changed or removed meanwhile",
                self.shard, len(applied.seqs) - marked, len(applied.seqs),
            )  # fmt: skip
        self._ledger = written
        self._position.scan_from = written.scan_from
        if drawn is not None:
            self._position.checkpoint(drawn, xid)
        if written.scan_from != new.scan_from:  # a retry set it back
            self._rewind()

    def _new_scan_from(self, in_flight: Outcomes) -> int:
        if self._holds.reasons:  # scans leave out what is held, so they cannot tell where it begins
            return self._position.scan_from
        unfinished = in_flight.seqs if self._deferred_from is None else [*in_flight.seqs, self._deferred_from]
        return self._position.finished(min(unfinished, default=None))

    def _rewind(self) -> None:
        """Scan from scan_from again: finds what was retried, released or has become due."""
        self._position.rewind()
        self._deferred_from = None

    def _note(self, error: Exception) -> None:
        """Say once that a server is away; a doubt about one transaction is an event of its own."""
        if isinstance(error, PublishUncertain):
            logger.info("%s; reconciling", error)
        elif isinstance(error, Unavailable):
            self._outages.began(SERVERS[type(error)], str(error))
        elif isinstance(error, psycopg.OperationalError):
            self._outages.began(SERVERS[DatabaseUnavailable], str(error).splitlines()[0])
        else:
            logger.error("shard %d: Postgres refused a statement: %s", self.shard, error)

    def _recovering(self, attempt: int) -> None:
        """Wait before the next takeover, longer each time, with jitter so that two relays do not keep step."""
        self.close()
        least, most = BACKOFF_SECONDS
        self._stop.wait(min(least * 2 ** min(attempt, 10), most) * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
