"""What goes wrong with one part of a relay, for as long as the process lives: said once, counted, tried less often."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from bridge.backoff import FORESEEN_SECONDS, UNFORESEEN_SECONDS, backoff
from bridge.log_fields import about
from bridge.text import printable

logger = logging.getLogger(__name__)

STUCK = 8  # failures in a row, after which nobody should wait for it


@dataclass(frozen=True, slots=True)
class Trouble:
    """A failure that comes again and again: the last one's cause, since when, and how often since then."""

    cause: str
    since: datetime
    count: int


def again(known: Trouble | None, cause: str) -> Trouble:
    """What is `known`, if anything, and has just happened again."""
    return Trouble(cause, known.since if known else datetime.now(UTC), known.count + 1 if known else 1)


class Health:
    """Written by one thread; others may read it."""

    def __init__(self, who: str, advice: str, shard: int | None = None) -> None:
        """`who` it is, in the log; `advice`: what is done after a failure that nobody foresaw."""
        self.who = who
        self._shard = shard
        self.unforeseen: Trouble | None = None
        self._advice = advice
        self._attempt = 0
        self._said: set[str] = set()

    @property
    def is_stuck(self) -> bool:
        """Whether it does not get on, and it looks as if it never will."""
        return self.unforeseen is not None and self._attempt >= STUCK

    def say_once(self, level: int, text: str, what: Mapping[str, object]) -> None:
        """Log a line that was not logged since it last got on; `what` it is `about()`."""
        if text not in self._said:
            self._said.add(text)
            logger.log(level, "%s: %s", self.who, printable(text.removeprefix(f"{self.who}: ")), extra=what)

    def failed(self) -> float:
        """Take note of a failure of a kind that is foreseen; seconds to wait before the next try."""
        self._attempt += 1
        return backoff(self._attempt - 1, FORESEEN_SECONDS)

    def failed_unforeseen(self, cause: str) -> float:
        """Take note of a failure that nobody foresaw; seconds to wait before the next try."""
        self.unforeseen = again(self.unforeseen, cause)
        what = about("unforeseen", shard=self._shard, exception=cause)
        self.say_once(logging.ERROR, f"unforeseen: {cause}. {self._advice}. Please report it", what)
        self._attempt += 1
        return backoff(self._attempt - 1, UNFORESEEN_SECONDS)

    def moved_on(self) -> None:
        """Take note that a batch went through, if only of dead letters: what fails next is not the same again."""
        self._attempt = 0

    def got_on(self) -> None:
        """Take note that it works, or that it has been quiet for long enough."""
        if self._attempt == 0 and not self._said:
            return
        self._attempt = 0
        self._said.clear()
        if self.unforeseen is not None and self._is_past():
            text = "%s gets on again, after %d unforeseen failures"
            logger.info(text, self.who, self.unforeseen.count, extra=about("unforeseen-over", shard=self._shard))
            self.unforeseen = None

    def _is_past(self) -> bool:
        """Whether nothing is left of what failed."""
        return True
