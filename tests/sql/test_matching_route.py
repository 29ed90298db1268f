"""The database and the relay find the same route for every event."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import psycopg

from bridge.encoding.routing import Router
from bridge.event import CHANGED
from bridge.settings import Route

ROUTES = [
    Route("a", "exact"),
    Route("a*", "beginning"),
    Route("a.b*", "longer"),
    Route("a.b.c*", "longest"),
    Route("é*", "accent"),
    Route("*", "all"),
    Route(topic="table", table="a"),
    Route(topic="odd", table="=a"),
    Route(CHANGED, "changes"),
]
NAMES = ["a", "ab", "a.b", "a.b.c", "a.b.cd", "b", "é", "e", "=a", "^a", "@a", CHANGED, ""]
CASES = [(name, None) for name in NAMES] + [(CHANGED, name) for name in NAMES]


def sets() -> Iterator[tuple[Route, ...]]:
    for size in range(len(ROUTES) + 1):
        yield from itertools.combinations(ROUTES, size)


def test_the_same_route_whatever_routes_there_are(database: str) -> None:
    some = list(sets())[::7]
    with psycopg.connect(database) as conn:
        for routes in some:
            router = Router(routes)
            found = conn.execute(
                "select bridge.matching_route(%s, t, e) from unnest(%s::text[], %s::text[]) as c (t, e)",
                ([route.rule for route in routes], [case[0] for case in CASES], [case[1] for case in CASES]),
            ).fetchall()
            wanted = [router.find(*case) for case in CASES]
            assert [None if n is None else routes[n - 1] for (n,) in found] == wanted
