"""Tries parked events again, one in a transaction: its handler's effects commit with the end of its parking."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from bridge.consumer.decoding import Decoder, Undecodable
from bridge.consumer.handlers import Handler, Handlers, TransactionEnded, call, ended_by
from bridge.consumer.inbox import ROLLED_BACK, Inbox
from bridge.consumer.message import Message
from bridge.consumer.parked import Parked, ParkedEvents, State
from bridge.consumer.patience import Patience
from bridge.consumer.transaction import HandlerFailed, TransactionLost, cause_of, transaction
from bridge.errors import Unavailable


class Retries:
    """What one connection does about parked events."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        inbox: Inbox,
        parked: ParkedEvents,
        handlers: Handlers,
        decoder: Decoder,
        patience: Patience,
    ) -> None:
        self._connection = connection
        self._inbox = inbox
        self._parked = parked
        self._handlers = handlers
        self._decoder = decoder
        self._patience = patience

    def retry(self) -> bool:
        """Try one, if one is due; returns whether one was.

        Raises DatabaseUnavailable, TransactionLost, TransactionEnded; ConfigError of the registry.
        """
        with transaction(self._connection) as work:
            parked = self._parked.take()
            if parked is None:
                return False
            try:
                handler = self._handlers.find(parked.record.type)
                if handler is None:
                    raise Undecodable("it has no handler any more")
                message = self._decoder.decode(parked.record, parked.attempts + 1)
            except (Undecodable, Unavailable) as error:
                self._park_again(parked, error, 1)
                return True
            work.begin(parked)
            try:
                self._handle(parked, handler, message)
            except TransactionEnded:
                raise
            except Exception as error:
                if self._connection.info.transaction_status != TransactionStatus.INTRANS:
                    raise TransactionLost(work) from cause_of(error)
                self._park_again(parked, cause_of(error), 1)
        return True

    def failed(self, parked: Parked, error: BaseException, attempts: int) -> None:
        """It was lost with its transaction, so often; unless others have tried it since. Raises DatabaseUnavailable."""
        with transaction(self._connection):
            self._park_again(parked, error, attempts)

    def _handle(self, parked: Parked, handler: Handler, message: Message) -> None:
        """In a savepoint, which is rolled back where anything of this fails."""
        ours, ended = self._inbox.transaction(), None
        try:
            with self._connection.transaction():
                try:
                    call(handler, message, self._connection)
                except TransactionEnded:
                    raise
                except Exception as error:
                    raise HandlerFailed(0) from error
                finally:
                    if self._connection.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.IDLE):
                        ended = self._inbox.ended(ours)
                if ended:
                    raise ended_by([parked.record.type])
                self._connection.execute("set constraints all immediate")  # or the end would fail, and tell nobody
                self._parked.unpark(parked)
        except (TransactionEnded, HandlerFailed) as error:
            if not ended:
                raise
            if ended != ROLLED_BACK:  # what it did is committed
                self._connection.execute("rollback")  # of what it may have begun, where our savepoint is unknown
                self._parked.unpark(parked)
            raise ended_by([parked.record.type]) from error

    def _park_again(self, parked: Parked, error: BaseException, failures: int) -> None:
        attempts = parked.attempts + failures
        if isinstance(error, Unavailable):  # which counts for nothing
            attempts, seconds = parked.attempts, self._patience.pause(attempts)
            self._parked.park_again(parked, State.RETRYING, attempts=attempts, seconds=seconds, reason=str(error))
            return
        state, seconds = self._patience.after(attempts, is_hopeless=isinstance(error, Undecodable))
        reason = self._patience.told(parked.record, state, attempts, error)
        self._parked.park_again(parked, state, attempts=attempts, seconds=seconds, reason=reason)
