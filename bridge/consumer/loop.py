"""The loop of one consumer: next records, what was parked, clean-up; it waits for servers that are away."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import psycopg

from bridge.backoff import FORESEEN_SECONDS, backoff
from bridge.consumer.blame import Blame
from bridge.consumer.delivery import Delivery
from bridge.consumer.feed import Feed
from bridge.consumer.transaction import HandlerFailed, TransactionLost
from bridge.errors import BrokerRefuses, DatabaseRefuses, Unavailable
from bridge.log_fields import about
from bridge.text import counted

logger = logging.getLogger("bridge.consumer")

LOOK_SECONDS = 0.2  # between two looks for parked events whose time has come
RETRY_SECONDS = 1.0  # at most for those, before new records get their turn
CLEAN_SECONDS = 10.0  # between two slices of the clean-up


@dataclass
class Loop:
    """`open_connection` gives a new connection, `deliver_by` what delivers with it."""

    feed: Feed
    open_connection: Callable[[], psycopg.Connection[Any]]
    deliver_by: Callable[[psycopg.Connection[Any]], Delivery]
    blame: Blame
    batch: int
    keep: timedelta
    is_ending: Callable[[], bool]
    _is_ready: bool = False  # the inbox was as it has to be, once
    _failures: int = 0
    _said: set[str] = field(default_factory=set)  # since it got on
    _look_at: float = 0.0
    _clean_at: float = 0.0

    def run(self) -> None:
        """Until `is_ending()`. Raises ConfigError, BrokerRefuses, TransactionEnded."""
        while not self.is_ending():
            try:
                with closing(self.open_connection()) as connection:
                    delivery = self.deliver_by(connection)
                    if not self._is_ready:  # later it passes, as a server's restart does, or is said for what it is
                        delivery.inbox.require()
                        self._is_ready = True
                        _tell_dead(delivery.parked.count_dead())
                    self.feed.doubt()
                    delivery.parked.promote_all()
                    self.blame.settle(delivery)
                    self._consume(delivery)
            except BrokerRefuses:
                raise
            except TransactionLost as error:
                self.blame.lost(error)
            except Unavailable as error:
                self.blame.was_away()
                self._wait(error)

    def _consume(self, delivery: Delivery) -> None:
        most = self.batch
        while not self.is_ending():
            self._retry(delivery)
            self._clean(delivery)
            self.feed.go_back(delivery.progress.offsets)
            records = self.feed.next(self.blame.most(most))
            most = self.batch
            try:
                self._done(delivery.deliver(records, self.is_ending))
            except HandlerFailed as failure:
                error = failure.__cause__
                if failure.index > 0:
                    most = failure.index  # these first, and then the one that failed is the first
                elif isinstance(error, Unavailable):
                    self._wait(error)
                else:
                    delivery.park(records[0], error or failure)  # and so passed over the next time
            else:
                self._goes_on()

    def _done(self, count: int) -> None:
        self.blame.passed(count)
        self.feed.done(count)

    def _retry(self, delivery: Delivery) -> None:
        began = time.monotonic()
        if began < self._look_at:
            return
        while not self.is_ending() and time.monotonic() < began + RETRY_SECONDS:
            if not delivery.retries.retry():
                self._look_at = time.monotonic() + LOOK_SECONDS
                return

    def _clean(self, delivery: Delivery) -> None:
        if time.monotonic() >= self._clean_at and not delivery.inbox.clean(self.keep):
            self._clean_at = time.monotonic() + CLEAN_SECONDS

    def _wait(self, error: Unavailable) -> None:
        if str(error) not in self._said:
            self._said.add(str(error))
            if isinstance(error, DatabaseRefuses):
                logger.warning("%s; trying again", error, extra=about("server-refuses"))
            else:
                logger.warning("%s; waiting for it", error, extra=about("server-away"))
        self._failures += 1
        self.feed.wait(backoff(self._failures, FORESEEN_SECONDS), self.is_ending)

    def _goes_on(self) -> None:
        if self._said:
            logger.info("the consumer goes on", extra=about("server-back"))
        self._failures = 0
        self._said.clear()


def _tell_dead(count: int) -> None:
    """Once, at the start: whoever starts a consumer may not know what died before."""
    if count:
        told = f"{counted(count, 'event', 'are')} dead from before"
        logger.warning("%s: Consumer.dead() lists them, retry() or skip() decides", told, extra=about("dead-before"))
