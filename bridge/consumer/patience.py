"""How often a handler is tried, after which pauses, and what the reason is called."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from bridge.backoff import backoff
from bridge.consumer.message import LONGEST_ID, Arrived
from bridge.consumer.parked import State
from bridge.encoding.headers import CE_ID
from bridge.log_fields import about
from bridge.text import place, printable

logger = logging.getLogger("bridge.consumer")

MOST_SECONDS = 60.0  # between two tries
REASON_CHARACTERS = 500


@dataclass(frozen=True)
class Patience:
    """`attempts` before an event is dead; the first pause has about `seconds`, the next ones double."""

    attempts: int
    seconds: float
    dead_blocks: bool

    def pause(self, attempts: int) -> float:
        """Seconds before the try after so many."""
        return backoff(attempts - 1, MOST_SECONDS, self.seconds)

    def after(self, attempts: int, *, is_hopeless: bool = False) -> tuple[State, float]:
        """What becomes of an event that has failed so often, and when it is tried again, in seconds."""
        if is_hopeless or attempts >= self.attempts:
            return State.DEAD, 0
        return State.RETRYING, self.pause(attempts)

    def told(self, record: Arrived, state: State, attempts: int, error: BaseException) -> str:
        """Log it, without anybody's values, and return the whole reason, for the table that has the values, too."""
        where = f"{printable(record.type)} at {record.topic}[{record.partition}]@{record.offset}"
        level = logging.ERROR if state is State.DEAD else logging.WARNING
        what = about(
            "handler-failed",
            topic=record.topic,
            event_id=record.headers.get(CE_ID, "")[:LONGEST_ID],
            exception=place(error),
        )
        logger.log(level, "%s: attempt %d failed (%s); it is %s", where, attempts, place(error), state, extra=what)
        first = _words(error).strip().partition("\n")[0]  # what comes behind it, of Postgres', shows the statement
        return printable(f"{type(error).__name__}: {first}")[:REASON_CHARACTERS]


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # it is somebody's code, and one event's
        return ""
