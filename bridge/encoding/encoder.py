"""Event to record: route, headers, schema id and Avro body in one call, shared by all shards of a process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple

from bridge.encoding.avro.files import SchemaFiles
from bridge.encoding.avro.schema import AvroSchema
from bridge.encoding.dead_letter import DoesNotFit, dead_letter
from bridge.encoding.headers import JSON, event_headers, shared_headers, writer_headers
from bridge.encoding.limits import TopicLimits
from bridge.encoding.record import RecordClock, size
from bridge.encoding.routing import Router
from bridge.errors import EncodingError, LimitsUnsure, RecordTooLarge, TopicUnwritable, UnroutableEvent
from bridge.event import DeadLetter, Event, Header, Record
from bridge.settings import Settings

MAGIC = b"\x00"  # of the Confluent wire format; the schema's id follows in four bytes
HEADERS_BYTES = 32_768  # more than all headers together, but for the key in one of them

SchemaId = Callable[[AvroSchema], int]  # its id in the registry


class Ready(NamedTuple):
    """All that does not differ between the events of one type, once its schema id is known."""

    topic: str
    prefix: bytes
    schema: AvroSchema
    headers: dict[str, tuple[Header, ...]]


class Encoder:
    """Makes records. Safe to share between threads.

    What a type needs is made ready by `prepare()` at the start, or by the type's next event.
    """

    def __init__(self, settings: Settings, schema_id: SchemaId, limits: TopicLimits) -> None:
        """`schema_id` may raise a TopicHeld, RegistryUnavailable or ConfigError, which `record()` passes on.

        Raises ConfigError for a schema file that is missing or invalid.
        """
        self._schema_id = schema_id
        self._limits = limits
        self._name = settings.relay.name
        self._router = Router(settings)
        self._dead_letters = settings.topics.dead_letters
        self._schemas = SchemaFiles(settings.schemas, {route.subject for route in settings.routes})
        self._clock = RecordClock()
        self._ready: dict[str, Ready] = {}
        self._lock = threading.Lock()

    def record(self, event: Event) -> Record:
        """The record of one event.

        Raises PoisonEvent if there can never be one, and LimitsUnsure if there may be once the topic's limit was read
        again; a TopicHeld, RegistryUnavailable or ConfigError if the schema's id, asked for with the type's
        first event, cannot be had. The next event asks again.
        """
        ready = self._ready.get(event.event_type) or self.prepare(event.event_type)
        shared = ready.headers.get(event.source)
        if shared is None:
            raise UnroutableEvent(f"the event type {event.event_type!r} is reserved for tracked changes")
        headers = [*shared, *event_headers(event)]
        if event.headers is not None:
            headers += writer_headers(event.headers)
        try:
            key, value = event.key.encode(), ready.prefix + ready.schema.encode(event.payload)
        except EncodingError:
            if not event.payload:
                raise EncodingError(
                    "Postgres cannot make text of it: that would be longer than a gigabyte, or the row is damaged"
                ) from None
            if len(event.payload) < self._limits.cut:
                raise
            raise self._too_large(f"the payload has {self._limits.cut} characters or more") from None
        record = Record(ready.topic, key, value, headers, self._clock.timestamp_ms(event))
        limit = self._limits.of(ready.topic)
        # The first test is cheap, and for almost all events enough.
        if len(value) + 2 * len(key) + HEADERS_BYTES > limit and size(record) > limit:
            raise self._too_large(f"the record has {size(record)} bytes, and {ready.topic} accepts {limit}")
        return record

    def dead_letter(self, letter: DeadLetter) -> Record:
        """The copy of a dead event, cut to what its topic accepts.

        Raises TopicUnwritable if not even that fits, and LimitsUnsure if it may once the topic's limit was read again.
        """
        event, topic = letter.event, self._dead_letters
        shared = shared_headers(self._name, event.source, event.event_type, JSON)
        try:
            return dead_letter(letter, topic, shared, self._clock.timestamp_ms(event), self._limits.of(topic))
        except DoesNotFit as error:
            raise (TopicUnwritable if self._limits.are_fresh else LimitsUnsure)(str(error)) from None

    def expect_change(self) -> None:
        """Take note that somebody has retried an event, and probably mended before what it died of."""
        self._limits.doubt()

    def _too_large(self, why: str) -> RecordTooLarge | LimitsUnsure:
        return RecordTooLarge(why) if self._limits.are_fresh else LimitsUnsure(why)

    def prepare(self, event_type: str) -> Ready:
        """Ask for the schema id of a type; again for each event while it cannot be had. Raises as `record()`."""
        destination = self._router.destination(event_type)
        route = destination.route
        schema = self._schemas.schema(route.subject)
        prefix = MAGIC + self._schema_id(schema).to_bytes(4, "big")
        ready = Ready(route.topic, prefix, schema, destination.headers)
        with self._lock:
            self._ready[event_type] = ready
        return ready
