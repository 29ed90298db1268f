"""Event to record: route, headers, schema id and Avro body in one call, shared by all shards of a process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple

from bridge.encoding.avro.files import SchemaFiles
from bridge.encoding.avro.schema import AvroSchema
from bridge.encoding.dead_letter import DoesNotFit, dead_letter
from bridge.encoding.headers import JSON, MAX_HEADER_BYTES, event_headers, shared_headers, writer_headers
from bridge.encoding.limits import TopicLimits
from bridge.encoding.record import RecordClock, size
from bridge.encoding.routing import Router
from bridge.encoding.tombstone import is_delete, tombstone
from bridge.encoding.values import CONTENT_TYPES, Encode, avro_body, avro_value, filtered, hiding, plain_value
from bridge.errors import EncodingError, LimitsUnsure, RecordTooLarge, TopicUnwritable
from bridge.event import UNREADABLE, DeadLetter, Event, Header, Record
from bridge.settings import Encoding, Route, Settings

HEADERS_BYTES = 2 * MAX_HEADER_BYTES + 8192  # more than a route's, the writer's, and ours but for the key in one
MOST_TYPES = 10_000  # that are kept ready: behind a prefix there may be as many as somebody makes up

SchemaId = Callable[[AvroSchema], int]  # its id in the registry


class Made(NamedTuple):
    """What makes a route's values, and of which schema it was made."""

    encode: Encode
    schema: AvroSchema | None  # None: it is not Avro


class Ready(NamedTuple):
    """All that does not differ between the events of one type, or of one table, once its schema id is known."""

    route: Route
    encode: Encode
    headers: tuple[Header, ...]
    schema: AvroSchema | None  # None: it is not Avro


class Encoder:
    """Makes records. Safe to share between threads.

    What a route needs is made ready by `prepare()` at the start, or by the route's next event.
    """

    def __init__(self, settings: Settings, schema_id: SchemaId, limits: TopicLimits) -> None:
        """`schema_id` may raise a TopicHeld, RegistryUnavailable or ConfigError, which `record()` passes on.

        Raises ConfigError for a schema file that is missing or invalid.
        """
        self._schema_id = schema_id
        self._limits = limits
        self._name = settings.relay.name
        self._router = Router(settings.routes)
        self._dead_letters = settings.topics.dead_letters
        self._schemas = SchemaFiles(settings.schemas, {route.subject for route in settings.routes if route.subject})
        self._clock = RecordClock()
        self._made: dict[Route, Made] = {}
        self._types: dict[str, Ready] = {}
        self._tables: dict[str, Ready] = {}
        self._generation = 0  # of what is ready: what was asked for before `forget()` must not come back behind it
        self._lock = threading.Lock()

    def record(self, event: Event) -> Record:
        """The record of one event.

        Raises PoisonEvent if there can never be one, and LimitsUnsure if there may be once the topic's limit was read
        again; a TopicHeld, RegistryUnavailable or ConfigError if the schema's id, asked for with the route's first
        event, cannot be had. The next event asks again.
        """
        if event.entity_type is None:
            ready = self._types.get(event.event_type) or self._make_ready(event, self._types, event.event_type)
        else:
            ready = self._tables.get(event.entity_type) or self._make_ready(event, self._tables, event.entity_type)
        if event.cut_at is not None and event.cut_at < self._limits.cut:  # what is left would pass for the whole
            raise LimitsUnsure(f"it was read up to {event.cut_at} characters, before {ready.route.topic} accepted more")
        headers = [*ready.headers, *event_headers(event)]
        if event.headers is not None:
            headers += writer_headers(event.headers)
        route = ready.route
        try:
            key, value = event.key.encode(), ready.encode(event.payload)
        except EncodingError:
            if not event.payload:
                raise EncodingError(UNREADABLE) from None
            if ready.schema is not None and self._schemas.has_changed(ready.schema):  # by which it may be right
                self.forget()
                return self.record(event)
            if len(event.payload) < self._limits.cut:
                raise
            raise self._too_large(f"the payload has {self._limits.cut} characters or more") from None
        if ready.schema is None and len(event.payload) >= self._limits.cut:  # as read, it was cut off
            raise self._too_large(f"the payload has {self._limits.cut} characters or more")
        record = Record(route.topic, key, value, headers, self._clock.timestamp_ms(event))
        limit = self._limits.of(route.topic)
        # The first test is cheap, and for almost all events enough.
        if len(value) + 2 * len(key) + HEADERS_BYTES > limit and size(record) > limit:
            raise self._too_large(f"the record has {size(record)} bytes, and {route.topic} accepts {limit}")
        if route.tombstone and (event.entity_type is None or is_delete(event)):
            return record._replace(tombstone=tombstone(self._name, event, record))
        return record

    def dead_letter(self, letter: DeadLetter) -> Record:
        """The copy of a dead event, cut to what its topic accepts.

        Raises TopicUnwritable if not even that fits, and LimitsUnsure if it may once the topic's limit was read again.
        """
        letter, topic = self._hidden(letter), self._dead_letters
        event = letter.event
        shared = shared_headers(self._name, event.source, event.event_type, JSON)
        try:
            return dead_letter(letter, topic, shared, self._clock.timestamp_ms(event), self._limits.of(topic))
        except DoesNotFit as error:
            raise (TopicUnwritable if self._limits.are_fresh else LimitsUnsure)(str(error)) from None

    def _hidden(self, letter: DeadLetter) -> DeadLetter:
        """Without what the event's route hides; without the payload where that cannot be told apart.

        Nor with it where no route is left: the one that was there may have hidden something.
        """
        event = letter.event
        route = self._router.find(event.event_type, event.entity_type)
        hide = None if route is None else hiding(route)
        if route is not None and hide is None:
            return letter
        try:
            payload = "" if hide is None else hide(event.payload)
        except EncodingError:
            payload = ""
        return DeadLetter(event._replace(payload=payload), letter.reason)

    def expect_change(self) -> None:
        """Take note that somebody has retried an event, and probably mended before what it died of."""
        self._limits.doubt()

    def _too_large(self, why: str) -> RecordTooLarge | LimitsUnsure:
        return RecordTooLarge(why) if self._limits.are_fresh else LimitsUnsure(why)

    def prepare(self, route: Route) -> Made:
        """Ask for a route's schema id; again for each event while it cannot be had. Raises as `record()`."""
        while True:
            generation = self._generation
            made = self._make(route)
            with self._lock:
                if generation == self._generation:
                    self._made[route] = made
                    return made

    def _make(self, route: Route) -> Made:
        if route.encoding is not Encoding.AVRO:
            return Made(filtered(route, plain_value(route)), None)
        schema = self._schemas.schema(route.subject)
        return Made(filtered(route, avro_value(avro_body(route, schema), self._schema_id(schema))), schema)

    def forget(self) -> None:
        """Ask for all schema ids anew, with the next event of each route: the registry gives others now, or none."""
        with self._lock:
            self._generation += 1
            for known in (self._made, self._types, self._tables):
                known.clear()

    def _make_ready(self, event: Event, known: dict[str, Ready], name: str) -> Ready:
        route = self._router.route(event.event_type, event.entity_type)
        generation = self._generation
        made = self._made.get(route) or self.prepare(route)
        own = [(key, value.encode()) for key, value in route.headers]
        shared = shared_headers(self._name, event.source, event.event_type, CONTENT_TYPES[route.encoding])
        ready = Ready(route, made.encode, (*shared, *own), made.schema)
        with self._lock:
            if len(known) >= MOST_TYPES:
                known.clear()
            if generation == self._generation:
                known[name] = ready
        return ready
