"""Runs one shard: connections, waiting, and what to do about each kind of error.

Whatever goes wrong, the answer is the same: throw the connections away and take the shard over anew (`shard.py`).
"""

from __future__ import annotations

import logging
import random

import psycopg

from bridge.errors import (
    BridgeError,
    DatabaseUnavailable,
    LeaseLost,
    PublishUncertain,
    RecordTooLarge,
    ShardStopped,
    Unavailable,
)
from bridge.relay.outages import SERVERS, Outages
from bridge.settings import Settings
from bridge.shard.holds import TopicHolds
from bridge.shard.ports import Ports, ProducerPort, StorePort
from bridge.shard.shard import News, Shard

logger = logging.getLogger(__name__)

BACKOFF_SECONDS = (0.1, 3.0)
LOOK_SECONDS = (0.002, 0.02)  # how often an idle shard looks whether anything has happened: soon after, and later


class ShardThread:
    """Carries the events of one shard; one thread runs it, others may call `stop()` and read the public fields."""

    def __init__(self, settings: Settings, shard: int, ports: Ports, outages: Outages) -> None:
        self.shard = shard
        self.published = 0
        self.idle = False  # the last scan found nothing, and all outcomes are applied
        self._settings = settings
        self._ports = ports
        self._outages = outages
        self._holds = TopicHolds(settings, ports.now)
        self._limits_are_stale = False
        self._stop = ports.make_stop()

    @property
    def held_reasons(self) -> list[BridgeError]:
        """Why topics are held, if any are."""
        return list(self._holds.reasons.values())

    def stop(self) -> None:
        """Ask it to finish its batch, give the lease back and end."""
        self._stop.set()

    def run(self) -> None:
        """Carry events until stopped, or until the shard is another relay's."""
        attempt = 0
        while not self._stop.is_set():
            try:
                with self._ports.open_store(self.shard) as store:
                    self._outages.ended("Postgres")
                    with self._ports.open_producer(self.shard) as producer:
                        shard = self._take_over(store, producer)
                        attempt = 0
                        self._carry(shard)
            except LeaseLost as lost:
                logger.info("%s", lost)
                break
            except ShardStopped:
                break  # the database says it now, and every relay repeats it
            except RecordTooLarge as refused:
                logger.info("%s; reading the topics' limits again", refused)
                self._limits_are_stale = True
            except (Unavailable, PublishUncertain, psycopg.Error) as error:
                self._note(error)
            else:
                break
            self.idle = False
            self._back_off(attempt)
            attempt += 1

    def _take_over(self, store: StorePort, producer: ProducerPort) -> Shard:
        if self._limits_are_stale:
            self._ports.refresh_limits()
            self._limits_are_stale = False
        ports = self._ports
        shard = Shard.take_over(self._settings, store, producer, ports.encoder, self._holds, ports.now)
        self._outages.ended("Kafka")
        return shard

    def _carry(self, shard: Shard) -> None:
        relay = self._settings.relay
        pause = relay.poll_min_seconds
        while not self._stop.is_set():
            moved = shard.step()
            self.published += moved.published
            if moved.published:
                self._outages.ended("Kafka")
            self.idle = moved.read == 0
            if not self.idle:
                pause = relay.poll_min_seconds
                continue
            pause = self._rest(shard, pause)
        shard.hand_back()

    def _rest(self, shard: Shard, pause: float) -> float:
        """Wait until somebody writes an event, or `pause` seconds until a transaction ends, which may be a late commit.

        Returns the next pause. After `poll_max_seconds` it is time for a read in any case.
        """
        relay = self._settings.relay
        (look, most), waited = LOOK_SECONDS, 0.0
        while waited < relay.poll_max_seconds and not self._stop.wait(look):
            waited += look
            news = shard.look()
            if news is News.WRITTEN:
                return relay.poll_min_seconds
            if news is News.ENDED and waited >= pause:
                break
            look = min(look * 1.5, most)
        return min(pause * 1.5, relay.poll_max_seconds)

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

    def _back_off(self, attempt: int) -> None:
        """Wait before the next takeover, longer each time, with jitter so that two relays do not keep step."""
        least, most = BACKOFF_SECONDS
        self._stop.wait(min(least * 2 ** min(attempt, 10), most) * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
