"""The record without a value that follows a delete, so that a compacted topic forgets the key."""

from __future__ import annotations

from typing import Final

import orjson

from bridge.encoding.headers import CE_SOURCE, REPLAYED, TOMBSTONE, ce_source
from bridge.event import Event, Header, Record

SOURCE: Final = "tombstone"  # none of events', so that `bridge verify` and `recover` take it for no event's record


def is_delete(change: Event) -> bool:
    """Whether a tracked table's row is gone after it, and its key with it, for it is no other row's."""
    told = orjson.loads(change.payload)
    return told["action"] == "DELETE" and change.key == f"{told['entity_type']}:{told['entity_id']}"


def tombstone(name: str, event: Event, record: Record) -> Record:
    """What follows `record` in the same Kafka transaction. A consumer's `ce_id` is that of no event."""
    headers: list[Header] = [(CE_SOURCE, ce_source(name, SOURCE).encode()), (TOMBSTONE, event.id.encode())]
    if event.replay_id is not None:  # it removes later records of the key, too
        headers.append((REPLAYED, str(event.replay_id)))
    return Record(record.topic, record.key, None, headers, record.timestamp_ms)
