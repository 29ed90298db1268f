"""What the database knows of all relays, read at a bounded cost."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import dict_row

from bridge.event import ENTITY_EVENTS, EVENT_QUEUE
from bridge.postgres.connection import begin
from bridge.postgres.finished import Finished
from bridge.postgres.queries import query

SHORT_SECONDS = 86_400  # of runway: less, and somebody should look
MOST = 2000  # events counted of each shard and source; above that the backlog is estimated


class ShardFacts(NamedTuple):
    """One shard; `backlog` is an estimate above MOST, the age 0 where nothing is unread."""

    shard: int
    is_leased: bool
    is_stopped: bool
    backlog: int
    oldest_age_seconds: float


class ParkedFacts(NamedTuple):
    """Parked events of one state."""

    state: str
    events: int
    blocking: int
    oldest_age_seconds: float


class Horizon(NamedTuple):
    """The oldest transaction: whose it is, how many began since, and since when, None where that is not to be seen."""

    kind: str
    pid: str
    name: str
    xid: str
    transactions: int
    age_seconds: float | None


class JobFacts(NamedTuple):
    """One job of the keeper; `failures` are runs in a row."""

    job: str
    succeeded_at: datetime | None
    seconds: float | None
    failures: int
    is_late: bool


class TableFacts(NamedTuple):
    """One partitioned table."""

    name: str
    leaves: int
    runway_seconds: float
    default_rows: int


class Facts(NamedTuple):
    """What changes all the time; `settled` counts events since ever, by source and outcome."""

    shards: tuple[ShardFacts, ...]
    parked: tuple[ParkedFacts, ...]
    settled: Mapping[tuple[str, ...], float]
    relays: int
    horizon: Horizon | None


class HouseFacts(NamedTuple):
    """What changes slowly."""

    jobs: tuple[JobFacts, ...] = ()
    tables: tuple[TableFacts, ...] = ()


def short_runway(parent: str, runway_seconds: float) -> str | None:
    """What to say of a partitioned table whose rows will soon have no partition; None where there is time."""
    if runway_seconds >= SHORT_SECONDS:
        return None
    return f"{parent} has partitions for {runway_seconds / 3600:.0f} hours more"


def clock_offset(conn: psycopg.Connection) -> float:
    """The database's clock minus ours, in seconds: true to half of the time that the answer took."""
    before = time.time()
    (theirs,) = _one(conn.execute("select extract(epoch from clock_timestamp())::float8"))
    return float(theirs) - (before + time.time()) / 2


def read_facts(conn: psycopg.Connection) -> Facts:
    """In one snapshot. Raises psycopg.Error, also where it takes too long."""
    finished = Finished(conn)
    most = {"most": MOST}
    with _looking(conn):
        rows = conn.execute(finished.survey_shards, most).fetchall()
        parked = conn.execute(query("survey_parked"), most).fetchall()
        published, dead, changes_published, changes_dead, relays = _one(conn.execute(query("survey_totals")))
        held = conn.execute(query("survey_horizon")).fetchone()
    settled: dict[tuple[str, ...], float] = {
        (EVENT_QUEUE, "published"): published,
        (EVENT_QUEUE, "dead"): dead,
        (ENTITY_EVENTS, "published"): changes_published,
        (ENTITY_EVENTS, "dead"): changes_dead,
    }
    horizon = None if held is None else Horizon(*held)
    return Facts(tuple(map(_shard, rows)), tuple(ParkedFacts(*row) for row in parked), settled, relays, horizon)


def read_house_facts(conn: psycopg.Connection) -> HouseFacts:
    """In one snapshot. Raises psycopg.Error, also where it takes too long."""
    with _looking(conn), conn.cursor(row_factory=dict_row, binary=True) as cursor:
        jobs = tuple(_job(row) for row in cursor.execute(query("jobs")) if row["enabled"])
        tables = cursor.execute(query("partition_status")).fetchall()
    return HouseFacts(jobs, tuple(map(_table, tables)))


@contextmanager
def _looking(conn: psycopg.Connection) -> Iterator[None]:
    """A transaction that only looks, and not for long; behind a pooler, too."""
    begin(conn, "begin isolation level repeatable read read only")
    try:
        conn.execute(query("survey_session"))
        yield
    finally:
        conn.execute("rollback")


def _shard(row: tuple[Any, ...]) -> ShardFacts:
    shard, is_leased, is_stopped, cursor, drawn, *unread, late, oldest = row
    backlog = late + sum(
        _estimate(events, last, cursor, drawn) for events, last in (tuple(unread[:2]), tuple(unread[2:]))
    )
    return ShardFacts(shard, is_leased, is_stopped, backlog, max(oldest or 0.0, 0.0))


def _estimate(events: int, last: int | None, cursor: int, drawn: int) -> int:
    """Of events above the cursor of which MOST were counted: the rest of the numbers has as many as those passed."""
    if events < MOST or last is None or last <= cursor:
        return events
    return max(round(events * (drawn - cursor) / (last - cursor)), events)


def _job(row: Mapping[str, Any]) -> JobFacts:
    started, finished = row["started_at"], row["finished_at"]
    seconds = None
    if started is not None and finished is not None and finished >= started:
        seconds = (finished - started).total_seconds()
    failures = 0 if row["outcome"] == "busy" else row["failures"]  # a dump at night is none: late, if it never ends
    return JobFacts(row["job"], row["succeeded_at"], seconds, failures, row["is_late"])


def _table(row: Mapping[str, Any]) -> TableFacts:
    return TableFacts(row["parent"], row["leaves"], row["runway_seconds"] or 0.0, row["default_rows"])


def _one(cursor: psycopg.Cursor[tuple[Any, ...]]) -> tuple[Any, ...]:
    row = cursor.fetchone()
    assert row is not None  # noqa: S101 - the statement always gives one row
    return row
