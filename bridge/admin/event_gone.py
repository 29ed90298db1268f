"""What is known of an event that has no row: when it would have been written, and where its table partition went."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from bridge.admin.dead import Decided, list_decisions
from bridge.admin.event_row import ParkedRow, read_parked
from bridge.admin.event_wait import moment
from bridge.postgres.queries import query

MOST = 400  # table partitions that are still there, and are looked into
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Retired:
    """A table partition that was taken out; `relation` is its table, as long as that is there."""

    id: int
    parent: str
    leaf: str
    relation: str | None
    range_from: datetime | None
    range_to: datetime | None
    state: str
    expiry: str
    location: str | None
    detached_at: datetime

    def __str__(self) -> str:
        kept = ""
        if self.relation is not None:
            kept = f", and is the table {self.relation} now"
        elif self.location is not None:
            kept = f", and is in cold files at {self.location}"
        elif self.state == "dropped":
            kept = ", and dropped"
        return f"{self.leaf} was taken out {moment(self.detached_at)}{kept}"


@dataclass(frozen=True, slots=True)
class OpenTransaction:
    """A transaction that may still commit events. Of a prepared one there is no `pid`, but a `gid`."""

    pid: int | None
    application: str | None
    role: str | None
    state: str | None
    since: datetime | None
    seconds: float | None
    gid: str | None

    def __str__(self) -> str:
        if self.gid is not None:
            who = f"the prepared transaction {self.gid!r}"
        else:
            who = f"process {self.pid}" + (f" ({self.application or 'no name'}, role {self.role})" if self.role else "")
        return f"{who}, open since {moment(self.since)}" + (f", {self.state}" if self.state and not self.gid else "")


@dataclass(frozen=True, slots=True)
class Gone:
    """All that there is. `written_at` is by the id itself, if it is one that tells its time (uuid v7).

    `is_known`: something says that there was such an event. `found_in`: the table, taken out, that has its row.
    """

    written_at: datetime | None
    retired: tuple[Retired, ...]
    found_in: Retired | None
    parked: ParkedRow | None
    decisions: tuple[Decided, ...]
    open: tuple[OpenTransaction, ...]

    @property
    def is_known(self) -> bool:
        return self.found_in is not None or self.parked is not None or bool(self.decisions)

    @property
    def lines(self) -> Iterator[str]:
        """What may have become of it, a line each."""
        if self.written_at is not None:
            yield f"by its id (uuid v7) it was written {moment(self.written_at)}, or about then"
        if self.found_in is not None:
            yield f"its row is in a table partition that has left: {self.found_in}"
        elif self.written_at is not None and self.retired:
            yield f"events of that time have left: {'; '.join(map(str, self.retired[:4]))}"
        elif self.retired:
            yield f"events have left with {len(self.retired)} table partitions; see bridge archive list"
        if self.open:
            yield f"an event of a transaction that is open cannot be seen; open longest: {self.open[0]}"
        if not self.is_known:
            yield "it was rolled back, or it is another database's, or its row has left (then --topic may find it)"


def time_of(event_id: UUID) -> datetime | None:
    """When an id was made, to a millisecond, if it says so."""
    if event_id.version != 7:
        return None
    try:
        return EPOCH + timedelta(milliseconds=event_id.int >> 80)
    except OverflowError:
        return None


def look_for(conn: psycopg.Connection, event_id: UUID) -> Gone:
    """What the database knows of an event without a row. Raises psycopg.Error."""
    written_at = time_of(event_id)
    with conn.cursor(row_factory=class_row(Retired), binary=True) as cursor:
        retired = cursor.execute(query("trace_retired"), {"at": written_at, "most": MOST}).fetchall()
    return Gone(
        written_at,
        tuple(retired),
        next((one for one in retired if one.relation and _holds(conn, one.relation, event_id)), None),
        read_parked(conn, event_id),
        tuple(list_decisions(conn, event_id, 10)),
        open_transactions(conn),
    )


def open_transactions(conn: psycopg.Connection, most: int = 5) -> tuple[OpenTransaction, ...]:
    """Those that are open longest."""
    with conn.cursor(row_factory=class_row(OpenTransaction), binary=True) as cursor:
        return tuple(cursor.execute(query("open_transactions"), {"most": most}).fetchall())


def _holds(conn: psycopg.Connection, relation: str, event_id: UUID) -> bool:
    """`relation` is a name as regclass writes it, quoted where that is needed."""
    statement = sql.SQL("select exists (select from {} where id = %s)").format(sql.SQL(relation))
    return conn.execute(statement, (event_id,)).fetchone() == (True,)
