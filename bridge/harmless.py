"""For what only counts or tells: a bug in it is said once, and disturbs nothing that carries events."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from bridge.log_fields import about
from bridge.text import place

T = TypeVar("T")


class Harmless:
    """Calls it; safe to share between threads, of which two may say the same at the same moment."""

    def __init__(self, logger: logging.Logger, what: str) -> None:
        """`what` is not told where it fails: the message's words."""
        self._logger, self._what = logger, what
        self._said: set[str] = set()

    def __call__(self, call: Callable[[], T]) -> T | None:
        """What the call returns, or None where it raises."""
        try:
            return call()
        except Exception as error:
            where = place(error)
            what = about("metrics-not-told", exception=where)
            self._logger.debug("%s", self._what, exc_info=error, extra=what)
            if where not in self._said:
                self._said.add(where)
                text = "%s: unforeseen: %s. Events are carried. Please report it"
                self._logger.error(text, self._what, where, extra=what)
            return None
