"""Which function an event of a type is given to, and the ways in which one can lose its event in silence."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from typing import Any, TypeAlias, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from bridge.consumer.message import Message
from bridge.errors import BridgeError
from bridge.text import printable

Handler: TypeAlias = Callable[[Message, psycopg.Connection[Any]], None]
H = TypeVar("H", bound=Handler)


class TransactionEnded(BridgeError):
    """A handler committed or rolled back what was not its own to end."""


class Handlers:
    """The exact type first, else the longest prefix."""

    def __init__(self) -> None:
        self._exact: dict[str, Handler] = {}
        self._prefixes: dict[str, Handler] = {}

    def __bool__(self) -> bool:
        return bool(self._exact or self._prefixes)

    def add(self, event_type: str, handler: Handler) -> None:
        """`event_type` is exact, or a prefix that ends in `*`.

        Raises ValueError for one that is taken, TypeError for a function that does not run when it is called.
        """
        if iscoroutinefunction(handler) or isgeneratorfunction(handler) or isasyncgenfunction(handler):
            raise TypeError(
                f"the handler for {event_type!r} must be an ordinary function, not asynchronous or a generator"
            )
        table = self._prefixes if event_type.endswith("*") else self._exact
        name = event_type.removesuffix("*")
        if name in table:
            raise ValueError(f"two handlers for {event_type!r}")
        table[name] = handler

    def find(self, event_type: str) -> Handler | None:
        """None: nobody wants it."""
        if event_type in self._exact:
            return self._exact[event_type]
        fitting = [prefix for prefix in self._prefixes if event_type.startswith(prefix)]
        return self._prefixes[max(fitting, key=len)] if fitting else None


def call(handler: Handler, message: Message, connection: psycopg.Connection[Any]) -> None:
    """Call it within the transaction that is open. Raises TransactionEnded, and what the handler raises.

    RuntimeError where what the handler believes to have done is not done, or could not commit.
    """
    try:
        result: object = handler(message, connection)  # type: ignore[func-returns-value]  # whoever does not look at types
    except psycopg.Rollback as error:  # which would pass in silence, and the event with it
        raise RuntimeError("the handler raised psycopg.Rollback outside of a transaction of its own") from error
    except Exception as error:
        if connection.info.transaction_status == TransactionStatus.IDLE:
            raise ended_by([message.type]) from error
        raise
    if connection.closed:
        raise RuntimeError("the connection was closed while the handler ran")
    if isinstance(result, Coroutine | Generator | AsyncGenerator):
        if not isinstance(result, AsyncGenerator):
            result.close()
        raise RuntimeError("the handler is asynchronous, or a generator: nothing of it was run")
    status = connection.info.transaction_status
    if status == TransactionStatus.INERROR:  # in silence, too: COMMIT would answer ROLLBACK
        raise RuntimeError("the handler caught an error of the database outside of a transaction() of its own")
    if status == TransactionStatus.IDLE:
        raise ended_by([message.type])


def ended_by(types: Iterable[str]) -> TransactionEnded:
    """The error for the handler of one of these types."""
    first, *others = sorted(set(types))
    return TransactionEnded(
        f"the handler of {printable(first)}{' or of another type' if others else ''} ended the transaction",
        hint="A handler must not send COMMIT or ROLLBACK; connection.transaction() gives it one of its own",
    )
