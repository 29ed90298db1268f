"""Topics that wait for a schema.

A schema that the registry refuses, or a registry that is away, stops the events that need it, not the relay. What is
held is the whole topic, not the one event type: order is promised for a key within a topic, so a later event of
another type must not overtake.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from bridge.errors import BridgeError
from bridge.event import Event
from bridge.settings import Settings

logger = logging.getLogger(__name__)

HOLD_SECONDS = 5.0  # before a held topic is tried again


class TopicHolds:
    """The topics held by one shard; `reasons` may be read by others."""

    def __init__(self, settings: Settings, now: Callable[[], float]) -> None:
        self._now = now
        self.reasons: dict[str, BridgeError] = {}
        self._topic_of = {route.event_type: route.topic for route in settings.routes}
        self._said: set[tuple[str, str]] = set()
        self._until = 0.0

    def hold(self, event: Event, why: BridgeError) -> None:
        """Hold the event's topic; says so once for each reason."""
        topic = self._topic_of[event.event_type]
        self.reasons[topic] = why
        self._until = self._now() + HOLD_SECONDS
        if (topic, str(why)) not in self._said:
            self._said.add((topic, str(why)))
            logger.warning("topic %s is held until its schema can be had: %s", topic, why)

    def holds(self, event: Event) -> bool:
        """Whether the event's topic is held."""
        return bool(self.reasons) and self._topic_of.get(event.event_type) in self.reasons

    def release_due(self) -> bool:
        """Let go of all topics when their time is up; True when there were any, so that their events are read again."""
        if not self.reasons or self._now() < self._until:
            return False
        self.reasons.clear()
        return True

    def event_types(self) -> list[str]:
        """All event types that are routed to held topics."""
        return [event_type for event_type, topic in self._topic_of.items() if topic in self.reasons]
