"""Which function an event of a type is given to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import psycopg

from bridge.consumer.message import Message

Handler: TypeAlias = Callable[[Message, psycopg.Connection[Any]], None]
H = TypeVar("H", bound=Handler)


class Handlers:
    """The exact type first, else the longest prefix."""

    def __init__(self) -> None:
        self._exact: dict[str, Handler] = {}
        self._prefixes: dict[str, Handler] = {}

    def __bool__(self) -> bool:
        return bool(self._exact or self._prefixes)

    def add(self, event_type: str, handler: Handler) -> None:
        """`event_type` is exact, or a prefix that ends in `*`. Raises ValueError for one that is taken."""
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
