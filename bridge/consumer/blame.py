"""Who is to blame for transactions that were lost: a handler, or the server that was away."""

from __future__ import annotations

import logging

from bridge.consumer.delivery import Delivery
from bridge.consumer.message import Arrived
from bridge.consumer.transaction import TransactionLost
from bridge.errors import Unavailable
from bridge.log_fields import about
from bridge.text import place

logger = logging.getLogger("bridge.consumer")


class Blame:
    """Where several events were at work in what was lost, they are delivered one by one, until one of them is alone.

    What is lost with one alone is an attempt of it, if the server can be reached at once. If it cannot, it was away;
    or the handler makes it go away, and that will come again: after `attempts` in a row all of them count.
    """

    def __init__(self, attempts: int) -> None:
        self._attempts = attempts
        self._alone = 0  # of the next records so many are delivered one by one
        self._lost: TransactionLost | None = None  # since the last connection
        self._was_away = False
        self._last: tuple[str, int, int] | None = None  # the event with which the last ones were lost, uncounted
        self._times = 0

    def most(self, batch: int) -> int:
        """How many of `batch` records may share a transaction now."""
        return 1 if self._alone else batch

    def passed(self, count: int) -> None:
        """So many more records are accounted for."""
        self._alone = max(self._alone - count, 0)

    def lost(self, error: TransactionLost) -> None:
        """Take note, before a new connection is tried."""
        self._lost, self._was_away = error, False
        event = error.work.event
        if event is None:
            why = place(error.__cause__ or error)
            what = about("handler-failed", exception=why)
            logger.warning("%s (%s); %d events are tried one by one", error, why, error.work.suspects, extra=what)
            return
        record = event if isinstance(event, Arrived) else event.record
        where = (record.topic, record.partition, record.offset)
        self._times = self._times + 1 if where == self._last else 1
        self._last = where

    def was_away(self) -> None:
        """No new connection can be had, or used."""
        self._was_away = True

    def settle(self, delivery: Delivery) -> None:
        """There is a new connection: have what was lost count. Raises Unavailable."""
        error, self._lost = self._lost, None
        if error is None:
            return
        event, cause = error.work.event, error.__cause__ or error
        if event is None:
            self._alone = error.work.suspects
        elif isinstance(cause, Unavailable) and isinstance(event, Arrived):
            raise cause  # says its handler, which needed it for longer than the connection lasted
        elif isinstance(cause, Unavailable) or not self._was_away or self._times >= self._attempts:
            attempts, self._times = self._times, 0
            if isinstance(event, Arrived):
                delivery.park(event, cause, attempts)
            else:
                delivery.retries.failed(event, cause, attempts)
