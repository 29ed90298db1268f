"""Topics that cannot be published to now: their schema cannot be had, or Kafka does not take their records.

What is held is the whole topic, not one event type: order is promised for a key within a topic, so a later event of
another type must not overtake. Its events are parked meanwhile (`parked.py`). Dead letters go to a topic, too: while
that is held, an event that would become one is parked, and the later events of its key with it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from bridge.encoding.routing import Router
from bridge.errors import BridgeError, ConfigError, TopicUnwritable, Unavailable
from bridge.event import Event, Record
from bridge.log_fields import about
from bridge.settings import Settings
from bridge.text import printable

logger = logging.getLogger(__name__)

HOLD_SECONDS = 5.0  # before a held topic is tried again
TRIAL_SECONDS = 300.0  # what a topic is held for so long after it was let go is another matter: each try takes less

Unwritable = Callable[[Collection[str]], Mapping[str, TopicUnwritable]]


class Hold(NamedTuple):
    """Why a topic is held, since when, and until when on the shard's clock."""

    why: BridgeError
    since: datetime
    until: float


class Trial(NamedTuple):
    """A topic that was let go, and not published to since: since when it had been held, and until when that counts."""

    since: datetime
    until: float


class TopicHolds:
    """The topics that one shard holds; outlives its takeovers. Others may read `current`."""

    def __init__(self, settings: Settings, now: Callable[[], float], unwritable: Unwritable) -> None:
        """`unwritable` asks Kafka which of some topics cannot be written to, and may raise Unavailable."""
        self.current: Mapping[str, Hold] = {}  # by topic; replaced, never changed
        self._now = now
        self._unwritable = unwritable
        self.dead_letters = settings.topics.dead_letters
        self._router = Router(settings.routes)
        self._said: set[tuple[str, str]] = set()
        self._on_trial: dict[str, Trial] = {}

    def topic_of(self, event: Event) -> str:
        """Where the event goes: without a route, to the dead letters."""
        route = self._router.find(event.event_type, event.entity_type)
        return self.dead_letters if route is None else route.topic

    def hold(self, topic: str, why: BridgeError) -> None:
        """Hold a topic; says so once for each reason."""
        trial = self._on_trial.get(topic)
        if topic not in self.current and trial is not None and self._now() >= trial.until:
            self._end_trial(topic)
            trial = None
        known = self.current.get(topic, trial)
        since = datetime.now(UTC) if known is None else known.since
        self.current = {**self.current, topic: Hold(why, since, self._now() + HOLD_SECONDS)}
        if (topic, str(why)) not in self._said:
            self._said.add((topic, str(why)))
            text = "topic %s is held, its events wait; others go on: %s"
            logger.warning(text, topic, printable(str(why)), extra=about("topic-held", topic=topic))

    def is_due(self) -> bool:
        """Whether `release_due()` has something to do."""
        return any(self._now() >= hold.until for hold in self.current.values())

    def release_due(self) -> bool:
        """Let go of topics whose time is up; True when there were any, so that their events are tried again."""
        due = {topic: hold for topic, hold in self.current.items() if self._now() >= hold.until}
        if not due:
            return False
        refused = [topic for topic, hold in due.items() if isinstance(hold.why, TopicUnwritable)]
        for topic, why in self._still_unwritable(refused).items():  # a try would cost the other topics a transaction
            self.hold(topic, why)
            del due[topic]
        self.current = {topic: hold for topic, hold in self.current.items() if topic not in due}
        until = self._now() + TRIAL_SECONDS
        self._on_trial |= {topic: Trial(hold.since, until) for topic, hold in due.items()}
        return bool(due)

    def published(self, records: Sequence[Record]) -> None:
        """Take note that these records reached their topics."""
        if not self._on_trial:
            return
        for topic in self._on_trial.keys() & {record.topic for record in records}:
            self._end_trial(topic)
            logger.info("topic %s is not held any more", topic, extra=about("topic-released", topic=topic))

    def _end_trial(self, topic: str) -> None:
        del self._on_trial[topic]
        self._said = {said for said in self._said if said[0] != topic}

    def _still_unwritable(self, topics: Collection[str]) -> Mapping[str, BridgeError]:
        try:
            return self._unwritable(topics) if topics else {}
        except (Unavailable, ConfigError):  # Kafka cannot tell now
            return {topic: self.current[topic].why for topic in topics}
