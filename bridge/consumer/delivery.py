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
from bridge.consumer.handlers import Handler, Handlers
from bridge.consumer.inbox import ROLLED_BACK, Inbox
from bridge.consumer.message import Arrived, Message
from bridge.consumer.parked import ParkedEvents, State, place
from bridge.consumer.patience import Patience
from bridge.errors import BridgeError, DatabaseUnavailable, Unavailable
from bridge.text import printable

BUSY_SECONDS = 5.0  # in one transaction, which commits then: Kafka wants to hear from us, and others wait for locks


class HandlerFailed(Exception):
    """The record with this index in its batch was not handled; why is `__cause__`."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


class TransactionEnded(BridgeError):
    """A handler committed or rolled back what was not its own to end."""


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
                raise _ended(fresh)
        if ended:  # all was received with what is committed, so what came behind that had to be, too
            raise _ended(fresh)
        return count

    def park(self, record: Arrived, error: BaseException) -> None:
        """Its handler failed: it is tried again later, and the next of its key wait. Raises DatabaseUnavailable."""
        with self._transaction(1):
            if self.inbox.receive([record]) == [True]:
                state, seconds = self._patience.after(1)
                reason = self._patience.told(record, state, 1, error)
                self.parked.park(record, state, attempts=1, seconds=seconds, reason=reason)

    def retry(self) -> bool:
        """Try one parked event, if one is due; returns whether one was. Raises DatabaseUnavailable, ConfigError."""
        with self._transaction(1):
            parked = self.parked.take()
            if parked is None:
                return False
            attempts = parked.attempts + 1
            try:
                with self._connection.transaction():
                    handler = self._handlers.find(parked.record.type)
                    if handler is None:
                        raise Undecodable("it has no handler any more")
                    self._call(handler, self._decoder.decode(parked.record, attempts))
                    self._connection.execute("set constraints all immediate")  # or the end would fail, and tell nobody
            except Exception as error:
                if self._connection.closed or (isinstance(error, BridgeError) and not _is_the_records(error)):
                    raise
                if isinstance(error, Unavailable):  # which counts for nothing
                    attempts, state, seconds = parked.attempts, State.RETRYING, self._patience.pause(attempts)
                else:
                    state, seconds = self._patience.after(attempts, is_hopeless=isinstance(error, Undecodable))
                reason = self._patience.told(parked.record, state, attempts, error)
                self.parked.park_again(parked, state, attempts=attempts, seconds=seconds, reason=reason)
            else:
                self.parked.unpark(parked)
        return True

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
                self._call(each.handler, each.message)
            except TransactionEnded:
                raise
            except Exception as error:
                raise HandlerFailed(each.position) from error

    def _call(self, handler: Handler, message: Message) -> None:
        try:
            handler(message, self._connection)
        except psycopg.Rollback as error:  # which would pass in silence, and the event with it
            raise RuntimeError("the handler raised psycopg.Rollback outside of a transaction of its own") from error
        status = self._connection.info.transaction_status
        if status == TransactionStatus.INERROR:  # in silence, too: COMMIT would answer ROLLBACK
            raise RuntimeError("the handler caught an error of the database outside of a transaction() of its own")
        if status == TransactionStatus.IDLE:
            raise _ended([message])

    def _forget(self, rest: Sequence[Wanted]) -> None:
        if rest:
            self.inbox.forget([each.record for each in rest])

    @contextmanager
    def _transaction(self, count: int) -> Iterator[None]:
        """One transaction; where its end is refused, one of the `count` records is to blame, and they are halved."""
        try:
            with self._connection.transaction():
                yield
        except Exception as error:
            if self._connection.closed:
                raise DatabaseUnavailable("the consumer's database is away") from error
            if isinstance(error, psycopg.Error):
                raise HandlerFailed(count // 2) from error
            raise


def _ended(suspects: Sequence[Wanted | Message]) -> TransactionEnded:
    types = sorted({each.type if isinstance(each, Message) else each.record.type for each in suspects})
    others = " or of another type" if len(types) > 1 else ""
    return TransactionEnded(
        f"the handler of {printable(types[0])}{others} ended the transaction",
        hint="A handler must not send COMMIT or ROLLBACK; connection.transaction() gives it one of its own",
    )


def _is_the_records(error: BridgeError) -> bool:
    """Whether an error of ours is about one record, so that others can go on."""
    return isinstance(error, Undecodable | Unavailable) and not isinstance(error, DatabaseUnavailable)
