"""Which route an event takes, and why that one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from bridge.admin.config import given_keys
from bridge.configuration.load import Configuration
from bridge.configuration.routes import route_key
from bridge.encoding.routing import Router
from bridge.errors import ConfigError, UnroutableEvent
from bridge.event import CHANGED
from bridge.postgres.queries import query


@dataclass(frozen=True, slots=True)
class Kind:
    """What decides about an event's route: its type, and of a change its table's `entity_type`."""

    event_type: str
    entity_type: str | None = None

    def __str__(self) -> str:
        if self.entity_type == "":
            return "changes of a table without a route of its own"
        return f"the event type {self.event_type}" if self.entity_type is None else f"the table {self.entity_type}"


@dataclass(frozen=True, slots=True)
class Explained:
    """The route of one kind: its keys as the file has them, where it stands, and which others fit and do not count.

    `route` is None where none fits; `why` says what that is, or why this one counts.
    """

    kind: Kind
    route: Mapping[str, Any] | None
    at: str | None
    why: str
    passed_over: Sequence[str]


def explain(configuration: Configuration, name: str) -> list[Explained]:
    """The routes of what goes by this name: an event type, a tracked table, or both. At least one.

    Of a table with its schema, where nothing else is called so, those of its name alone: so it is usually tracked.
    """
    if name == CHANGED:
        return [explain_kind(configuration, Kind(CHANGED, ""))]
    routes = [route for _, route in configuration.routes]
    found = []
    if any(route.table == name for route in routes):
        found.append(explain_kind(configuration, Kind(CHANGED, name)))
    own = explain_kind(configuration, Kind(name))
    bare = name.rpartition(".")[2]
    if own.route is None and not found and any(route.table == bare for route in routes):  # as in `bridge track`
        found.append(explain_kind(configuration, Kind(CHANGED, bare)))
    return [*found, own] if own.route is not None or not found else found


def explain_kind(configuration: Configuration, kind: Kind) -> Explained:
    """The route of one kind of events."""
    places = {route: str(configuration.origins[route_key(number, "topic")]) for number, route in configuration.routes}
    router = Router(places)
    fitting = list(router.fitting(kind.event_type, kind.entity_type))
    if not fitting:
        try:
            router.route(kind.event_type, kind.entity_type)
        except UnroutableEvent as none:
            return Explained(kind, None, None, f"{none}: such events become dead letters", [])
    first, *others = fitting
    why = "it names the table" if first.table else "it names the type"
    if first.event_type == CHANGED:
        why = "no route names the table, and this one is for all other changes"
    elif first.is_prefix:
        why = "the type begins like that" + (", and this is the longest beginning that fits" if others else "")
    return Explained(
        kind, dict(given_keys(first)), places[first], why, [f"{other} ({places[other]})" for other in others]
    )


def find_kind(conn: psycopg.Connection, id: UUID) -> tuple[Kind, str, str]:
    """What an event is, its key and its status. Raises ConfigError where there is no such event."""
    row = conn.execute(query("event_kind"), {"id": id}).fetchone()
    if row is None:
        raise ConfigError(
            f"there is no event {id} in this database", hint="Retention may have taken it: see bridge archive list"
        )
    event_type, entity_type, key, status = row
    return Kind(event_type, entity_type), key, status
