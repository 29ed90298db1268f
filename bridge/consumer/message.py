"""What a handler is given: one record, decoded, with the event's own words about itself."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, Self, TypeAlias

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE
from confluent_kafka import Message as KafkaMessage

from bridge.encoding.headers import (
    CE_ID,
    CE_SEQUENCE,
    CE_SOURCE,
    CE_SUBJECT,
    CE_TIME,
    CE_TYPE,
    CONTENT_TYPE,
    REPLAYED,
    TOMBSTONE,
)

LONGEST_ID: Final = 300  # characters; longer ones are known by their hash, because an index entry has its limits
LATEST_MILLISECONDS: Final = 250_000_000_000_000  # the year 9892
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Partition: TypeAlias = "tuple[str, int]"  # a topic, and the number


class Arrived(NamedTuple):
    """A record as it came: bytes, and text that keeps them. `at` is when Kafka has it from, in UTC."""

    topic: str
    partition: int
    offset: int
    at: datetime | None
    key: bytes | None
    value: bytes | None
    headers: dict[str, str]

    @classmethod
    def of(cls, message: KafkaMessage, headers: list[tuple[str, bytes | None]]) -> Self:
        """Of two headers with one name the last counts, and one without a value is empty."""
        kind, milliseconds = message.timestamp()
        return cls(
            str(message.topic()),
            message.partition() or 0,
            message.offset() or 0,
            None if kind == TIMESTAMP_NOT_AVAILABLE else _time(milliseconds),
            _bytes(message.key()),
            _bytes(message.value()),
            {name: text(value or b"") for name, value in headers},
        )

    @property
    def part(self) -> Partition:
        return self.topic, self.partition

    @property
    def type(self) -> str:
        return self.headers.get(CE_TYPE, "")

    @property
    def content_type(self) -> str:
        return self.headers.get(CONTENT_TYPE, "")

    @property
    def identity(self) -> tuple[str, str]:
        """Source and id, by which the inbox knows it: those of CloudEvents, else its place in Kafka, and its time: a
        topic that is deleted and made anew has the same places once more.

        A record without a value is another one than the record with it, and one for each topic: a deletion may be
        followed by a tombstone of its id, and an erasure has one id in all topics.
        """
        source, id_ = self.headers.get(CE_SOURCE, ""), self.headers.get(CE_ID) or self.headers.get(TOMBSTONE, "")
        if not id_:
            source, id_ = f"kafka:{self.topic}/{self.partition}", f"{self.offset} at {self.at}"
        elif self.value is None:
            id_ = f"{id_} tombstone of {self.topic}"
        return _bounded(source), _bounded(id_)


@dataclass(frozen=True)
class Message:
    """One record. `key` and `headers` are text; bytes that are no UTF-8 are kept as `surrogateescape` keeps them.

    `value` is None for a tombstone, and else what its schema says: records are dicts, and logical types are `Decimal`,
    `datetime` (with UTC, but for `local-timestamp`), `date`, `time` and `UUID`. Of JSON, numbers with a fraction are
    `Decimal`, so that nothing is rounded. What is neither is `bytes`.
    """

    topic: str
    partition: int
    offset: int
    at: datetime | None  # Kafka's time of the record, in UTC, to a millisecond
    key: str | None
    value: Any
    headers: Mapping[str, str]
    schema_id: int | None  # None where the value is not Avro
    attempt: int  # 1 at first

    @property
    def id(self) -> str:
        """`ce_id`: the same each time the event is published; empty where it has none."""
        return self.headers.get(CE_ID, "")

    @property
    def source(self) -> str:
        """`ce_source`"""
        return self.headers.get(CE_SOURCE, "")

    @property
    def type(self) -> str:
        """`ce_type`: the event's type"""
        return self.headers.get(CE_TYPE, "")

    @property
    def subject(self) -> str:
        """`ce_subject`: the event's key"""
        return self.headers.get(CE_SUBJECT, "")

    @property
    def time(self) -> datetime | None:
        """`ce_time`: when the event was written, in UTC; None where it is missing or is no time."""
        try:
            return datetime.fromisoformat(self.headers[CE_TIME])
        except (KeyError, ValueError):
            return None

    @property
    def sequence(self) -> int | None:
        """`ce_sequence`: its number in the outbox, which grows for one key; None where it has none."""
        number = self.headers.get(CE_SEQUENCE, "")
        return int(number) if number.isascii() and number.isdigit() else None

    @property
    def traceparent(self) -> str | None:
        """The writer's trace (W3C), or None."""
        return self.headers.get("traceparent")

    @property
    def is_replayed(self) -> bool:
        """Whether `bridge replay` published it once more; the inbox passes over it if it was received before."""
        return REPLAYED in self.headers


def text(content: bytes) -> str:
    """UTF-8 as it is; other bytes so that `content.encode("utf-8", "surrogateescape")` gives them back."""
    return content.decode("utf-8", "surrogateescape")


def _time(milliseconds: int) -> datetime | None:
    """None for what its producer made up: the calendar ends before Kafka's numbers do."""
    return EPOCH + timedelta(milliseconds=milliseconds) if 0 <= milliseconds < LATEST_MILLISECONDS else None


def _bytes(content: bytes | str | None) -> bytes | None:
    return content.encode() if isinstance(content, str) else content


def _bounded(name: str) -> str:
    """As Postgres can hold and index it."""
    if len(name) <= LONGEST_ID and name.isascii() and "\0" not in name:
        return name
    return f"sha256:{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()}"
