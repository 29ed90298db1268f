"""Routes are an allow-list."""

from __future__ import annotations

import pytest

from bridge.encoding.routing import Router
from bridge.errors import UnroutableEvent
from bridge.event import ENTITY_EVENTS, EVENT_QUEUE
from bridge.settings import RelaySettings, Route, Settings

ROUTE = Route("thing.made", "things", "things-Made")


@pytest.fixture
def router() -> Router:
    return Router(Settings(relay=RelaySettings(name="us"), routes=(ROUTE,)))


def test_an_exact_event_type_finds_its_route(router: Router) -> None:
    assert router.destination("thing.made").route == ROUTE


@pytest.mark.parametrize("event_type", ["thing.made ", "Thing.made", "thing", "things", "\x1b", "thing.made\0"])
def test_anything_else_has_no_route(router: Router, event_type: str) -> None:
    with pytest.raises(UnroutableEvent, match="no route names the event type") as caught:
        router.destination(event_type)
    assert "\x1b" not in str(caught.value)


def test_an_event_without_a_type_is_one_whose_row_is_gone(router: Router) -> None:
    """Every event has a type, so the message must not look for the fault in the routes."""
    with pytest.raises(UnroutableEvent, match="somebody has removed its row"):
        router.destination("")


def test_the_events_of_a_type_share_headers(router: Router) -> None:
    assert dict(router.destination("thing.made").headers[EVENT_QUEUE]) == {
        "ce_specversion": b"1.0",
        "ce_type": b"thing.made",
        "ce_source": b"/us/event_queue",
        "content-type": b"application/avro",
    }
    assert dict(router.destination("thing.made").headers[ENTITY_EVENTS])["ce_source"] == b"/us/entity_events"
