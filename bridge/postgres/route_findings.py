"""Routes beside what is tracked: a table that nobody tracks by that name, or that no route is for; columns to hide that
are not there.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from typing import NamedTuple

import psycopg
from psycopg.rows import class_row

from bridge.encoding.routing import Router
from bridge.event import CHANGED
from bridge.postgres.queries import query
from bridge.postgres.tracking import Finding
from bridge.settings import Route, Settings

PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
CUTOFF = 0.75  # how alike a table's name is that somebody may have meant: many begin alike


class Tracked(NamedTuple):
    """A tracked table: its qualified name, what its changes are called, and its columns."""

    relation: str
    entity_type: str
    columns: list[str]


def route_findings(conn: psycopg.Connection, settings: Settings) -> list[Finding]:
    """All findings, in the order of the routes; a problem where a name looks mistyped: nothing goes by it.

    Raises psycopg.Error.
    """
    routes = [route for route in settings.routes if route.table or (route.event_type == CHANGED and _hidden(route))]
    if not routes:
        return []
    with conn.cursor(row_factory=class_row(Tracked)) as cursor:
        tables = cursor.execute(query("tracked_names")).fetchall()
    return [finding for route in routes for finding in _findings(route, routes, tables)]


def unrouted_findings(conn: psycopg.Connection, settings: Settings) -> list[Finding]:
    """Tracked tables that no route is for, by name: the next event of one is dead. None where there are no routes at
    all, for then nothing is carried.

    Raises psycopg.Error.
    """
    if not settings.routes:
        return []
    router = Router(settings.routes)
    with conn.cursor(row_factory=class_row(Tracked)) as cursor:
        tables = cursor.execute(query("tracked_names")).fetchall()
    return [
        Finding(
            table.relation,
            table.entity_type,
            True,
            f"no route is for table {table.entity_type}: its events will be dead",
            f"Add a route for this table, or for the event type {CHANGED}, before it is written to",
        )
        for table in sorted(tables, key=lambda table: table.entity_type)
        if router.find(CHANGED, table.entity_type) is None
    ]


def _findings(route: Route, routes: Collection[Route], tables: Collection[Tracked]) -> Iterator[Finding]:
    if route.table:
        of_route = [table for table in tables if table.entity_type == route.table]
    else:
        others = {other.table for other in routes}
        of_route = [table for table in tables if table.entity_type not in others]
    if not of_route:
        if route.table:
            yield _untracked(route, tables)
        return
    columns = {column for table in of_route for column in table.columns}
    for key, names in (("drop", route.drop), ("mask", route.mask)):
        for name in names:
            if name not in columns:
                meant = get_close_matches(name, columns, n=1)
                finding = f"its {key} names {name}, which is no column" + (f" ({meant[0]} is)" if meant else "")
                advice = f"So far it hides nothing: correct the route's {key}"
                yield Finding(f"route of {route}", route.table, bool(meant), finding, advice)


def _untracked(route: Route, tables: Collection[Tracked]) -> Finding:
    name = route.table
    by_relation = {table.relation.replace('"', ""): table.entity_type for table in tables}
    plain = name.replace('"', "")
    meant = [what for relation, what in by_relation.items() if relation == plain or relation.endswith(f".{plain}")]
    meant = meant or get_close_matches(name, [table.entity_type for table in tables], n=1, cutoff=CUTOFF)
    finding = "no tracked table is called so" + (f" ({meant[0]} is)" if meant else "")
    advice = "Correct the route's table" if meant else f"Correct the route's table, or: bridge track {_typed(name)}"
    return Finding(f"route of {route}", name, bool(meant), finding, advice)


def _typed(name: str) -> str:
    """A table's name as it is typed in a shell: as in SQL, its schema first, in quotation marks where it needs them."""
    parts = (part if PLAIN.fullmatch(part) else '"{}"'.format(part.replace('"', '""')) for part in name.split(".", 1))
    return shlex.quote(".".join(parts))


def _hidden(route: Route) -> tuple[str, ...]:
    return route.drop + route.mask
