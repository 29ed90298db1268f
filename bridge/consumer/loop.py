"""The loop of one consumer: next records, what was parked, clean-up; it waits for servers that are away."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg

from bridge.backoff import FORESEEN_SECONDS, backoff
from bridge.consumer.delivery import Delivery, HandlerFailed
from bridge.consumer.feed import Feed
from bridge.errors import Unavailable
from bridge.log_fields import about

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
    batch: int
    keep: timedelta
    is_ending: Callable[[], bool]
    _failures: int = 0
    _look_at: float = 0.0
    _clean_at: float = 0.0

    def run(self) -> None:
        """Until `is_ending()`. Raises ConfigError, BrokerRefuses, TransactionEnded."""
        while not self.is_ending():
            try:
                with closing(self.open_connection()) as connection:
                    delivery = self.deliver_by(connection)
                    delivery.inbox.require()
                    delivery.parked.promote_all()
                    self._consume(delivery)
            except Unavailable as error:
                self._wait(error)

    def _consume(self, delivery: Delivery) -> None:
        most = self.batch
        while not self.is_ending():
            self._retry(delivery)
            self._clean(delivery)
            records = self.feed.next(most)
            most = self.batch
            try:
                self.feed.done(delivery.deliver(records, self.is_ending))
            except HandlerFailed as failure:
                error = failure.__cause__
                if failure.index > 0:
                    most = failure.index  # these first, and then the one that failed is the first
                elif isinstance(error, Unavailable):
                    self._wait(error)
                else:
                    delivery.park(records[0], error or failure)
                    self.feed.done(1)
            else:
                self._failures = 0

    def _retry(self, delivery: Delivery) -> None:
        began = time.monotonic()
        if began < self._look_at:
            return
        while not self.is_ending() and time.monotonic() < began + RETRY_SECONDS:
            if not delivery.retry():
                self._look_at = time.monotonic() + LOOK_SECONDS
                return

    def _clean(self, delivery: Delivery) -> None:
        if time.monotonic() >= self._clean_at and not delivery.inbox.clean(self.keep):
            self._clean_at = time.monotonic() + CLEAN_SECONDS

    def _wait(self, error: Unavailable) -> None:
        if self._failures == 0:
            logger.warning("%s; waiting for it", error, extra=about("server-away"))
        self._failures += 1
        self.feed.wait(backoff(self._failures, FORESEEN_SECONDS), self.is_ending)
