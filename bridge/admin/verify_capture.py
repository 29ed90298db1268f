"""The auditor of capture: compares each tracked table with what its events say, in one snapshot, without Kafka.

The events of a key, in their order, end with the state that its row should have; and each should begin where the one
before ended. Only columns that both states have count, so that a column that was added, dropped or renamed since is no
difference; neither is a value that either of them has masked, or that another type writes alike. What was recorded
before tracking began, if the table was tracked once before, is left alone.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import psycopg
from psycopg import errors, sql
from psycopg.rows import class_row

from bridge.admin.reading import lock_for_reading
from bridge.admin.tables import Table
from bridge.admin.tracking import find_tracked, lock_holders
from bridge.errors import DatabaseRefuses
from bridge.postgres.connection import connect
from bridge.postgres.explained import explained
from bridge.postgres.migrate import require_current
from bridge.postgres.queries import query
from bridge.progress import Progress, silent
from bridge.settings import Settings

KINDS = ("missing", "gone", "stale", "broken")
BATCH_ROWS = 10_000
EXAMPLES = 5
# The same state, column by column: slower, but as its trigger wrote it where a row cannot be converted as a whole.
CAREFUL = "bridge.careful_state((select t from bridge.tracked_table as t where t.id = {}), v.entire)"


@dataclass(slots=True)
class TableVerdict:
    """What was found of one table: numbers of keys, and of each kind that occurs the first ones.

    missing: a row that no event tells of, and that is newer than tracking, or was deleted by what the events say. gone:
    by its events there is a row, but there is none. stale: its row is another than the last event says. broken: an
    event does not begin where the one before ended. `not_judged` are numbers of keys by reason: `left`, whose events
    may have left with a partition of the history, `older`, without events and perhaps from before tracking, and
    `erased`, whose last event `bridge erase` has emptied.
    `unreadable`: why it could not be compared; `is_busy`: because others keep it, at this moment.
    """

    relation: str
    name: str
    unreadable: str | None = None
    is_busy: bool = False
    keys: int = 0
    missing: int = 0
    gone: int = 0
    stale: int = 0
    broken: int = 0
    examples: dict[str, list[str]] = field(default_factory=dict)
    not_judged: dict[str, int] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether table and events agree."""
        return self.unreadable is None and not any(getattr(self, kind) for kind in KINDS)

    def note(self, kind: str, key: str) -> None:
        """Count a difference, and keep its key if it is one of the first; or what could not be judged."""
        if kind not in KINDS:
            self.not_judged[kind] = self.not_judged.get(kind, 0) + 1
            return
        setattr(self, kind, getattr(self, kind) + 1)
        examples = self.examples.setdefault(kind, [])
        if len(examples) < EXAMPLES:
            examples.append(key)


@dataclass(frozen=True, slots=True)
class CaptureVerdict:
    """All tables that were compared."""

    tables: list[TableVerdict]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether all of them agree with their events."""
        return all(table.passed for table in self.tables)


@dataclass(frozen=True, slots=True)
class _Subject:
    """One tracked table, as `verify_capture_tables.sql` gives it; `is_partitioned` None: it is gone."""

    id: int
    oid: int
    relation: str
    name: str
    since: datetime
    since_xid: str
    is_partitioned: bool | None
    has_key: bool
    key: str
    state: str
    tracked: int
    newer: int


def verify_capture(settings: Settings, names: Collection[str], progress: Progress = silent) -> CaptureVerdict:
    """Compare these tables, or all that are tracked; `progress` is told how many of its keys are done.

    Raises ConfigError for a table that is not tracked, MigrationError, DatabaseUnavailable; DatabaseRefuses also where
    a policy hides rows from this role.
    """
    begun = time.monotonic()
    with explained(), connect(settings.database, application_name="bridge verify") as conn:
        require_current(conn)
        wanted = [find_tracked(conn, name) for name in names]
        _begin(conn)
        conn.execute(query("verify_capture_lock"))
        conn.execute(query("verify_capture_session"))
        verdicts = [_compare(conn, settings, subject, progress) for subject in _subjects(conn, wanted)]
        conn.execute("rollback")
    return CaptureVerdict(verdicts, round(time.monotonic() - begun, 3))


def _begin(conn: psycopg.Connection) -> None:
    """Also where sessions are read-only by default: it makes a view of each table, and takes it back."""
    try:
        conn.execute("begin isolation level repeatable read read write")
    except errors.FeatureNotSupported:
        raise DatabaseRefuses(
            "a standby lets nobody keep a table as it is while it is read", hint="Name the primary in database.url"
        ) from None


def _subjects(conn: psycopg.Connection, wanted: Sequence[Table]) -> list[_Subject]:
    with conn.cursor(row_factory=class_row(_Subject), binary=True) as cursor:
        subjects = cursor.execute(query("verify_capture_tables")).fetchall()
    return [s for s in subjects if not wanted or any(s.oid == table.oid for table in wanted)]


def _compare(conn: psycopg.Connection, settings: Settings, subject: _Subject, progress: Progress) -> TableVerdict:
    if subject.is_partitioned is None:
        return TableVerdict(subject.relation, subject.name, "the table is gone")
    if not subject.has_key:
        return TableVerdict(subject.relation, subject.name, "a column of its key was dropped, or is hidden")
    try:
        try:
            return _read(conn, settings, subject, subject.state, progress)
        except (errors.ProgramLimitExceeded, psycopg.DataError):  # a row that cannot be converted as a whole
            return _read(conn, settings, subject, CAREFUL.format(subject.id), progress)
    except errors.LockNotAvailable:
        holders = lock_holders(conn, Table(subject.oid, subject.relation), any_lock=False)
        return TableVerdict(subject.relation, subject.name, f"too busy: {holders}", is_busy=True)
    except errors.InsufficientPrivilege as error:
        return TableVerdict(subject.relation, subject.name, error.diag.message_primary)
    except DatabaseRefuses as error:
        return TableVerdict(subject.relation, subject.name, str(error))


@contextmanager
def _pinned(conn: psycopg.Connection, settings: Settings, subject: _Subject) -> Iterator[str]:
    """A view of the table, by which nobody has his code run meanwhile; afterwards the table's lock is gone again.

    Raises DatabaseRefuses where its owner's functions would run with other rights than his; psycopg.Error.
    """
    with conn.transaction(force_rollback=True):
        lock_for_reading(conn, settings, subject.oid, subject.relation)
        (view,) = conn.execute(query("pin_table"), {"table": subject.oid}).fetchone() or ("",)
        conn.execute(query("read_only"))
        yield view


def _read(
    conn: psycopg.Connection, settings: Settings, subject: _Subject, state: str, progress: Progress
) -> TableVerdict:
    verdict = TableVerdict(subject.relation, subject.name)
    with _pinned(conn, settings, subject) as view, conn.cursor("verify_capture", binary=True) as cursor:
        cursor.execute(_statement(subject, state, view))
        while rows := cursor.fetchmany(BATCH_ROWS):
            verdict.keys += len(rows)
            for key, kind, is_broken in rows:
                if kind is not None:
                    verdict.note(kind, key)
                if is_broken:
                    verdict.note("broken", key)
            progress(f"keys of {subject.relation}", verdict.keys, None)
    return verdict


def _statement(subject: _Subject, state: str, view: str) -> sql.Composed:
    """`verify_capture.sql` for one table. Names and expressions are the database's own, and quoted there."""
    agree = sql.SQL(query("verify_capture_agree").rstrip())
    return sql.SQL(query("verify_capture")).format(
        name=sql.Literal(subject.name),
        since=sql.Literal(subject.since),
        since_xid=sql.SQL("{}::xid8").format(sql.Literal(subject.since_xid)),
        table=sql.Literal(subject.oid),
        is_partitioned=sql.Literal(subject.is_partitioned),
        chain_agrees=agree.format(before=sql.SQL("e.previous_state"), after=sql.SQL("e.former_state")),
        states_agree=agree.format(before=sql.SQL("l.state"), after=sql.SQL("p.state")),
        key=sql.SQL(subject.key),
        state=sql.SQL(state),
        pinned=sql.SQL(view),
        tracked=sql.Literal(subject.tracked),
        newer=sql.Literal(subject.newer),
    )
