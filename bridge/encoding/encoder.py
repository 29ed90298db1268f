"""Event to record: routing, headers, schema id and Avro body in one call, shared by all pipelines."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import NamedTuple

from bridge.encoding.avro.schema import AvroSchema, load_schema
from bridge.encoding.headers import (
    DEAD_CUT,
    DEAD_REASON,
    DEAD_SEQ,
    DEAD_SOURCE,
    JSON,
    event_headers,
    shared_headers,
    writer_headers,
)
from bridge.encoding.routing import Router
from bridge.errors import IncompatibleSchema, PoisonEvent, RecordTooLarge
from bridge.event import DeadLetter, Event, Header, Record
from bridge.kafka.topics import ensure_topics
from bridge.registry.client import Registry
from bridge.settings import Settings

MAGIC = b"\x00"  # of the Confluent wire format; the schema's id follows in four bytes
FRAMING_BYTES = 256  # what Kafka adds to a record that is alone in its batch, at most
HEADERS_BYTES = 32_768  # more than all headers together, but for the key in one of them
CUT = 200  # characters left of a key or a reason where the dead letter would not fit


class Ready(NamedTuple):
    """All that does not differ between the events of one type, once its schema id is known."""

    topic: str
    prefix: bytes
    schema: AvroSchema
    headers: dict[str, tuple[Header, ...]]
    max_bytes: int


class Encoders:
    """One encoder for each event type, made when its first event comes. Safe to share between threads."""

    def __init__(self, settings: Settings, registry: Registry, max_bytes: dict[str, int]) -> None:
        """`max_bytes`: the largest record that each topic accepts.

        Raises ConfigError for a schema file that is missing or invalid.
        """
        self.max_bytes = max_bytes
        self._settings = settings
        self._registry = registry
        self._router = Router(settings)
        self._schemas = {
            subject: load_schema(subject, settings.schemas) for subject in {route.subject for route in settings.routes}
        }
        self._ready: dict[str, Ready] = {}
        self._lock = threading.Lock()
        self._past_us = 0  # some time in the past, in microseconds since 1970

    @classmethod
    def open(cls, settings: Settings, shard_count: int) -> Encoders:
        """Check that the topics exist, and register the schemas.

        A schema that the registry refuses is left for later: it holds its topic once an event needs it.
        Raises ConfigError, BrokerUnavailable, RegistryUnavailable.
        """
        encoders = cls(settings, Registry(settings), {})
        encoders.max_bytes = ensure_topics(settings, shard_count)
        for route in settings.routes:
            with contextlib.suppress(IncompatibleSchema):
                encoders._prepare(route.event_type)
        return encoders

    def close(self) -> None:
        """Close the connections to the registry."""
        self._registry.close()

    @property
    def summary(self) -> str:
        """What is encoded, in a few words for the log."""
        topics = {route.topic for route in self._settings.routes}
        return f"{len(self._settings.routes)} event types to {len(topics)} topics"

    def refresh_limits(self) -> None:
        """Ask again how large a record each topic accepts. Raises BrokerUnavailable, ConfigError."""
        self.max_bytes = ensure_topics(self._settings, 0)
        with self._lock:
            self._ready = {}

    def record(self, event: Event) -> Record:
        """The record of one event.

        Raises PoisonEvent if there can never be one; IncompatibleSchema, RegistryUnavailable or ConfigError if the
        schema's id, asked for with the type's first event, cannot be had. The next event asks again.
        """
        ready = self._ready.get(event.event_type) or self._prepare(event.event_type)
        headers = [*ready.headers[event.source], *event_headers(event)]
        if event.headers is not None:
            headers += writer_headers(event.headers)
        key, value = event.key.encode(), ready.prefix + ready.schema.encode(event.payload)
        record = Record(ready.topic, key, value, headers, self._timestamp_ms(event))
        # The first test is cheap, and for almost all events enough.
        if len(value) + 2 * len(key) + HEADERS_BYTES > ready.max_bytes and size(record) > ready.max_bytes:
            raise RecordTooLarge(f"the record has {size(record)} bytes, and {ready.topic} accepts {ready.max_bytes}")
        return record

    def dead_letter(self, letter: DeadLetter) -> Record:
        """The copy of a dead event: its payload as JSON text, and why it is dead.

        It always fits its topic, or the relay could not go on; `bridge_cut` says that it is not the whole event.
        """
        event, limit = letter.event, self.max_bytes.get(self._settings.topics.dead_letters, 1 << 30)
        is_cut: list[Header] = [(DEAD_CUT, b"true")]
        try:
            own = writer_headers(event.headers or "{}")
        except PoisonEvent:  # they may be why it is dead
            own = is_cut
        whole = self._copy(event, letter.reason, own)
        if size(whole) <= limit:
            return whole
        cut = self._copy(event._replace(key=event.key[:CUT]), letter.reason[:CUT], is_cut)
        payload = cut.value or b""
        return cut._replace(value=payload[: max(len(payload) - max(size(cut) - limit, 0), 0)])

    def _copy(self, event: Event, reason: str, more: list[Header]) -> Record:
        headers: list[Header] = [
            *shared_headers(self._settings.relay.name, event.source, event.event_type, JSON),
            *event_headers(event),
            (DEAD_REASON, reason.encode("utf-8", "replace")),
            (DEAD_SOURCE, event.source),
            (DEAD_SEQ, str(event.seq)),
            *more,
        ]
        topic = self._settings.topics.dead_letters
        return Record(topic, event.key.encode(), event.payload.encode(), headers, self._timestamp_ms(event))

    def _timestamp_ms(self, event: Event) -> int:
        """The record's time: the event's, but never in the future, where a broker would refuse the whole batch."""
        if not 0 <= event.created_us <= self._past_us:  # the clock is asked for one event in thousands
            self._past_us = time.time_ns() // 1000
        return max(min(event.created_us, self._past_us), 0) // 1000

    def _prepare(self, event_type: str) -> Ready:
        destination = self._router.destination(event_type)
        route = destination.route
        schema = self._schemas[route.subject]
        schema_id = self._registry.schema_id(route.subject, schema.text)
        ready = Ready(
            route.topic,
            MAGIC + schema_id.to_bytes(4, "big"),
            schema,
            destination.headers,
            self.max_bytes.get(route.topic, 1 << 30),
        )
        with self._lock:
            self._ready[event_type] = ready
        return ready


def size(record: Record) -> int:
    """Bytes that Kafka counts for the record, rounded up: uncompressed, because compression is not known yet."""
    own = len(record.key) + len(record.value or b"") + FRAMING_BYTES
    return own + sum(len(name) + len(value or "") + 10 for name, value in record.headers)
