"""What Kafka counts and checks of a record, besides its value."""

from __future__ import annotations

import time

from bridge.event import Event, Record

FRAMING_BYTES = 256  # what Kafka adds to a record that is alone in its batch, at most


def size(record: Record) -> int:
    """Bytes that Kafka counts for the record, rounded up: uncompressed, because compression is not known yet."""
    own = len(record.key) + len(record.value or b"") + FRAMING_BYTES
    return own + sum(_counted(len(name.encode())) + _counted(_bytes(value)) for name, value in record.headers)


def _counted(length: int) -> int:
    """Bytes with their length before them, a zigzag varint."""
    return length + (1 if length < 64 else 2 if length < 8192 else 3 if length < 1 << 20 else 5)


def _bytes(value: str | bytes | None) -> int:
    return len(value.encode() if isinstance(value, str) else value or b"")


class RecordClock:
    """A record's time: the event's, but never in the future, where a broker would refuse the whole batch."""

    def __init__(self) -> None:
        self._past_us = 0  # some time in the past, in microseconds since 1970

    def timestamp_ms(self, event: Event) -> int:
        """Milliseconds since 1970."""
        created_us = event.created_us
        if not 0 <= created_us <= self._past_us:  # the clock is asked for one event in thousands
            self._past_us = time.time_ns() // 1000
            created_us = max(min(created_us, self._past_us), 0)
        return created_us // 1000
