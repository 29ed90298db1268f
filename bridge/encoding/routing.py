"""Event to route: a lookup in an explicit list, so that row data can never choose a topic of its own."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.errors import UnroutableEvent
from bridge.event import CHANGED
from bridge.settings import Route, Settings


class Router:
    """The routes of one bridge; no I/O, safe to share between threads.

    `bridge.matching_route()` decides the same in the database, by `Route.rule`.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        routes = list(routes)
        self._tables = {route.table: route for route in routes if route.table}
        self._types = {route.event_type: route for route in routes if not route.table and not route.is_prefix}
        prefixes = [route for route in routes if not route.table and route.is_prefix]
        self._prefixes = sorted(prefixes, key=lambda route: len(route.event_type), reverse=True)

    def find(self, event_type: str, entity_type: str | None) -> Route | None:
        """The one that counts for an event: its table's, or else its type's, or else that of the longest beginning.

        None where there is none. `entity_type` is None for events of an application's own.
        """
        if entity_type is not None:
            return self._tables.get(entity_type) or self._types.get(CHANGED)
        if event_type == CHANGED:  # somebody wrote it there; it is not a change
            return None
        return self._types.get(event_type) or next(
            (route for route in self._prefixes if event_type and event_type.startswith(route.event_type[:-1])), None
        )

    def route(self, event_type: str, entity_type: str | None) -> Route:
        """As `find()`. Raises UnroutableEvent where there is none."""
        route = self.find(event_type, entity_type)
        if route is not None:
            return route
        if not event_type:
            raise UnroutableEvent("it was parked, and somebody has removed its row since")
        if entity_type is not None:
            raise UnroutableEvent(f"no route names the table {entity_type!r}, nor the event type {event_type!r}")
        if event_type == CHANGED:
            raise UnroutableEvent(f"the event type {event_type!r} is reserved for tracked changes")
        raise UnroutableEvent(f"no route names the event type {event_type!r}")


def all_topics(settings: Settings) -> list[str]:
    """Every topic that an event may go to, the dead letters' among them."""
    return sorted({route.topic for route in settings.routes} | {settings.topics.dead_letters})
