"""The values that travel through the relay; immutable, no I/O. Those made once an event are named tuples, which
cost a third of a frozen dataclass to make.

`Event` (a row of the outbox) becomes a `Record` (what is handed to Kafka), or a `DeadLetter` with its reason.
Both together are the batch that one claim and one Kafka transaction carry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

EVENT_QUEUE = "event_queue"
ENTITY_EVENTS = "entity_events"
SOURCES = (EVENT_QUEUE, ENTITY_EVENTS)
STATES = ("previous_state", "new_state")  # of a change: the row before and after it
CHANGED = "entity.changed"  # the event type of all of entity_events, and of nothing else

# Of a row's texts, no more than this is read: characters. What is as long is refused.
MAX_TYPE = 10_000
MAX_HEADER_TEXT = 100_000

# Of a row whose payload is empty:
UNREADABLE = "Postgres cannot make text of it: that would be longer than a gigabyte, or the row is damaged"

Header = tuple[str, str | bytes | None]


class Event(NamedTuple):
    """One row of the outbox, as read.

    `payload` is JSON text; for `entity_events` it holds the row's columns as an object. It is empty where Postgres
    cannot make that text: it would be longer than a gigabyte, or is damaged.
    `headers` is JSON text of an object, or None where the writer gave none. `created_us` is the time it was written,
    in microseconds since 1970 (UTC); `key_hash` is Postgres' `hashtextextended(key, 0)`.

    `event_type` is empty where the row is gone: an event has one, and what was parked must not vanish in silence.
    `entity_type` is the tracked table's for `entity_events`, and None for others. `xid` is the writer's transaction,
    None where records do not tell it.
    `replay_id` is the replay's that publishes it once more, None for an event's first time.
    `cut_at`: the characters after which its payload or key was cut off, None where the whole of both is here.
    """

    source: str
    seq: int
    id: str
    event_type: str
    key: str
    payload: str
    headers: str | None
    created_us: int
    key_hash: int = 0
    entity_type: str | None = None
    xid: str | None = None
    replay_id: int | None = None
    cut_at: int | None = None


class Record(NamedTuple):
    """What is handed to Kafka: `value` is as the route's encoding says, JSON in a dead letter, None in a tombstone.

    `tombstone` is the one that follows it, if one does.
    """

    topic: str
    key: bytes
    value: bytes | None
    headers: list[Header]
    timestamp_ms: int
    tombstone: Record | None = None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that can never be published as it is, and why; `kind` is one of few words, for counting."""

    event: Event
    reason: str
    kind: str = "failed"  # alone, where the others of its batch did not
