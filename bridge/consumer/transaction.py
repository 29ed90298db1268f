"""One transaction in which handlers are at work: how it ends, and who may be why it did not.

A handler can cost more than its own event: it closes the connection, crashes the server's process, is idle for too
long, makes the commit fail, or leaves the connection in a state in which nothing more can be done. None of that may be
tried for ever, or pass for done.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from bridge.consumer.handlers import TransactionEnded
from bridge.consumer.inbox import lost
from bridge.consumer.message import Arrived
from bridge.consumer.parked import Parked
from bridge.errors import DatabaseUnavailable


class HandlerFailed(Exception):
    """The record with this index in its batch was not handled; why is `__cause__`."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


@dataclass
class Work:
    """Whose handlers have begun in a transaction: `event` if it is one alone; all are in the batch's first `suspects`.

    Parked events are tried alone.
    """

    suspects: int = 0
    event: Arrived | Parked | None = None

    def begin(self, event: Arrived | Parked, position: int = 0) -> None:
        """The handler of `event`, which has this index in its batch, is called next."""
        self.event = None if self.suspects else event
        self.suspects = position + 1


class TransactionLost(DatabaseUnavailable):
    """A transaction is lost in which handlers had begun: one of them may be why, or the server. Why is `__cause__`."""

    def __init__(self, work: Work) -> None:
        super().__init__("a transaction with the consumer's database was lost")
        self.work = work


@contextmanager
def transaction(connection: psycopg.Connection[Any]) -> Iterator[Work]:
    """One transaction of our own, in which whoever calls a handler says so first.

    Raises what is raised within, if the connection is as it was before; else, and where the end is refused or a
    statement of our own, DatabaseUnavailable, or TransactionLost: then the connection is not to be used any more.
    """
    work = Work()
    try:
        with connection.transaction():
            yield work
        if not _is_idle(connection):  # of a connection that was closed psycopg ends a transaction in silence
            raise RuntimeError("a handler closed the connection, or left a transaction open")
    except TransactionEnded:
        raise
    except Exception as error:
        if _is_idle(connection) and not isinstance(error, psycopg.Error | DatabaseUnavailable):
            raise
        if not work.suspects:
            raise lost(error) from error
        raise TransactionLost(work) from cause_of(error)


def cause_of(error: BaseException) -> BaseException:
    """What a handler raised, or what Postgres said."""
    return error.__cause__ or error if isinstance(error, HandlerFailed | DatabaseUnavailable) else error


def _is_idle(connection: psycopg.Connection[Any]) -> bool:
    return connection.info.transaction_status == TransactionStatus.IDLE
