"""Which of the events that are in no topic cannot be judged, because Kafka may have removed their records.

Retention removes the first records of a topic's partition, so what is missing was published and removed only if its
record lay before the first one that is left. It did not, and the event is lost,
- if a record of its key is left there that comes before it: a key's events are in order;
- or if it was written after the first that are left had been published, and is younger than Kafka keeps records.

Compaction leaves the last record of a key, so what is missing is lost if no record of its key comes after it. But where
that is a tombstone, compaction removes this, too, after a while: then nothing is left of the key up to there.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import psycopg

from bridge.admin.verify_scope import Scope
from bridge.admin.verify_topics import LARGEST, Found, Topic, is_id
from bridge.kafka.partitioner import key_hash
from bridge.postgres.queries import query

MARGIN_US = 3_600_000_000  # between clocks, and for transactions that commit late
FIRST_RECORDS = 100  # that must all have been published: one may have waited behind a dead event of its key
BATCH_ROWS = 500  # keys may be large


class _Event(NamedTuple):
    """An event that is missing; `seq` is None if it was to wait for its time."""

    number: int
    id: str
    seq: int | None
    at: int


def judge_missing(conn: psycopg.Connection, audit: sqlite3.Connection, scope: Scope, found: Found) -> None:
    """Give each missing event that cannot be judged its reason."""
    _excuse_dead(audit, found.topics.get(scope.topics[-1]))
    for number in scope.chosen:
        home = scope.routes[number - 1].topic
        topics = [found.topics[name] for name in (home, *scope.former) if name in found.topics]
        if not any(topic.is_trimmed or topic.is_compacted for topic in topics):
            continue
        judges = [_Judge(conn, audit, topic) for topic in topics]
        audit.executescript(query("verify_key_index"))
        if early := judges[0].early():
            audit.execute(query("verify_excuse_early"), early | {"type": number})
        for events in _doubtful(audit, number):
            audit.executemany(query("verify_excuse"), _excuses(conn, judges, events))
        if any(topic.is_compacted for topic in topics):
            _excuse_erased(conn, audit, number)
            if scope.routes[number - 1].tombstone:
                _excuse_removed(conn, audit, judges, number)


def _excuse_dead(audit: sqlite3.Connection, letters: Topic | None) -> None:
    if letters is not None and (letters.is_trimmed or letters.is_compacted):
        audit.execute(query("verify_excuse_dead"), {"reason": "trimmed" if letters.is_trimmed else "compacted"})


def _excuse_erased(conn: psycopg.Connection, audit: sqlite3.Connection, type_number: int) -> None:
    """At the tombstone compaction removes the last record of a key, too, and then the tombstone."""
    for events in _lost(audit, type_number):
        found = {id for (id,) in conn.execute(query("verify_erased"), {"ids": list(events)})}
        audit.executemany(query("verify_excuse"), [("erased", number) for id, number in events.items() if id in found])


def _excuse_removed(
    conn: psycopg.Connection, audit: sqlite3.Connection, judges: Sequence[_Judge], type_number: int
) -> None:
    """The same at the tombstones that relays publish."""
    for events in _lost(audit, type_number):
        found = conn.execute(query("verify_removed"), {"ids": list(events)}).fetchall()
        removed = [id for id, *last in found if any(judge.may_have_removed(*last) for judge in judges)]
        audit.executemany(query("verify_excuse"), [("compacted", events[id]) for id in removed])


def _lost(audit: sqlite3.Connection, type_number: int) -> Iterator[dict[str, int]]:
    """Events of a type that have no reason yet, by id."""
    after, asked = 0, {"type": type_number, "rows": BATCH_ROWS}
    while rows := audit.execute(query("verify_lost"), asked | {"after": after}).fetchall():
        after = rows[-1][0]
        yield {id: number for number, id in rows}


def _doubtful(audit: sqlite3.Connection, type_number: int) -> Iterator[list[_Event]]:
    """Read before any of them is given its reason."""
    audit.execute(query("verify_doubtful_forget"))
    audit.execute(query("verify_doubtful"), {"type": type_number})
    after = 0
    while rows := audit.execute(query("verify_doubtful_next"), {"after": after, "rows": BATCH_ROWS}).fetchall():
        after = rows[-1][0]
        yield [_Event(*row) for _, *row in rows]


def _excuses(conn: psycopg.Connection, judges: Sequence[_Judge], events: Sequence[_Event]) -> Iterator[tuple[str, int]]:
    bounds = {"since": events[0].at, "until": events[-1].at}
    keys: dict[str, bytes] = dict(
        conn.execute(query("verify_keys"), {"ids": [event.id for event in events]} | bounds).fetchall()
    )
    for event in events:
        if event.id not in keys:
            yield "departed", event.number  # while the topics were read
        elif reason := next(filter(None, (judge.excuse(event, keys[event.id]) for judge in judges)), None):
            yield reason, event.number


class _Judge:
    """What one topic says of a missing event."""

    def __init__(self, conn: psycopg.Connection, audit: sqlite3.Connection, topic: Topic) -> None:
        self._audit = audit
        self._topic = topic
        kept = topic.retention_ms
        now = time.time_ns() // 1000
        self._oldest = None if kept is None else now - kept * 1000 + MARGIN_US
        self._oldest_tombstone = now - topic.tombstones_ms * 1000 + MARGIN_US
        self._published: dict[int, int] = {}  # by partition: when its first records had been, as far as that is known
        if topic.is_trimmed:
            audit.execute(query("verify_place_index"))
            for partition, beginning in topic.beginnings.items():
                if (bound := self._bound(conn, topic.place(partition), beginning)) is not None:
                    self._published[partition] = bound + MARGIN_US

    def _bound(self, conn: psycopg.Connection, place: int, beginning: int) -> int | None:
        """When the first records that are left had been published at the latest, in microseconds since 1970."""
        asked = {"place": place, "position": beginning, "rows": FIRST_RECORDS}
        first = dict(self._audit.execute(query("verify_first"), asked).fetchall())
        ids = [id for id in first if is_id(id.encode())]
        known: dict[str, int | None] = dict(conn.execute(query("verify_bounds"), {"ids": ids}).fetchall())
        bounds = [known.get(id, left_at) for id, left_at in first.items()]
        return max((bound for bound in bounds if bound is not None), default=None)

    def early(self) -> dict[str, int] | None:
        """Up to when, and before what, an event may have been in the first partition, whatever its key."""
        if not (beginning := self._topic.beginnings[0]):
            return None
        return {
            "at": min(self._published.values(), default=LARGEST),
            "place": self._topic.place(0),
            "position": beginning,
        }

    def excuse(self, event: _Event, key: bytes) -> str | None:
        """Why it may have been there, if it may."""
        if self._topic.is_compacted and self._is_followed(event, key):
            return "compacted"
        if self._topic.is_trimmed and any(self._may_have_held(p, event, key) for p in self._partitions(event, key)):
            return "trimmed"
        return None

    def may_have_removed(self, key: bytes, seq: int, at: int) -> bool:
        """Whether compaction may have removed all of a key up to the tombstone behind this event, and later that."""
        if not self._topic.is_compacted or at > self._oldest_tombstone:
            return False
        place = self._topic.place(key_hash(key) % len(self._topic.beginnings))
        return not self._is_so("verify_is_preceded", {"key": key, "place": place, "position": 0, "seq": seq})

    def _partitions(self, event: _Event, key: bytes) -> set[int]:
        """Where its record may have been: the topic may have had fewer partitions, but not fewer than were in use."""
        count = len(self._topic.beginnings)
        if not key:
            return set(range(count))
        in_use = [p for p, published in self._published.items() if published < event.at]
        hashed = key_hash(key)
        return {hashed % n for n in range(max(in_use, default=0) + 1, count + 1)}

    def _may_have_held(self, partition: int, event: _Event, key: bytes) -> bool:
        beginning = self._topic.beginnings[partition]
        if not beginning:
            return False
        published = self._published.get(partition)
        if published is not None and event.at > published and (self._oldest is None or event.at > self._oldest):
            return False
        if event.seq is None:
            return True
        asked = {"key": key, "place": self._topic.place(partition), "position": beginning, "seq": event.seq}
        return not self._is_so("verify_is_preceded", asked)

    def _is_followed(self, event: _Event, key: bytes) -> bool:
        asked = {
            "key": key,
            "first": self._topic.place(0),
            "last": self._topic.place(len(self._topic.beginnings) - 1),
            "seq": event.seq,
        }
        return self._is_so("verify_is_followed", asked)

    def _is_so(self, question: str, asked: dict[str, Any]) -> bool:
        (answer,) = self._audit.execute(query(question), asked).fetchone()
        return bool(answer)
