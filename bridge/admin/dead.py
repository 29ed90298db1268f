"""Dead events: which there are, and what people decide about them. The work is done by functions in the database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from bridge.admin.person import who
from bridge.postgres.around import LenientBinary
from bridge.postgres.queries import query

SLICE = 1000  # events that one transaction decides about: some 20 ms, for which a claim waits


class Decision(StrEnum):
    """What a person decides about dead events."""

    RETRIED = "retried"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which dead events: those of these ids, types, keys, topics, sources and shards, where any are named.

    `died_of`: what the reason holds somewhere, in upper or lower case. `before` and `since`: when they died.
    """

    event_ids: Sequence[UUID] = ()
    event_types: Sequence[str] = ()
    event_keys: Sequence[str] = field(default=(), repr=False)
    topics: Sequence[str] = ()
    sources: Sequence[str] = ()
    shards: Sequence[int] = ()
    died_of: str | None = None
    before: datetime | None = None
    since: datetime | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """For the queries: null where all are wanted."""
        return {
            "event_ids": list(self.event_ids) or None,
            "event_types": list(self.event_types) or None,
            "event_keys": list(self.event_keys) or None,
            "topics": list(self.topics) or None,
            "sources": list(self.sources) or None,
            "shards": list(self.shards) or None,
            "died_of": self.died_of,
            "died_before": self.before,
            "died_since": self.since,
        }


@dataclass(frozen=True, slots=True)
class DeadEvent:
    """One event that can never be published as it is; `waits_behind` says what waits: its key, its topic or nothing.

    `deaths`: how often it has died.
    """

    event_id: UUID
    source: str
    seq: int
    shard: int
    topic: str
    event_type: str
    event_key: str = field(repr=False)
    reason: str
    died_at: datetime
    deaths: int
    waits_behind: str


class Group(NamedTuple):
    """Dead events of one topic and type that died of the same."""

    topic: str
    event_type: str
    reason: str
    events: int


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision about one event: by which role of the database, and by whom on which host, if that was told."""

    decided_at: datetime
    decision: str
    why: str | None
    decided_by: str
    os_user: str | None
    host: str | None
    event_id: UUID
    seq: int
    source: str
    topic: str
    died_of: str | None


def list_dead(conn: psycopg.Connection, wanted: Wanted, most: int) -> list[DeadEvent]:
    """Up to `most` dead events that nobody has decided about, in the order of their numbers."""
    with conn.cursor(row_factory=class_row(DeadEvent), binary=True) as cursor:
        cursor.adapters.register_loader("text", LenientBinary)  # a key may hold bytes that are no text
        return cursor.execute(query("dead_events"), wanted.parameters | {"most": most}).fetchall()


def summarise(conn: psycopg.Connection, wanted: Wanted) -> list[Group]:
    """How many there are of what, the most first."""
    return [Group(*row) for row in conn.execute(query("dead_summary"), wanted.parameters).fetchall()]


def decide(conn: psycopg.Connection, wanted: Wanted, decision: Decision, why: str | None) -> Iterator[int]:
    """Decide about all that are wanted, in the order of their numbers; gives how many each transaction was for.

    Whatever ends it, the same again goes on with those that are left. What dies meanwhile is none of it.
    """
    parameters = wanted.parameters | {
        "decision": decision,
        **who(why),
        "most": SLICE,
        "after": 0,
        "began": None,
    }
    while (row := conn.execute(query("decide_dead"), parameters).fetchone()) is not None:
        parameters["after"], decided, parameters["began"] = row
        yield decided


def list_decisions(conn: psycopg.Connection, event_id: UUID | None, most: int) -> list[Decided]:
    """Up to `most` decisions, about one event or all, the latest first."""
    with conn.cursor(row_factory=class_row(Decided), binary=True) as cursor:
        return cursor.execute(query("dead_decisions"), {"event_id": event_id, "most": most}).fetchall()
