"""The auditor: compares what the database says was published with what a read_committed consumer can read.

Shares nothing with the relay but settings and the names of headers. Order of reading: first the database, then the
topics, then once more the ids that only the topics have; so a relay that runs meanwhile gives no false alarm.
"""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Message

from bridge.encoding.headers import CE_ID, CE_SOURCE, ce_source
from bridge.encoding.routing import all_topics
from bridge.event import SOURCES
from bridge.kafka.cluster import Cluster
from bridge.kafka.reader import Reader, headers_of
from bridge.postgres.connection import connect
from bridge.postgres.explained import explained
from bridge.postgres.migrate import require_current
from bridge.postgres.queries import query
from bridge.settings import Settings

KINDS = ("lost", "duplicated", "reordered", "phantom")
BATCH_ROWS = 10_000
UUID = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch


@dataclass(frozen=True)
class Verdict:
    """What was found; `lost` to `phantom` are numbers of events, `examples` the first ids of each kind that occurs.

    lost: PROCESSED, but in no routed topic; or DEAD, but not among the dead letters.
    duplicated: copies beyond the first. reordered: in a routed topic behind a later event of the same key. phantom:
    published in our name, but not in the database. `trimmed`: topics that no longer have their first records, so that
    the events in those count as lost. `reused`: the sequence of event numbers was set back behind this one.
    """

    events: int
    records: int
    published: int
    pending: int
    dead: int
    lost: int
    duplicated: int
    reordered: int
    phantom: int
    examples: Mapping[str, tuple[str, ...]]
    reused: int | None
    trimmed: tuple[str, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether database and topics agree."""
        return self.reused is None and not any(getattr(self, kind) for kind in KINDS)


def verify(settings: Settings) -> Verdict:
    """Read both sides whole and compare them.

    Needs about 300 bytes an event in the temporary directory (TMPDIR). Raises DatabaseUnavailable, MigrationError,
    BrokerUnavailable, ConfigError.
    """
    begun = time.monotonic()
    with closing(sqlite3.connect("", isolation_level=None)) as audit:  # on disk, and gone with us, however we end
        audit.text_factory = lambda text: text.decode(
            "utf-8", "replace"
        )  # ids are whatever somebody wrote into a header
        audit.executescript("pragma journal_mode = off; pragma synchronous = off; pragma cache_size = -65536")
        audit.executescript(query("verify_schema"))
        reused = _read_database(settings, audit)
        trimmed = _read_topics(settings, audit)
        audit.executescript(query("verify_index"))
        _look_again(settings, audit)
        audit.executescript(query("verify_compare"))
        return _verdict(audit, reused, trimmed, begun)


def _read_database(settings: Settings, audit: sqlite3.Connection) -> int | None:
    """Returns the highest number of an event, where the sequence stands behind it."""
    with explained(), connect(settings.database.url, application_name="bridge verify") as conn:
        require_current(conn)
        conn.execute("begin isolation level repeatable read read only")
        audit.execute("begin")
        with conn.cursor("events", binary=True) as events:
            events.execute(query("verify_events"))
            while rows := events.fetchmany(BATCH_ROWS):
                audit.executemany(query("verify_add_event"), rows)
        audit.execute("commit")
        row = conn.execute(query("numbers_of_all")).fetchone()
        conn.execute("commit")
    return row[1] if row and row[0] < row[1] else None


def _read_topics(settings: Settings, audit: sqlite3.Connection) -> tuple[str, ...]:
    """Returns the topics that no longer have their first records."""
    exist = Cluster(settings).partition_counts()
    dead_letters = settings.topics.dead_letters
    topics = [topic for topic in all_topics(settings) if topic in exist]
    ours = {ce_source(settings.relay.name, source).encode() for source in SOURCES}
    with Reader(settings, topics) as reader:
        audit.execute("begin")
        for messages in reader.up_to(reader.all_ends()):
            audit.executemany(query("verify_add_seen"), _seen(messages, ours, topics, dead_letters))
        audit.execute("commit")
        return tuple(sorted({topic for (topic, _), offset in reader.beginnings.items() if offset > 0}))


def _seen(
    messages: list[Message], ours: set[bytes], topics: list[str], dead_letters: str
) -> Iterator[tuple[Any, bool, int, Any]]:
    numbers: dict[Any, int] = {topic: number for number, topic in enumerate(topics)}
    for message in messages:
        headers: dict[str, Any] = dict(headers_of(message))
        if headers.get(CE_SOURCE) in ours:
            topic = message.topic()
            place = numbers[topic] << 32 | (message.partition() or 0)
            yield headers.get(CE_ID) or b"", topic == dead_letters, place, message.key() or b""


def _look_again(settings: Settings, audit: sqlite3.Connection) -> None:
    """Add the events that were committed after the snapshot, but are in the topics already."""
    unknown = audit.execute(query("verify_unknown"))
    with connect(settings.database.url, application_name="bridge verify") as conn:
        while rows := unknown.fetchmany(BATCH_ROWS):
            ids = [id.decode() for (id,) in rows if UUID(id)]
            found = conn.execute(query("verify_known"), {"ids": ids})
            audit.executemany(query("verify_add_late"), ((id.encode(), seq) for id, seq in found))


def _verdict(audit: sqlite3.Connection, reused: int | None, trimmed: tuple[str, ...], begun: float) -> Verdict:
    events, records, published, pending, dead = audit.execute(query("verify_counts")).fetchone()
    found = audit.execute(query("verify_differences")).fetchall()
    number = {kind: count for kind, count, _ in found}
    return Verdict(
        events=events,
        records=records,
        published=published,
        pending=pending,
        dead=dead,
        lost=number.get("lost", 0),
        duplicated=number.get("duplicated", 0),
        reordered=number.get("reordered", 0),
        phantom=number.get("phantom", 0),
        examples={kind: tuple(json.loads(ids)) for kind, _, ids in found},
        reused=reused,
        trimmed=trimmed,
        seconds=round(time.monotonic() - begun, 3),
    )
