"""What goes wrong with one shard; outlives its takeovers and its threads, so that no back-off begins anew."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bridge.relay.backoff import FORESEEN_SECONDS, UNFORESEEN_SECONDS, backoff
from bridge.shard.holds import TopicHolds
from bridge.shard.suspicion import PATIENCE, Suspicion
from bridge.text import printable

logger = logging.getLogger(__name__)

STUCK = 8  # failures in a row, after which nobody should wait for the shard


@dataclass(frozen=True, slots=True)
class Unforeseen:
    """A failure that nobody foresaw: its type and place, since when, and how often since then."""

    cause: str
    since: datetime
    count: int


class ShardHealth:
    """Written by the shard's thread; others may read it."""

    def __init__(self, shard: int, holds: TopicHolds) -> None:
        self.holds = holds
        self.suspicion = Suspicion()
        self.unforeseen: Unforeseen | None = None
        self.shard = shard
        self._attempt = 0
        self._said: set[str] = set()

    @property
    def is_stuck(self) -> bool:
        """Whether it does not get on, and it looks as if it never will."""
        return self.unforeseen is not None and self._attempt >= STUCK

    def say_once(self, level: int, text: str) -> None:
        """Log a line that was not logged since the shard last got on."""
        if text not in self._said:
            self._said.add(text)
            logger.log(level, "shard %d: %s", self.shard, printable(text.removeprefix(f"shard {self.shard}: ")))

    def failed(self) -> float:
        """Take note of a failure of a kind that is foreseen; seconds to wait before the next try."""
        self._attempt += 1
        return backoff(self._attempt - 1, FORESEEN_SECONDS)

    def failed_unforeseen(self, cause: str, seqs: list[int]) -> float:
        """Take note of a failure that nobody foresaw, of a batch of these `seqs`; seconds before the next try."""
        known = self.unforeseen
        self.unforeseen = Unforeseen(cause, datetime.now(UTC) if known is None else known.since, 1)
        if known is not None:
            self.unforeseen = replace(self.unforeseen, count=known.count + 1)
        self.say_once(
            logging.ERROR,
            f"unforeseen: {cause}. It is tried again, with longer and longer pauses, and after {PATIENCE} failures of"
            " one batch in parts, down to one event; other shards go on. Please report it",
        )
        self.suspicion.failed(seqs, f"unforeseen: {cause}")
        self._attempt += 1
        return backoff(self._attempt - 1, UNFORESEEN_SECONDS)

    def got_on(self) -> None:
        """Take note that events were published, or that the shard has been quiet for long enough."""
        if self._attempt == 0 and not self._said:
            return
        self._attempt = 0
        self._said.clear()
        if self.unforeseen is not None and self.suspicion.limit is None:
            logger.info("shard %d gets on again, after %d unforeseen failures", self.shard, self.unforeseen.count)
            self.unforeseen = None
