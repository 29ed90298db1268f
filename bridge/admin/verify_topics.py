"""Reads the topics for `bridge verify`: the records in our name, and what Kafka has removed before them."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from confluent_kafka import Message

from bridge.admin.verify_scope import Scope
from bridge.encoding.headers import (
    CE_ID,
    CE_SEQUENCE,
    CE_SOURCE,
    CE_TIME,
    CE_TYPE,
    DEAD_TABLE,
    REPLAYED,
    TOMBSTONE,
    ce_source,
)
from bridge.encoding.routing import Router
from bridge.encoding.tombstone import SOURCE
from bridge.event import SOURCES
from bridge.kafka.cluster import Cluster, Partition
from bridge.kafka.headers import headers_of
from bridge.kafka.reader import Reader
from bridge.kafka.topics import COMPACTED
from bridge.postgres.queries import query
from bridge.progress import Progress
from bridge.settings import Route, Settings

# A record's time is its event's, but not in the relay's future: clocks of servers may differ. What is read before the
# first event that counts also tells up to when Kafka has removed records.
MARGIN_MS = 2 * 3_600_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SEQUENCE = re.compile(rb"[0-9]{1,19}").fullmatch
UUID = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
LARGEST = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as it was read: the first offset of each partition, once all was read; how long records are kept, and
    tombstones, where it is compacted.
    """

    number: int
    beginnings: Mapping[int, int]
    is_compacted: bool
    retention_ms: int | None
    tombstones_ms: int

    @property
    def is_trimmed(self) -> bool:
        """Whether Kafka has removed first records."""
        return any(self.beginnings.values())

    def place(self, partition: int) -> int:
        """As the records have it."""
        return self.number << 32 | partition


@dataclass(frozen=True, slots=True)
class Found:
    """The topics that there are, by name; and those that Kafka does not have."""

    topics: Mapping[str, Topic] = field(default_factory=dict)
    missing: Sequence[str] = ()

    @property
    def trimmed(self) -> list[str]:
        """Those that no longer have their first records."""
        return sorted(name for name, topic in self.topics.items() if topic.is_trimmed)


def read_topics(settings: Settings, audit: sqlite3.Connection, scope: Scope, progress: Progress) -> Found:
    """Add each record of ours to `seen`. Raises BrokerUnavailable, ConfigError."""
    cluster = Cluster(settings)
    exist = cluster.partition_counts()
    names = [topic for topic in scope.topics if topic in exist or topic in scope.former]
    since_ms = None if scope.since_us <= 0 else max(scope.since_us // 1000 - MARGIN_MS, 0)
    with Reader(settings, names, since_ms=since_ms) as reader:
        configs = cluster.topic_configs(names)
        compacted = {name for name, config in configs.items() if COMPACTED in config.cleanup_policy}
        records = _Records(settings, audit, scope, names, compacted)
        ends = reader.all_ends()
        audit.execute("begin")
        for messages in reader.up_to(ends):
            records.add(messages)
            progress("records", *reader.progress(ends))
        progress("records", *reader.progress(ends))
        audit.execute("commit")
        beginnings = reader.beginnings_now()
    return Found(
        {
            name: Topic(
                number,
                _of(name, beginnings),
                name in compacted,
                configs[name].retention_ms
                if "delete" in configs[name].cleanup_policy and configs[name].retention_ms >= 0
                else None,
                configs[name].tombstones_ms,
            )
            for number, name in enumerate(names)
        },
        [topic for topic in scope.topics if topic not in exist],
    )


def is_id(header: bytes) -> bool:
    """Whether it may be an event's id; it is whatever somebody wrote into a header."""
    return UUID(header) is not None


def _of(topic: str, offsets: Mapping[Partition, int]) -> dict[int, int]:
    return {partition: offset for (name, partition), offset in offsets.items() if name == topic}


class _Records:
    """Puts messages where they are compared."""

    def __init__(
        self, settings: Settings, audit: sqlite3.Connection, scope: Scope, names: list[str], compacted: set[str]
    ) -> None:
        self._audit = audit
        self._dead_letters = settings.topics.dead_letters
        self._router = Router(scope.routes)
        self._chosen = None if scope.is_whole else {scope.routes[number - 1] for number in scope.chosen}
        self._sources: dict[Any, int] = {
            ce_source(settings.relay.name, source).encode(): number for number, source in enumerate(SOURCES)
        }
        self._tombstones: Any = ce_source(settings.relay.name, SOURCE).encode()
        self._numbers: dict[Any, int] = {name: number for number, name in enumerate(names)}
        self._compacted = compacted

    def add(self, messages: list[Message]) -> None:
        others: list[tuple[int, bytes, Any]] = []
        self._audit.executemany(query("verify_add_seen"), self._ours(messages, others))
        if others:
            self._audit.executemany(query("verify_add_other"), others)

    def _ours(self, messages: Iterable[Message], others: list[tuple[int, bytes, Any]]) -> Iterator[tuple[Any, ...]]:
        for message in messages:
            headers: dict[str, Any] = dict(headers_of(message))
            source = self._sources.get(headers.get(CE_SOURCE))
            topic: Any = message.topic()
            place = self._numbers[topic] << 32 | (message.partition() or 0)
            key: Any = message.key() or b""
            is_dead = topic == self._dead_letters
            if source is None or REPLAYED in headers:  # what was replayed is no copy, and in no order to the rest
                if topic in self._compacted:
                    is_usual = headers.get(CE_SOURCE) == self._tombstones and REPLAYED not in headers
                    others.append((place, key, headers.get(TOMBSTONE) if is_usual else None))
            elif not is_dead or self._chosen is None or self._route(headers) in self._chosen:
                id, at, seq = headers.get(CE_ID) or b"", _time(headers.get(CE_TIME)), _seq(headers.get(CE_SEQUENCE))
                yield id, is_dead, place, message.offset(), key, source, seq, at

    def _route(self, headers: Mapping[str, bytes | None]) -> Route | None:
        """Of a dead letter's event; a type that was cut is longer than a route can name, but for its beginning."""
        table = headers.get(DEAD_TABLE)
        event_type = (headers.get(CE_TYPE) or b"").decode("utf-8", "replace")
        return self._router.find(event_type, None if table is None else table.decode("utf-8", "replace"))


def _time(header: bytes | None) -> int | None:
    """Microseconds since 1970; None for what is no time."""
    try:
        return (datetime.fromisoformat((header or b"").decode()) - EPOCH) // MICROSECOND
    except (ValueError, TypeError):  # no text, no time, or none with an offset
        return None


def _seq(header: bytes | None) -> int | None:
    return min(int(header), LARGEST) if header and SEQUENCE(header) else None
