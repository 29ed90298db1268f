"""Runs one shard in a thread: connections, waiting, and the reaction to each kind of error (`reactions.py`).

Whatever goes wrong, the way on is the same: throw the connections away and take the shard over anew (`shard/shard.py`).
"""

from __future__ import annotations

import contextlib
import logging
import traceback
from collections.abc import Mapping, Sequence

from bridge.errors import (
    BrokerUnavailable,
    ConfigError,
    DatabaseUnavailable,
    EventFailed,
    RecordRefused,
    TopicUnwritable,
    Unavailable,
)
from bridge.event import DeadLetter
from bridge.log_fields import about
from bridge.reactions import OF_A_SHARD, Reaction, reaction
from bridge.relay.outages import Outages
from bridge.relay.shard_health import ShardHealth
from bridge.settings import Settings
from bridge.shard.ports import Ports, ProducerPort, StorePort
from bridge.shard.shard import News, Shard
from bridge.shard.work import Work
from bridge.telemetry.meter import SILENT, Meter
from bridge.text import place, printable

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.002  # how often an idle shard looks whether anything has happened, at first; later
LOOK_SHARE = 0.01  # after this share of its rest, up to `poll_max_seconds`, so that what comes then waits hardly longer
READ_SECONDS = 2.0  # it reads in any case, unless `poll_max_seconds` is more
QUIET_SECONDS = 30.0  # without a failure, after which an old one counts no more
DEAD = "event %s (%s) is dead, see bridge dead list: %s"
REFUSED = "event %s (%s) cannot be replayed: %s"


class ShardThread:
    """Carries the events of one shard; one thread runs it, others may call `stop()` and read the public fields."""

    def __init__(
        self,
        settings: Settings,
        shard: int,
        ports: Ports,
        outages: Outages,
        health: ShardHealth,
        meter: Meter = SILENT,
    ) -> None:
        self.shard = shard
        self.published = 0
        self.dead = 0
        self.idle = False  # the last read found nothing
        self.health = health
        self._settings = settings
        self._ports = ports
        self._outages = outages
        self._meter = meter
        self._name = f"shard {shard}"
        self._limits_are_stale = self._limits_are_new = False
        self._stop = ports.make_stop()

    def stop(self) -> None:
        """Ask it to finish its batch, give the lease back and end."""
        self._stop.set()

    def run(self) -> float:
        """Carry events until stopped, or until the shard is another relay's; seconds before it may be taken again."""
        pause = 0.0
        while not self._stop.is_set() and not (pause and self._stop.wait(pause)):
            shard: Shard | None = None
            try:
                with self._ports.open_store(self.shard) as store, self._ports.open_producer(self.shard) as producer:
                    shard = self._take_over(store, producer)
                    self._meter.took_over(self.shard)
                    self._carry(shard)
                return 0.0
            except Exception as error:  # every one has its reaction
                self.idle = False
                self._meter.failed(self.shard, error)
                what = reaction(error, OF_A_SHARD)
                pause = self._react(what, error, shard)
                shard = None  # with its batch: this frame, which the error holds too, cannot be cleared yet
                _let_go(error)
                if what in (Reaction.LEAVE, Reaction.STOP):
                    break
        return pause

    def _take_over(self, store: StorePort, producer: ProducerPort) -> Shard:
        ports, health = self._ports, self.health
        if is_refreshed := self._limits_are_stale:
            ports.refresh_limits()
            self._limits_are_stale, self._limits_are_new = False, True
        shard = Shard.take_over(
            self._settings, store, producer, ports.encoder, health.holds, health.suspicion, ports.now, ports.most_traces
        )
        if not is_refreshed:
            ports.encoder.expect_change()  # while nobody here looked, somebody may have retried what he had mended
        return shard

    def _carry(self, shard: Shard) -> None:
        relay = self._settings.relay
        pause = relay.poll_min_seconds
        began = moved_at = self._ports.now()
        while not self._stop.is_set():
            moved = shard.step()
            self._outages.ended(self._name, DatabaseUnavailable)
            if moved.work is not None:
                self._meter.worked(self.shard, moved.work, self._ports.now())
            if moved.published or moved.dead:
                self.published += moved.published
                self._note_dead(moved.dead, moved.work)
                self._outages.ended(self._name, BrokerUnavailable)
                if moved.published:
                    self._limits_are_new = False
                    self.health.got_on()
                else:
                    self.health.moved_on()
            elif self._ports.now() - began > QUIET_SECONDS:
                self.health.got_on()
            self.idle = moved.is_idle
            if not self.idle:
                pause, moved_at = relay.poll_min_seconds, self._ports.now()
                continue
            self._outages.ended(self._name, BrokerUnavailable)
            pause = self._rest(shard, pause, moved_at)
        shard.hand_back()

    def _rest(self, shard: Shard, pause: float, moved_at: float) -> float:
        """Wait until somebody writes an event, or `pause` seconds until a transaction ends, which may be a late commit.

        Returns the next pause.
        """
        relay, now = self._settings.relay, self._ports.now
        began = now()
        while now() < began + max(READ_SECONDS, relay.poll_max_seconds):
            look = min(max(LOOK_SHARE * (now() - moved_at), LOOK_SECONDS), relay.poll_max_seconds)
            if self._stop.wait(look):
                break
            news = shard.look()
            if news is News.WRITTEN:
                return relay.poll_min_seconds
            if news is News.ENDED and now() >= began + pause:
                break
        return min(pause * 1.5, relay.poll_max_seconds)

    def _note_dead(self, dead: Sequence[DeadLetter], work: Work | None) -> None:
        self.dead += len(dead)
        holds, batch = self.health.holds, None if work is None else work.batch_no
        for letter in dead:
            event = letter.event
            kind, reason, topic = printable(event.event_type[:200]), printable(letter.reason), holds.topic_of(event)
            if event.replay_id is None:
                what, text = about("event-dead", topic=topic, event_id=event.id, batch=batch), DEAD
            else:
                what, text = about("replay-refused", topic=topic, event_id=event.id, batch=batch), REFUSED
            logger.warning(text, event.id, kind, reason, extra=what)

    def _react(self, what: Reaction, error: Exception, shard: Shard | None) -> float:
        """Say what is to be said, and return the seconds to wait before the next try."""
        if what is Reaction.LEAVE:
            logger.info("%s", error, extra=about("shard-lost"))
        elif what is Reaction.REFRESH:
            self._doubt_limits(error)
        elif what is Reaction.RECONCILE:
            is_explained = self._hold_unwritable(shard)
            return self.health.batch_in_doubt([] if is_explained else _in_hand(shard), str(error))
        elif what is Reaction.WAIT and isinstance(error, Unavailable):
            self._outages.began(self._name, error)
        elif what is Reaction.WAIT:
            self.health.say_once(logging.WARNING, f"{error}; trying again", about("trying-again"))
        elif what is Reaction.BACK_OFF:
            return self._react_unforeseen(error, shard)
        return self.health.failed()

    def _react_unforeseen(self, error: Exception, shard: Shard | None) -> float:
        in_hand = _in_hand(shard)
        if isinstance(error, RecordRefused):
            is_known = self._limits_are_new or self.health.suspicion.is_narrowing
            if not is_known:  # somebody may have changed the limits, and then it is this event's matter
                self._doubt_limits(error)
                return self.health.failed()
            return self.health.batch_failed(in_hand, str(error), is_chance=False)  # Kafka would say the same again
        logger.debug("shard %d", self.shard, exc_info=error, extra=about("unforeseen"))
        if isinstance(error, EventFailed):
            return self.health.batch_failed([error.seq], error.message)
        return self.health.batch_failed(in_hand, place(error))

    def _doubt_limits(self, error: Exception) -> None:
        text = f"{error}; reading the topics' limits again"
        self.health.say_once(logging.INFO, text, about("limits-in-doubt"))
        self._limits_are_stale = True

    def _hold_unwritable(self, shard: Shard | None) -> bool:
        """Whether the batch in doubt failed for topics that cannot be written to; these are held, others go on."""
        unwritable: Mapping[str, TopicUnwritable] = {}
        if shard is None or shard.in_hand is None:
            return False
        with contextlib.suppress(Unavailable, ConfigError):  # the takeover will say so
            unwritable = self._ports.unwritable(shard.in_hand.topics)
        for topic, why in unwritable.items():
            self.health.holds.hold(topic, why)
        return bool(unwritable)


def _in_hand(shard: Shard | None) -> Sequence[int]:
    """The seqs of the batch that is being claimed and published."""
    return shard.in_hand.seqs if shard is not None and shard.in_hand is not None else []


def _let_go(error: BaseException | None) -> None:
    """Of what the frames of an error, and of those that led to it, hold: a producer, whose threads go on until then.

    For confluent-kafka 2.16 never frees the errors of its calls, nor what was being handled when one failed.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
