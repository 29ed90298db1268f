"""Gives records to handlers: what a handler writes commits together with the note that the event was received.

A batch is one transaction. Where a handler fails, nothing of it is done, and its place is told: the ones before it are
delivered again without it, and then it is parked, tried again by itself, while others go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg
from psycopg.pq import TransactionStatus

from bridge.consumer.decoding import Decoder, Undecodable
from bridge.consumer.handlers import Handler, Handlers, TransactionEnded, call, ended_by
from bridge.consumer.inbox import ROLLED_BACK, Inbox, lost
from bridge.consumer.message import Arrived, Message
from bridge.consumer.parked import Parked, ParkedEvents, State, place
from bridge.consumer.patience import Patience
from bridge.errors import ConfigError, DatabaseUnavailable, Unavailable

BUSY_SECONDS = 5.0  # in one transaction, which commits then: Kafka wants to hear from us, and others wait for locks


class HandlerFailed(Exception):
    """The record with this index in its batch was not handled; why is `__cause__`."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


class Wanted(NamedTuple):
    """A record that has a handler; `position` is its index in the batch."""

    position: int
    record: Arrived
    handler: Handler
    message: Message | Undecodable


class Delivery:
    """What one connection does for one consumer group."""

    def __init__(
        self, connection: psycopg.Connection[Any], group: str, handlers: Handlers, decoder: Decoder, patience: Patience
    ) -> None:
        self.inbox = Inbox(connection, group)
        self.parked = ParkedEvents(connection, group, dead_blocks=patience.dead_blocks)
        self._connection = connection
        self._handlers = handlers
        self._decoder = decoder
        self._patience = patience

    def deliver(self, records: Sequence[Arrived], is_ending: Callable[[], bool]) -> int:
        """Handle or park them, or the first of them, in one transaction; returns how many are accounted for.

        Raises HandlerFailed, DatabaseUnavailable, ConfigError, and TransactionEnded, which is a bug in the handler.
        """
        wanted, count = self._wanted(records)
        if not wanted:
            return count
        ends = time.monotonic() + BUSY_SECONDS
        with self._transaction(count):
            is_new = self.inbox.receive([each.record for each in wanted])
            fresh = [each for each, new in zip(wanted, is_new, strict=True) if new]
            blocked = self.parked.blocked(each.record for each in fresh)
            ours = self.inbox.transaction() if fresh else None
            for n, each in enumerate(fresh, 1):
                try:
                    self._settle(each, blocked)
                except TransactionEnded:
                    self._forget(fresh[n:])
                    raise
                if n < len(fresh) and (is_ending() or time.monotonic() > ends):
                    self._forget(fresh[n:])
                    count = each.position + 1
                    break
            ended = ours is not None and self.inbox.ended(ours)
            if ended == ROLLED_BACK:  # with what others had done
                raise ended_by(each.record.type for each in fresh)
        if ended:  # all was received with what is committed, so what came behind that had to be, too
            raise ended_by(each.record.type for each in fresh)
        return count

    def park(self, record: Arrived, error: BaseException) -> None:
        """Its handler failed: it is tried again later, and the next of its key wait. Raises DatabaseUnavailable."""
        with self._transaction():
            if self.inbox.receive([record]) == [True]:
                state, seconds = self._patience.after(1)
                reason = self._patience.told(record, state, 1, error)
                self.parked.park(record, state, attempts=1, seconds=seconds, reason=reason)

    def retry(self) -> bool:
        """Try one parked event, if one is due; returns whether one was. Raises DatabaseUnavailable, ConfigError."""
        with self._transaction():
            parked = self.parked.take()
            if parked is None:
                return False
            attempts, ours = parked.attempts + 1, self.inbox.transaction()
            ended: str | None = None
            try:
                with self._connection.transaction():
                    handler = self._handlers.find(parked.record.type)
                    if handler is None:
                        raise Undecodable("it has no handler any more")
                    message = self._decoder.decode(parked.record, attempts)
                    try:
                        call(handler, message, self._connection)
                    finally:
                        if self._connection.info.transaction_status != TransactionStatus.INERROR:
                            ended = self.inbox.ended(ours)
                    if ended:
                        raise ended_by([parked.record.type])
                    self._connection.execute("set constraints all immediate")  # or the end would fail, and tell nobody
            except TransactionEnded:
                if ended != ROLLED_BACK:  # what it did is committed
                    self._connection.execute("rollback")  # of what it may have begun, where our savepoint is unknown
                    self.parked.unpark(parked)
                raise
            except Exception as error:
                if self._connection.closed or isinstance(error, ConfigError | DatabaseUnavailable):
                    raise
                self._park_again(parked, attempts, error)
            else:
                self.parked.unpark(parked)
        return True

    def _park_again(self, parked: Parked, attempts: int, error: Exception) -> None:
        if isinstance(error, Unavailable):  # which counts for nothing
            attempts, seconds = parked.attempts, self._patience.pause(attempts)
            self.parked.park_again(parked, State.RETRYING, attempts=attempts, seconds=seconds, reason=str(error))
            return
        state, seconds = self._patience.after(attempts, is_hopeless=isinstance(error, Undecodable))
        reason = self._patience.told(parked.record, state, attempts, error)
        self.parked.park_again(parked, state, attempts=attempts, seconds=seconds, reason=reason)

    def _wanted(self, records: Sequence[Arrived]) -> tuple[list[Wanted], int]:
        """Those with a handler, decoded before a transaction is open, and how many have been looked at.

        Raises HandlerFailed for the first one where the registry is away, ConfigError.
        """
        wanted: list[Wanted] = []
        for index, record in enumerate(records):
            if (handler := self._handlers.find(record.type)) is not None:
                message: Message | Undecodable
                try:
                    message = self._decoder.decode(record)
                except Undecodable as error:
                    message = error
                except Unavailable as error:
                    if index > 0:
                        return wanted, index
                    raise HandlerFailed(0) from error
                wanted.append(Wanted(index, record, handler, message))
        return wanted, len(records)

    def _settle(self, each: Wanted, blocked: set[tuple[str, bytes]]) -> None:
        where = place(each.record)
        if where in blocked:
            self.parked.park(each.record, State.WAITING, attempts=0, reason=None)
        elif isinstance(each.message, Undecodable):
            reason = self._patience.told(each.record, State.DEAD, 1, each.message)
            self.parked.park(each.record, State.DEAD, attempts=1, reason=reason)
            if where is not None and self._patience.dead_blocks:
                blocked.add(where)
        else:
            try:
                call(each.handler, each.message, self._connection)
            except TransactionEnded:
                raise
            except Exception as error:
                raise HandlerFailed(each.position) from error

    def _forget(self, rest: Sequence[Wanted]) -> None:
        if rest:
            self.inbox.forget([each.record for each in rest])

    @contextmanager
    def _transaction(self, count: int | None = None) -> Iterator[None]:
        """One transaction; where its end is refused, one of `count` records is to blame, and they are halved."""
        try:
            with self._connection.transaction():
                yield
        except Exception as error:
            if self._connection.closed:
                raise lost(error) from error
            if isinstance(error, psycopg.Error):
                raise lost(error) if count is None else HandlerFailed(count // 2) from error
            raise
