"""The auditor: compares what the database says was published with what a read_committed consumer can read.

Shares nothing with the relay but settings and the names of headers. Order of reading: first the database, then the
topics, then once more the ids that only the topics have; so a relay that runs meanwhile gives no false alarm. What
retention has taken on one side cannot be compared with the other: that is counted, and the rest is judged.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg

from bridge.admin.verify_missing import judge_missing
from bridge.admin.verify_scope import Scope, scope_of
from bridge.admin.verify_topics import Found, is_id, read_topics
from bridge.postgres.connection import connect
from bridge.postgres.explained import explained
from bridge.postgres.migrate import require_current
from bridge.postgres.queries import query
from bridge.progress import Progress, silent
from bridge.settings import Settings

KINDS = ("lost", "duplicated", "reordered", "phantom")
BATCH_ROWS = 10_000
DAY_US = 86_400_000_000
TABLES = ("bridge.outbox", "bridge.history")


@dataclass(frozen=True, slots=True)
class Gap:
    """Phantoms of a time of which their table has no table partition; `since` and `until` are whole UTC days."""

    table: str
    phantoms: int
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Verdict:
    """What was found; `lost` to `phantom` are numbers of events, `examples` the first ids of each kind that occurs.

    `events` are published, pending, `dead` (nobody has decided) or `given_up` (by `bridge dead skip`). Of `records`,
    `dead_letters` are in their topic: one for each time that an event died, whatever became of it.

    lost: PROCESSED, but in no routed topic; or DEAD, but not among the dead letters. duplicated: copies beyond the
    first; or DEAD, but in a routed topic, too. reordered: in a routed topic behind a later event of the same key.
    phantom: published in our name, but not in the database. `reused`: the sequence of event numbers was set back
    behind this one.

    `not_judged` are numbers of events by reason: `trimmed`, `compacted` (Kafka may have removed the record), `unrouted`
    (no route says in which topic), `erased` (emptied by `bridge erase`, in a compacted topic), `departed` (records
    whose event's table partition was taken out), `behind` (records whose event a standby does not have, perhaps not
    yet). `missing`: topics that Kafka does not have. `trimmed`: topics that no longer have their first records.
    `moved`: event types of which all that is lost precedes the first record in their topic. `gaps`: what would explain
    phantoms.
    """

    events: int
    records: int
    published: int
    pending: int
    dead: int
    given_up: int
    dead_letters: int
    lost: int
    duplicated: int
    reordered: int
    phantom: int
    examples: Mapping[str, tuple[str, ...]]
    not_judged: Mapping[str, int]
    reused: int | None
    missing: tuple[str, ...]
    trimmed: tuple[str, ...]
    moved: tuple[str, ...]
    gaps: tuple[Gap, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether database and topics agree in all that can be judged."""
        return self.reused is None and not any(getattr(self, kind) for kind in KINDS)


def verify(
    settings: Settings,
    topics: Collection[str] = (),
    since: datetime | timedelta | None = None,
    progress: Progress = silent,
) -> Verdict:
    """Read both sides and compare them: all, or events of these topics, or those since a time or for so long.

    A topic that no route names is looked in as well. Needs about 350 bytes an event in the temporary directory
    (TMPDIR). Raises DatabaseUnavailable, MigrationError, BrokerUnavailable, ConfigError.
    """
    begun = time.monotonic()
    with closing(sqlite3.connect("", isolation_level=None)) as audit:  # on disk, and gone with us, however we end
        audit.text_factory = lambda text: text.decode(
            "utf-8", "replace"
        )  # ids are whatever somebody wrote into a header
        audit.executescript("pragma journal_mode = off; pragma synchronous = off; pragma cache_size = -65536")
        audit.executescript(query("verify_schema"))
        with explained(), connect(settings.database, application_name="bridge verify") as conn:
            require_current(conn)
            scope = scope_of(settings, conn, topics, since)
            reused = _read_database(conn, audit, scope, progress)
        found = read_topics(settings, audit, scope, progress)
        progress("comparing", 0, None)
        audit.executescript(query("verify_index_events"))
        audit.execute(query("verify_unknown"), scope.span)
        with explained(), connect(settings.database, application_name="bridge verify") as conn:
            _look_again(conn, audit)
            audit.execute(query("verify_departed"))
            audit.execute(query("verify_missing"))
            judge_missing(conn, audit, scope, found)
            (is_standby,) = conn.execute(query("is_standby")).fetchone() or (False,)
        behind = audit.execute(query("verify_behind")).rowcount if is_standby else 0
        audit.execute(query("verify_forget"), scope.span)
        audit.executescript(query("verify_compare"))
        return _verdict(audit, scope, reused, found, behind, begun)


def _read_database(conn: psycopg.Connection, audit: sqlite3.Connection, scope: Scope, progress: Progress) -> int | None:
    """Returns the highest number of an event, where the sequence stands behind it."""
    conn.execute("begin isolation level repeatable read read only")
    audit.execute("begin")
    _note_partitions(conn, audit)
    done = 0
    with conn.cursor("events", binary=True) as events:
        events.execute(query("verify_events"), scope.parameters)
        while rows := events.fetchmany(BATCH_ROWS):
            audit.executemany(query("verify_add_event"), rows)
            done += len(rows)
            progress("events", done, scope.about and max(scope.about, done))
    audit.execute("commit")
    row = conn.execute(query("numbers_of_all")).fetchone()
    conn.execute("commit")
    return row[1] if row and row[0] < row[1] else None


def _note_partitions(conn: psycopg.Connection, audit: sqlite3.Connection) -> None:
    """Noted before the events are read and after they were looked for again: one may leave, or return, in between."""
    audit.executemany(query("verify_add_partition"), conn.execute(query("verify_partitions")).fetchall())


def _look_again(conn: psycopg.Connection, audit: sqlite3.Connection) -> None:
    """Add the events that were committed after the snapshot, but are in the topics already; and deaths since then."""
    for ids in _ids(audit, "verify_unknown_ids"):
        found = conn.execute(query("verify_known"), {"ids": ids})
        audit.executemany(query("verify_add_late"), ((id.encode(), seq) for id, seq in found))
    for ids in _ids(audit, "verify_letters"):
        died = conn.execute(query("verify_deaths"), {"ids": ids})
        audit.executemany(query("verify_died"), ((deaths, id.encode()) for id, deaths in died))
    for ids in _ids(audit, "verify_revived"):
        still = conn.execute(query("verify_still_dead"), {"ids": ids})
        audit.executemany(query("verify_both"), ((id.encode(),) for (id,) in still))
    _note_partitions(conn, audit)


def _ids(audit: sqlite3.Connection, name: str) -> Iterator[list[str]]:
    found = audit.execute(query(name))
    while rows := found.fetchmany(BATCH_ROWS):
        yield [id.decode() for (id,) in rows if is_id(id)]


def _verdict(
    audit: sqlite3.Connection, scope: Scope, reused: int | None, topics: Found, behind: int, begun: float
) -> Verdict:
    events, records, published, pending, dead, given_up, dead_letters = audit.execute(query("verify_counts")).fetchone()
    found = audit.execute(query("verify_differences")).fetchall()
    number = {kind: count for kind, count, _ in found}
    return Verdict(
        events=events,
        records=records,
        published=published,
        pending=pending,
        dead=dead,
        given_up=given_up,
        dead_letters=dead_letters,
        lost=number.get("lost", 0),
        duplicated=number.get("duplicated", 0),
        reordered=number.get("reordered", 0),
        phantom=number.get("phantom", 0),
        examples={kind: tuple(json.loads(ids)) for kind, _, ids in found},
        not_judged=dict(audit.execute(query("verify_reasons")).fetchall()) | ({"behind": behind} if behind else {}),
        reused=reused,
        missing=tuple(topics.missing),
        trimmed=tuple(topics.trimmed),
        moved=tuple(str(scope.routes[number - 1]) for (number,) in audit.execute(query("verify_moved"))),
        gaps=tuple(_gap(*row) for row in audit.execute(query("verify_unpartitioned"))),
        seconds=round(time.monotonic() - begun, 3),
    )


def _gap(source: int, phantoms: int, first_us: int, last_us: int) -> Gap:
    first, last = (datetime.fromtimestamp(us // DAY_US * DAY_US // 1_000_000, UTC) for us in (first_us, last_us))
    return Gap(TABLES[source], phantoms, first, last + timedelta(days=1))
