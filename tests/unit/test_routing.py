"""Routes are an allow-list."""

from __future__ import annotations

import pytest

from bridge.encoding.routing import Router
from bridge.errors import UnroutableEvent
from bridge.event import CHANGED
from bridge.settings import Encoding, Route

EXACT = Route("thing.made", "things", "things-Made")
BEGINNING = Route("thing.*", "things", "things-Any")
LONGER = Route("thing.big.*", "big", "big-Any")
TABLE = Route(topic="orders", table="shop.orders", encoding=Encoding.JSON)
GENERIC = Route(CHANGED, "changes", "changes-Any")


def find(*routes: Route, event_type: str, entity_type: str | None = None) -> Route:
    return Router(routes).route(event_type, entity_type)


def test_an_exact_event_type_finds_its_route() -> None:
    assert find(EXACT, event_type="thing.made") == EXACT


@pytest.mark.parametrize("event_type", ["thing.made ", "Thing.made", "thing", "things", "\x1b", "thing.made\0"])
def test_anything_else_has_no_route(event_type: str) -> None:
    with pytest.raises(UnroutableEvent, match="no route names the event type") as caught:
        find(EXACT, event_type=event_type)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("event_type", "route"),
    [("thing.made", EXACT), ("thing.", BEGINNING), ("thing.big", BEGINNING), ("thing.big.made", LONGER)],
)
def test_an_exact_type_counts_before_the_longest_beginning(event_type: str, route: Route) -> None:
    assert find(BEGINNING, EXACT, LONGER, event_type=event_type) == route


def test_a_table_has_its_route_or_the_one_of_all_changes() -> None:
    assert find(GENERIC, TABLE, event_type=CHANGED, entity_type="shop.orders") == TABLE
    assert find(GENERIC, TABLE, event_type=CHANGED, entity_type="shop.order") == GENERIC
    with pytest.raises(UnroutableEvent, match=r"no route names the table .shop.order., nor the event type"):
        find(TABLE, event_type=CHANGED, entity_type="shop.order")


@pytest.mark.parametrize("routes", [(GENERIC,), (Route("*", "all", "all-Any"),), (Route("entity.*", "all", "a"),)])
def test_an_event_that_says_it_is_a_change_is_none(routes: tuple[Route, ...]) -> None:
    with pytest.raises(UnroutableEvent, match="is reserved for tracked changes"):
        find(*routes, event_type=CHANGED)


def test_a_table_is_no_event_type_and_changes_match_no_beginning() -> None:
    with pytest.raises(UnroutableEvent, match="no route names the event type"):
        find(TABLE, event_type="shop.orders")
    with pytest.raises(UnroutableEvent, match="no route names the table"):
        find(Route("*", "all", "all-Any"), event_type=CHANGED, entity_type="t")


def test_an_event_without_a_type_is_one_whose_row_is_gone() -> None:
    """Every event has a type, so the message must not look for the fault in the routes."""
    for routes in ((EXACT,), (Route("*", "all", "all-Any"),)):
        with pytest.raises(UnroutableEvent, match="somebody has removed its row"):
            find(*routes, event_type="")
