"""Reads one shard's events: new ones as `position.py` says, and parked ones that may be tried."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any, NamedTuple, TypeVar

import orjson
import psycopg

from bridge.encoding.limits import TopicLimits
from bridge.event import MAX_HEADER_TEXT, MAX_TYPE, Event
from bridge.postgres.around import EVERY, LenientText, ScanRows, is_about_a_row, read_around
from bridge.postgres.connection import begin, is_pooled
from bridge.postgres.explained import explained
from bridge.postgres.finished import Finished
from bridge.postgres.queries import query
from bridge.settings import RelaySettings
from bridge.shard.parked import Parked, Place, Released, State
from bridge.shard.ports import Free, Obstacle, Read
from bridge.shard.position import Scan, Snapshot, Start

FIRST_ROWS = 16  # of the first read, whose rows may be large
PASSED_NUMBERS = 200_000  # below the cursor that one statement may pass: some 40 ms
ALL_SEEN = f"{EVERY}:{EVERY}:"  # a snapshot that sees every transaction

T = TypeVar("T", Read, Free)


class _Asked(NamedTuple):
    """A read of new events that was sent: its bounds, and the answers to come."""

    read_to: int
    rows_at_most: int
    last: int
    cut: int
    seen: psycopg.Cursor
    pending: psycopg.Cursor


class Reader:
    """Over a shard's connection.

    Every method raises DatabaseUnavailable, and psycopg.Error for what is not foreseen.
    """

    def __init__(
        self,
        conn: psycopg.Connection,
        shard: int,
        relay: RelaySettings,
        limits: TopicLimits,
        topics: Collection[str],
    ) -> None:
        """`topics`: all that an event may be parked for."""
        self._conn = conn
        self._shard = shard
        self._relay = relay
        self._limits = limits
        self._topics = list(topics)
        self._rows_at_most = FIRST_ROWS
        self._finished = Finished(conn)

    @explained()
    def read(self, start: Start, limit: int | None) -> Read:
        """Read the next new events, at most `limit` of them where that is less than the settings say.

        One snapshot, and one round trip.
        """

        def scan(rows: int, *, whole_below: int = EVERY, last: int = EVERY) -> Read:
            return self._read(start, rows, whole_below, last)

        return self._around(scan, limit)

    @explained()
    def send(self, start: Start, limit: int | None) -> Callable[[], Read | None]:
        """As `read()`, without waiting: the connection is the read's until what is returned was called.

        That gives None where the read failed: another one tells why. So it does behind a pooler, whose session the read
        would keep from others.
        """
        if is_pooled(self._conn):
            return _nothing
        pipeline = ExitStack()
        pipeline.enter_context(self._conn.pipeline())
        try:
            asked = self._ask(start, self._most_rows(limit), EVERY, EVERY)
        except psycopg.Error:  # the server was faster than we were
            self._leave(pipeline)
            return _nothing

        def receive() -> Read | None:
            try:
                pipeline.close()
                return self._answer(asked)
            except (psycopg.Error, UnicodeDecodeError):
                self._leave(pipeline)
                return None

        return receive

    @explained()
    def free(self, held: Collection[str], in_flight: Collection[int], limit: int | None) -> Free:
        """Read parked events that may be tried, but for those `in_flight` and those that wait for topics `held`.

        When the next one is due is told where these are all.
        """

        def scan(rows: int, *, whole_below: int = EVERY, last: int = EVERY) -> Free:
            return self._free(held, in_flight, rows, whole_below, last)

        return self._around(scan, limit)

    @explained()
    def look(self) -> tuple[int, Snapshot]:
        """The last number drawn for an event, of any shard, and what can be seen now: a fiftieth of a read."""
        row = self._conn.execute(query("look"), prepare=True).fetchone()
        assert row is not None  # noqa: S101 - a sequence has one row
        return row[0], Snapshot.parse(row[1])

    @explained()
    def numbers(self) -> tuple[int, int]:
        """The last number drawn for an event, and the highest that one has, both of any shard."""
        row = self._conn.execute(self._finished.numbers).fetchone()
        assert row is not None  # noqa: S101 - a sequence has one row
        return row

    def _around(self, scan: ScanRows[T], limit: int | None) -> T:
        """`scan()`, past a row that cannot be read."""

        def scan_or_roll_back(rows: int, *, whole_below: int = EVERY, last: int = EVERY) -> T:
            try:
                return scan(rows, whole_below=whole_below, last=last)
            except (psycopg.Error, UnicodeDecodeError) as error:
                if is_about_a_row(error):
                    self._conn.rollback()
                raise

        rows = self._most_rows(limit)
        try:
            return scan_or_roll_back(rows)
        except (psycopg.Error, UnicodeDecodeError) as error:
            if not is_about_a_row(error):
                raise
            return read_around(scan_or_roll_back, rows)

    def _leave(self, pipeline: ExitStack) -> None:
        """End a read that failed; a connection that is lost shows itself to the next statement."""
        for end in (pipeline.close, self._conn.rollback):
            with suppress(psycopg.Error):
                end()

    def _most_rows(self, limit: int | None) -> int:
        """A `limit` is less than a batch had before, so there is room for as many."""
        return min(self._relay.batch_rows, limit or self._rows_at_most)

    def _read(self, start: Start, rows_at_most: int, whole_below: int, last: int) -> Read:
        while True:
            with self._conn.pipeline():
                asked = self._ask(start, rows_at_most, whole_below, last)
            read = self._answer(asked)
            if read is not None:
                return read

    def _ask(self, start: Start, rows_at_most: int, whole_below: int, last: int) -> _Asked:
        """Send the statements; a pipeline must be open."""
        position, late = start.position, start.position.late
        read_to = position.pair.cursor
        parameters = self._bounds(rows_at_most, whole_below) | {
            "cursor": position.cursor,
            "read_to": read_to,
            "pass": PASSED_NUMBERS,
            "snapshot": str(position.pair.snapshot),
            "late_snapshot": ALL_SEEN if late is None else str(late.snapshot),
            # A late scan is read to its end as its own snapshot saw it: nothing that has ended since concerns it.
            "xids": [] if late else [str(xid) for xid in start.xids],
            "floors": [] if late else list(start.floors),
            "next_xid": str(EVERY if late else start.next_xid),
            "next_floor": start.next_floor,
            "last": min(last, read_to) if late else last,
            "topics": self._topics,
        }
        begin(self._conn, "begin isolation level repeatable read read only")
        seen = self._conn.execute(query("read_snapshot"), parameters, prepare=True)
        pending = self._cursor(whole_below).execute(self._finished.read_pending, parameters, prepare=True)
        self._conn.execute("commit")
        return _Asked(read_to, rows_at_most, last, parameters["cut"], seen, pending)

    def _answer(self, asked: _Asked) -> Read | None:
        """What the statements found, once the pipeline is closed.

        None where partitions were finished, or reopened, as this very snapshot saw: the next one will know.
        """
        rows = asked.pending.fetchall()
        snapshot, drawn, first, decisions, finished, stops = _one(asked.seen)
        if finished != self._finished.up_to:
            self._finished.note(finished)
            return None
        upto = min(asked.last, first + PASSED_NUMBERS if first < asked.read_to - PASSED_NUMBERS else EVERY)
        is_full = self._note_size(rows, asked.rows_at_most)
        last_seq = rows[-1][1] if rows else None
        if not is_full and upto < EVERY:
            last_seq = upto
        return Read(
            Scan(last_seq, is_full or upto < EVERY, Snapshot.parse(snapshot), drawn),
            tuple(_cut([Event(*row[:11]) for row in rows], rows, asked.cut)),
            {row[1]: _obstacle(row[11]) for row in rows if row[11] is not None},
            decisions,
            _stops(stops),
        )

    def _free(
        self, held: Collection[str], in_flight: Collection[int], rows_at_most: int, whole_below: int, last: int
    ) -> Free:
        parameters = self._bounds(rows_at_most, whole_below) | {
            "held": list(held),
            "in_flight": _array(in_flight),
            "last": last,
        }
        with self._conn.pipeline():
            begin(self._conn, "begin isolation level repeatable read read only")
            found = self._cursor(whole_below).execute(query("read_parked"), parameters)
            others = self._conn.execute(query("still_parked"), {"shard": self._shard})
            self._conn.execute("commit")
        rows = found.fetchall()
        fills = self._note_size(rows, rows_at_most)
        events = _cut([Event(*row[:12]) for row in rows], rows, parameters["cut"])
        released = tuple([_released(event, row) for event, row in zip(events, rows, strict=True)])
        # What is replayed comes last, and in half of the room: where it alone is large, new events have the other half.
        is_full = fills and (len(rows) == rows_at_most or released[-1].row.state is not State.REPLAYED)
        due_in, stops, decisions = _one(others)
        return Free(released, is_full or last < EVERY, due_in, _stops(stops), decisions)

    def _cursor(self, whole_below: int) -> psycopg.Cursor:
        """For events: of those that come without their content the rest is read, whatever bytes it is."""
        cursor = self._conn.cursor()
        if whole_below < EVERY:
            cursor.adapters.register_loader("text", LenientText)
        return cursor

    def _bounds(self, rows_at_most: int, whole_below: int) -> dict[str, Any]:
        return {
            "shard": self._shard,
            "rows": rows_at_most,
            "bytes": self._relay.batch_bytes,
            "cut": self._limits.cut,
            "headers_cut": MAX_HEADER_TEXT,
            "type_cut": MAX_TYPE,
            "with_xid": self._relay.transaction_header,
            "whole_below": whole_below,
        }

    def _note_size(self, rows: Sequence[tuple[Any, ...]], rows_at_most: int) -> bool:
        """Whether there may be more rows; the next read asks for no more than there is room for.

        Postgres makes text of as many rows as are asked for, however few of them a batch has room for.
        """
        size, most = (rows[-1][-1] if rows else 0), self._relay.batch_bytes
        room = 2 * most * len(rows) // size if size else self._relay.batch_rows
        self._rows_at_most = max(min(4 * rows_at_most, self._relay.batch_rows, room), 1)
        return len(rows) == rows_at_most or size >= most


def _nothing() -> None:
    """What a read that was not sent gives."""


def _one(cursor: psycopg.Cursor) -> tuple[Any, ...]:
    row = cursor.fetchone()
    assert row is not None  # noqa: S101 - the statement always gives one row
    return row


def _stops(text: str | None) -> Mapping[str, int]:
    stops: dict[str, int] = {} if text is None else orjson.loads(text)
    return stops


def _obstacle(text: str) -> Obstacle:
    given = orjson.loads(text)
    return Obstacle(given["due_us"], given["blocked"] or {}, given["is_foreign"])


def _cut(events: list[Event], rows: Sequence[tuple[Any, ...]], cut: int) -> list[Event]:
    """With those named that were cut off. Of few bytes, as almost always, none was."""
    if not rows or rows[-1][-1] < cut:
        return events
    return [event._replace(cut_at=cut) if max(len(event.payload), len(event.key)) >= cut else event for event in events]


def _released(event: Event, row: Sequence[Any]) -> Released:
    topic, state, blocks, waits_for = row[12:16]
    place = Place(topic, event.key_hash)
    parked = Parked(event.seq, event.source, event.id, event.created_us, place, State(state), blocks, waits_for)
    return Released(event, parked)


def _array(numbers: Iterable[int]) -> str:
    """Postgres' text form of an integer array, for `%(name)s::bigint[]`; psycopg makes one element by element."""
    return "{" + ",".join(map(str, numbers)) + "}"
