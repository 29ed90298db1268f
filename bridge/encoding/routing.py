"""Event to topic, subject and headers: a table lookup, so that row data can never choose a topic of its own.

Headers follow CloudEvents 1.0, Kafka binary mode, with the `sequence` extension.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

import orjson

from bridge.errors import PoisonEvent, UnroutableEvent
from bridge.event import SOURCES, Event, Header
from bridge.settings import Route, Settings

MAX_HEADERS = 64  # of the writer's own
MAX_HEADER_BYTES = 16_384  # names and values together
RESERVED = ("ce_", "bridge_", "content-type")  # the writer cannot set these

EPOCH = datetime(1970, 1, 1)  # in UTC; printed without an offset
FIRST_SECOND, LAST_SECOND = -62_135_596_800, 253_402_300_799  # of the years 1 and 9999
AVRO = "application/avro"
JSON = "application/json"


class Destination(NamedTuple):
    """Where events of one type go, and the headers that they share, by source."""

    route: Route
    headers: dict[str, tuple[Header, ...]]


class Router:
    """The routes of one bridge; no I/O, safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._name = settings.relay.name
        self._destinations = {
            route.event_type: Destination(
                route, {source: self.shared_headers(source, route.event_type, AVRO) for source in SOURCES}
            )
            for route in settings.routes
        }

    def destination(self, event_type: str) -> Destination:
        """The one route that names exactly this event type. Raises UnroutableEvent."""
        try:
            return self._destinations[event_type]
        except KeyError:
            raise UnroutableEvent(f"no route names the event type {event_type!r}") from None

    def shared_headers(self, source: str, event_type: str, content_type: str) -> tuple[Header, ...]:
        """The headers that do not differ between events of one type."""
        return (
            ("ce_specversion", b"1.0"),
            ("ce_type", event_type.encode()),
            ("ce_source", ce_source(self._name, source).encode()),
            ("content-type", content_type.encode()),
        )


def ce_source(name: str, source: str) -> str:
    """The CloudEvents source of events that the bridge `name` publishes from the table `source`."""
    return f"/{name}/{source}"


def event_headers(event: Event) -> list[Header]:
    """The headers that every event has for itself, without the writer's.

    `ce_sequence` has leading zeros, because CloudEvents wants it to sort as text.
    """
    return [
        ("ce_id", event.id),
        ("ce_time", rfc3339(event.created_us)),
        ("ce_subject", event.key),
        ("ce_sequence", f"{event.seq:019d}"),
    ]


def rfc3339(microseconds: int) -> str:
    """A time in microseconds since 1970, as RFC 3339 in UTC; the nearest that it can write, years 1 to 9999."""
    seconds, fraction = divmod(microseconds, 1_000_000)
    return f"{_to_the_second(seconds)}.{fraction:06d}Z"


@lru_cache(maxsize=4096)  # events come in the order of time, so many share a second
def _to_the_second(seconds: int) -> str:
    return (EPOCH + timedelta(seconds=min(max(seconds, FIRST_SECOND), LAST_SECOND))).isoformat()


def writer_headers(headers: str) -> list[Header]:
    """The writer's own headers from JSON text: text as it is, other values as their JSON text, null left out.

    Reserved names are left out too. Raises PoisonEvent for too many or too long headers, or what is not an object.
    """
    try:
        given = orjson.loads(headers)
    except orjson.JSONDecodeError as error:
        raise PoisonEvent("the headers are not JSON") from error
    if not isinstance(given, dict):
        raise PoisonEvent("the headers are not a JSON object")
    kept: list[Header] = []
    size = 0
    for name, value in given.items():
        if value is None or not name or name.lower().startswith(RESERVED):
            continue
        content = value.encode() if isinstance(value, str) else orjson.dumps(value)
        size += len(name.encode()) + len(content)
        kept.append((name, content))
    if len(kept) > MAX_HEADERS or size > MAX_HEADER_BYTES:
        raise PoisonEvent(f"the headers are more than {MAX_HEADERS}, or more than {MAX_HEADER_BYTES} bytes")
    if any("\0" in name for name, _ in kept):
        raise PoisonEvent("a header's name contains a NUL character")
    return kept
