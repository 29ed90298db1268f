"""Gives records to handlers: what a handler writes commits together with the note that the event was received.

A batch is one transaction. Where a handler fails, nothing of it is done, and its place is told: the ones before it are
delivered again without it, and then it is parked, tried again by itself, while others go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import psycopg

from bridge.consumer.decoding import Decoder, Undecodable
from bridge.consumer.handlers import Handler, Handlers, TransactionEnded, call, ended_by
from bridge.consumer.inbox import ROLLED_BACK, Inbox
from bridge.consumer.message import Arrived, Message
from bridge.consumer.parked import ParkedEvents, State, place
from bridge.consumer.patience import Patience
from bridge.consumer.progress import Progress
from bridge.consumer.retries import Retries
from bridge.consumer.transaction import HandlerFailed, Work, transaction
from bridge.errors import Unavailable

BUSY_SECONDS = 5.0  # in one transaction, which commits then: Kafka wants to hear from us, and others wait for locks


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
        self.progress = Progress(connection, group)
        self.retries = Retries(connection, self.inbox, self.parked, handlers, decoder, patience)
        self._connection = connection
        self._handlers = handlers
        self._decoder = decoder
        self._patience = patience

    def deliver(self, records: Sequence[Arrived], is_ending: Callable[[], bool]) -> int:
        """Handle or park them, or the first of them, in one transaction; returns how many are accounted for.

        Raises HandlerFailed, DatabaseUnavailable, TransactionLost, ConfigError, and TransactionEnded, which is a bug in
        the handler.
        """
        wanted, count = self._wanted(records)
        if not wanted:
            if count:
                self.progress.advance(records[:count])
            return count
        ends = time.monotonic() + BUSY_SECONDS
        fresh: list[Wanted] = []
        done, ours, ended = 0, None, None
        try:
            with transaction(self._connection) as work:
                fresh = self._new(wanted)
                blocked = self.parked.blocked(each.record for each in fresh)
                ours = self.inbox.transaction() if fresh else None
                while done < len(fresh) and not (done and (is_ending() or time.monotonic() > ends)):
                    done += 1
                    self._settle(fresh[done - 1], blocked, work)
                self._forget(fresh[done:])
                count = count if done == len(fresh) else fresh[done - 1].position + 1
                self.progress.advance(records[:count])
                ended = None if ours is None else self.inbox.ended(ours)
                if ended == ROLLED_BACK:  # with what others had done
                    raise ended_by(each.record.type for each in fresh)
        except TransactionEnded:
            self._forget(fresh[done:])
            raise
        except HandlerFailed as error:
            if ours is None or self.inbox.ended(ours) == ROLLED_BACK:
                raise
            self._forget(fresh[done - 1 :])  # they were received with what a handler before has committed
            raise ended_by(each.record.type for each in fresh[:done]) from error
        if ended:  # all was received with what is committed, so what came behind that had to be, too
            raise ended_by(each.record.type for each in fresh)
        return count

    def park(self, record: Arrived, error: BaseException, attempts: int = 1) -> None:
        """Its handler failed: it is tried again later, and the next of its key wait. Raises DatabaseUnavailable."""
        with transaction(self._connection):
            if self.inbox.receive([record]) == [True]:
                state, seconds = self._patience.after(attempts)
                reason = self._patience.told(record, state, attempts, error)
                self.parked.park(record, state, attempts=attempts, seconds=seconds, reason=reason)

    def _new(self, wanted: Sequence[Wanted]) -> list[Wanted]:
        """Those that were not received before; from now on they are."""
        is_new = self.inbox.receive([each.record for each in wanted])
        return [each for each, new in zip(wanted, is_new, strict=True) if new]

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

    def _settle(self, each: Wanted, blocked: set[tuple[str, bytes]], work: Work) -> None:
        where = place(each.record)
        if where in blocked:
            self.parked.park(each.record, State.WAITING, attempts=0, reason=None)
        elif isinstance(each.message, Undecodable):
            reason = self._patience.told(each.record, State.DEAD, 1, each.message)
            self.parked.park(each.record, State.DEAD, attempts=1, reason=reason)
            if where is not None and self._patience.dead_blocks:
                blocked.add(where)
        else:
            work.begin(each.record, each.position)
            try:
                call(each.handler, each.message, self._connection)
            except TransactionEnded:
                raise
            except Exception as error:
                raise HandlerFailed(each.position) from error

    def _forget(self, rest: Sequence[Wanted]) -> None:
        if rest:
            self.inbox.forget([each.record for each in rest])
