"""How large a record each topic accepts."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

USUAL_BYTES = 1_048_588  # Kafka's own default
CUT = 16 * USUAL_BYTES
MOST_CUT = 1 << 30  # Postgres has no longer text, and counts its characters in 32 bits
FRESH_SECONDS = 300.0  # for so long after it was read, a limit is reason enough to give an event up


class TopicLimits:
    """The largest record of each topic in bytes; shared by all shards."""

    def __init__(self, by_topic: Mapping[str, int]) -> None:
        self._by_topic = dict(by_topic)
        self._fresh_until = math.inf
        self._doubts = self._asked = self._known = 0

    def of(self, topic: str) -> int:
        """Bytes; without a bound where the limit is not known."""
        return self._by_topic.get(topic, 1 << 30)

    @property
    def largest(self) -> int:
        """Of all topics, in bytes."""
        return max(self._by_topic.values(), default=USUAL_BYTES)

    @property
    def smallest(self) -> int:
        """Of all topics, in bytes."""
        return min(self._by_topic.values(), default=USUAL_BYTES)

    @property
    def cut(self) -> int:
        """Characters of a payload or a key after which no record can be made of it: JSON is longer than Avro."""
        return min(max(CUT, 4 * self.largest), MOST_CUT)

    @property
    def are_fresh(self) -> bool:
        """Whether they were read lately, and nothing has happened since that makes them doubtful."""
        return time.monotonic() < self._fresh_until

    def doubt(self) -> None:
        """Take note that somebody may have changed one."""
        self._doubts += 1
        self._fresh_until = 0.0

    def update(self, ask: Callable[[], Mapping[str, int]]) -> None:
        """Take over what is read again; of a topic that could not be asked about, the last answer holds.

        What is doubted meanwhile stays doubtful, for it may have changed behind the answer; and what another thread has
        asked later counts, though it was answered before. Raises what `ask` raises.
        """
        doubts = self._doubts
        number = self._asked = self._asked + 1
        found = ask()
        if number >= self._known:
            self._known, self._by_topic = number, {**self._by_topic, **found}
            if doubts == self._doubts:
                self._fresh_until = time.monotonic() + FRESH_SECONDS


NO_LIMITS = TopicLimits({})
