"""Asks one server again and again, in a thread of its own: whoever wants to know never waits for the server."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from bridge.errors import BridgeError
from bridge.log_fields import about
from bridge.repeating import Repeating
from bridge.telemetry.activity import Activities
from bridge.text import place, printable

logger = logging.getLogger(__name__)

T = TypeVar("T")
END_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Probed(Generic[T]):
    """The last answer, if there was one, and when; since when there is trouble or no answer, and what it is.

    All times are those of a monotonic clock.
    """

    answer: T | None = None
    answered_at: float | None = None
    asking_since: float | None = None  # None: nothing is asked now
    trouble: str | None = None
    trouble_since: float | None = None


class Probe(Repeating, Generic[T]):
    """Asks every `seconds`; `heard` hears of each answer, in the same thread."""

    def __init__(
        self,
        name: str,
        seconds: float,
        ask: Callable[[], T],
        activities: Activities,
        heard: Callable[[T], None] = lambda answer: None,
    ) -> None:
        super().__init__(f"probe of {name}", seconds, self._probe, END_SECONDS)
        self.name = name
        self.last: Probed[T] = Probed()  # replaced, never changed
        self._ask = ask
        self._now = activities.now
        self._heard = heard

    def _probe(self) -> None:
        began = self._now()
        self.last = replace(self.last, asking_since=began)
        try:
            answer = self._ask()
            self._heard(answer)
        except BridgeError as error:
            self._failed(printable(str(error)), began)
        except Exception as error:  # a bug here is trouble like any other
            logger.debug("probe of %s", self.name, exc_info=error, extra=about("probe-failed"))
            self._failed(f"unforeseen: {place(error)}. Please report it", began)
        else:
            self.last = Probed(answer, self._now())

    def _failed(self, trouble: str, began: float) -> None:
        since = began if self.last.trouble_since is None else self.last.trouble_since
        self.last = replace(self.last, asking_since=None, trouble=trouble, trouble_since=since)
