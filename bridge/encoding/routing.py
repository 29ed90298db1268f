"""Event to route: a lookup in an explicit list, so that row data can never choose a topic of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

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

    def fitting(self, event_type: str, entity_type: str | None) -> Iterator[Route]:
        """Those that fit an event; the first counts: its table's or type's, and then that of the longest beginning.

        `entity_type` is None for events of an application's own.
        """
        exact = [self._types.get(event_type)]
        if entity_type is not None:
            exact = [self._tables.get(entity_type), self._types.get(CHANGED)]
        elif event_type == CHANGED:  # somebody wrote it there; it is not a change
            return
        yield from filter(None, exact)
        if event_type and entity_type is None:
            for route in self._prefixes:
                if event_type.startswith(route.event_type[:-1]):
                    yield route

    def find(self, event_type: str, entity_type: str | None) -> Route | None:
        """The one that counts, or None."""
        return next(self.fitting(event_type, entity_type), None)

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
