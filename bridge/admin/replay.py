"""Replays: events that are published once more, on purpose. Which there are; what one would publish; how one begins.

A replay is a row of `bridge.replay`, which says up to which number it is done: `replay_run.py` goes on from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import class_row

from bridge.admin.person import who
from bridge.encoding.routing import Router
from bridge.errors import ConfigError
from bridge.event import CHANGED
from bridge.postgres.queries import query
from bridge.settings import Settings

MOST = 1000  # replays of which a list tells


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events: of a time, `until` excluded; of these types, keys and topics, where any are named."""

    since: datetime
    until: datetime
    types: Sequence[str] = ()
    keys: Sequence[str] = ()
    topics: Sequence[str] = ()

    @property
    def parameters(self) -> dict[str, Any]:
        """For the queries: null where all are wanted."""
        return {
            "since": self.since,
            "until": self.until,
            "types": list(self.types) or None,
            "keys": list(self.keys) or None,
            "topics": list(self.topics) or None,
        }


@dataclass(frozen=True, slots=True)
class Replay:
    """One row of `bridge.replay`; times as in `Wanted`, `event_types`, `event_keys` and `topics` None: all.

    It is done up to the number `last_seq` of `until_seq`. Of what is wanted, `events_parked` were handed to the relay,
    and `events_passed` were not: not published before, being replayed already, erased, or without a route. Of the
    former `events_open` are still to be published, and `events_refused` cannot be any more as they are.
    """

    id: int
    since: datetime
    until: datetime
    event_types: Sequence[str] | None
    event_keys: Sequence[str] | None = field(repr=False)
    topics: Sequence[str] | None
    until_seq: int
    last_seq: int
    events_parked: int
    events_passed: int
    state: str
    started_at: datetime
    changed_at: datetime
    started_by: str
    why: str | None
    os_user: str | None
    host: str | None
    events_open: int
    events_refused: int


class Counted(NamedTuple):
    """How many events a replay would publish, and how many it would pass: not published yet (or dead), being replayed
    already, or published, but erased since, or of a type that has no route any more.
    """

    events: int
    unpublished: int
    being_replayed: int
    unrouted: int


@dataclass(frozen=True, slots=True)
class Departed:
    """Table partitions of a table that have left; `rows` None where none of them was counted.

    `has_files`: of some there are cold files.
    """

    parent: str
    partitions: int
    since: datetime
    until: datetime
    rows: int | None
    has_files: bool


def routes_of(settings: Settings, topics: Sequence[str] = (), types: Sequence[str] = ()) -> Mapping[str, list[str]]:
    """What goes to which topic, for the queries. Raises ConfigError where no route has one of `topics` or `types`."""
    unknown = sorted(set(topics) - {route.topic for route in settings.routes})
    if unknown:
        raise ConfigError(
            f"no route names the topic {unknown[0]!r}", hint="bridge config show lists the routes, and their topics"
        )
    router = Router(settings.routes)
    unrouted = [name for name in types if name != CHANGED and router.find(name, None) is None]
    if unrouted:
        raise ConfigError(f"no route takes the event type {unrouted[0]!r}", hint=f"bridge route {unrouted[0]} says why")
    return {
        "rules": [route.rule for route in settings.routes],
        "routed_topics": [route.topic for route in settings.routes],
    }


def list_replays(conn: psycopg.Connection) -> list[Replay]:
    """The latest first."""
    return _replays(conn, None)


def find_replay(conn: psycopg.Connection, id: int) -> Replay:
    """One by its number. Raises ConfigError where there is none."""
    found = _replays(conn, id)
    if not found:
        raise ConfigError(f"there is no replay {id}", hint="bridge replay --list shows those that there are")
    return found[0]


def begin_replay(conn: psycopg.Connection, wanted: Wanted, why: str | None = None) -> Replay:
    """A new one, of which nothing is done."""
    (id,) = conn.execute(query("start_replay"), wanted.parameters | who(why)).fetchone() or (0,)
    return find_replay(conn, id)


def count_wanted(conn: psycopg.Connection, wanted: Wanted, routes: Mapping[str, list[str]]) -> Counted:
    """What a replay would do; reads all events of the time."""
    return Counted(*conn.execute(query("replay_count"), {**wanted.parameters, **routes}).fetchone() or (0, 0, 0, 0))


def find_departed(conn: psycopg.Connection, since: datetime, until: datetime) -> list[Departed]:
    """What has left the database of a time, whose events cannot be replayed before it is back."""
    with conn.cursor(row_factory=class_row(Departed), binary=True) as cursor:
        return cursor.execute(query("replay_departed"), {"since": since, "until": until}).fetchall()


def _replays(conn: psycopg.Connection, id: int | None) -> list[Replay]:
    with conn.cursor(row_factory=class_row(Replay), binary=True) as cursor:
        return cursor.execute(query("replays"), {"id": id, "most": MOST}).fetchall()
