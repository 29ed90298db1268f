"""What each thread of a process does and since when, so that a wait can be told from a hang.

A thread that waits for a server, or rests for a time, is alive however long that takes: the servers' clients have
time-outs of their own, but for a Postgres that is frozen, and nobody is helped by ending what waits for it. What does
its own work comes back here again and again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

POSTGRES, KAFKA, REGISTRY = "Postgres", "Kafka", "the schema registry"


class Activity(NamedTuple):
    """What a thread does, for which server it waits meanwhile, and since when, on a monotonic clock.

    `is_wait`: it waits, for a server or for a time to pass.
    """

    what: str
    server: str | None
    is_wait: bool
    since: float


class Activities:
    """Each thread notes its own; others may read them."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self._current: dict[int, Activity] = {}  # by thread

    def works(self, what: str = "works") -> None:
        """Note that this thread does its own work, from now on."""
        self._current[threading.get_ident()] = Activity(what, None, False, self.now())

    @contextmanager
    def waits(self, what: str, server: str | None) -> Iterator[None]:
        """Note that this thread waits, until the block ends; inside of another wait, for that moment."""
        before = self._wait(what, server)
        try:
            yield
        finally:
            self._goes_on(before)

    def around(self, what: str, server: str | None, call: Callable[P, R]) -> Callable[P, R]:
        """`call`, as a wait."""

        def noted(*args: P.args, **kwargs: P.kwargs) -> R:
            before = self._wait(what, server)
            try:
                return call(*args, **kwargs)
            finally:
                self._goes_on(before)

        return noted

    def ends(self) -> None:
        """Forget this thread."""
        self._current.pop(threading.get_ident(), None)

    def of(self, thread: int | None) -> Activity | None:
        """What a thread did last, by its identifier."""
        return None if thread is None else self._current.get(thread)

    def _wait(self, what: str, server: str | None) -> Activity | None:
        """What it did before."""
        thread = threading.get_ident()
        before = self._current.get(thread)
        self._current[thread] = Activity(what, server, True, self.now())
        return before

    def _goes_on(self, before: Activity | None) -> None:
        if before is not None and before.is_wait:
            self._current[threading.get_ident()] = before
        else:
            self.works()
