"""Event to topic, subject and shared headers: a table lookup, so that row data can never choose a topic of its own."""

from __future__ import annotations

from typing import NamedTuple

from bridge.encoding.headers import AVRO, shared_headers
from bridge.errors import UnroutableEvent
from bridge.event import CHANGED, ENTITY_EVENTS, SOURCES, Header
from bridge.settings import Route, Settings


class Destination(NamedTuple):
    """Where events of one type go, and the headers that they share, by source: those from which they may come."""

    route: Route
    headers: dict[str, tuple[Header, ...]]


class Router:
    """The routes of one bridge; no I/O, safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        name = settings.relay.name
        self._destinations = {
            route.event_type: Destination(
                route, {source: shared_headers(name, source, route.event_type, AVRO) for source in _sources(route)}
            )
            for route in settings.routes
        }

    def destination(self, event_type: str) -> Destination:
        """The one route that names exactly this event type. Raises UnroutableEvent."""
        try:
            return self._destinations[event_type]
        except KeyError:
            if not event_type:
                raise UnroutableEvent("it was parked, and somebody has removed its row since") from None
            raise UnroutableEvent(f"no route names the event type {event_type!r}") from None


def _sources(route: Route) -> tuple[str, ...]:
    return (ENTITY_EVENTS,) if route.event_type == CHANGED else SOURCES


def all_topics(settings: Settings) -> list[str]:
    """Every topic that an event may go to, the dead letters' among them."""
    return sorted({route.topic for route in settings.routes} | {settings.topics.dead_letters})
