"""A table partition that was taken out and goes into cold files: what the database says about it, and does with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from bridge.keeping.cold_file import ColdFile, Packed
from bridge.keeping.cold_row import ColdColumn, Stored
from bridge.postgres.queries import query

START = "(0,0)"  # before the first row of any table

Rows = Iterator[tuple[str, Stored]]


class Retired(NamedTuple):
    """A row of `bridge.retired_partition` on its way. Bounds are Postgres' texts, in UTC."""

    id: int
    parent: str
    leaf: str
    relation: int | None
    range_from: str
    range_to: str
    location: str
    format: str
    state: str
    rows: int | None
    checksum: str | None


def on_their_way(conn: psycopg.Connection, id: int | None = None) -> list[Retired]:
    """Those that are not dropped yet, the oldest first; or this one."""
    with conn.cursor(row_factory=class_row(Retired)) as cursor:
        return cursor.execute(query("retired_to_archive"), {"id": id}).fetchall()


def current(conn: psycopg.Connection, id: int) -> Retired | None:
    """This one as it is now; None where it is dropped."""
    return next(iter(on_their_way(conn, id)), None)


def columns_of(conn: psycopg.Connection, relation: int | None) -> list[ColdColumn]:
    """A table's columns; none where it is gone, or has none."""
    with conn.cursor(row_factory=class_row(ColdColumn)) as cursor:
        return cursor.execute(query("cold_columns"), {"relation": relation}).fetchall()


def files_of(conn: psycopg.Connection, id: int) -> list[ColdFile]:
    """The files that it has so far."""
    with conn.cursor(row_factory=class_row(ColdFile)) as cursor:
        return cursor.execute(query("cold_files"), {"id": id}).fetchall()


class Place(NamedTuple):
    """After which row the next file begins, by what was known of the table partition `as_of` then."""

    after: str
    as_of: str


def next_place(conn: psycopg.Connection, id: int) -> Place:
    """Where to go on."""
    row = conn.execute(query("last_cold_place"), {"id": id}).fetchone()
    assert row is not None  # noqa: S101 - no row of bridge.retired_partition ever goes
    return Place(*row)


def open_retired(conn: psycopg.Connection, id: int, after_place: str) -> None:
    """Open the cursor that `fetched` reads, in this transaction, which is to be rolled back."""
    conn.execute(query("cold_session"))
    conn.execute(query("read_retired"), {"id": id, "after_place": after_place})
    conn.execute(query("read_only"))


def open_table(conn: psycopg.Connection, relation: int) -> None:
    """The same over any table that this role may read, from its first row on."""
    (pinned,) = conn.execute(query("pin_table"), {"table": relation}).fetchone() or ("",)
    conn.execute(query("read_only"))
    (statement,) = conn.execute(query("cold_query"), {"relation": relation, "pinned": pinned}).fetchone() or ("",)
    select = f"{statement.removesuffix('$1')}'{START}'"
    conn.execute(sql.SQL("declare retired_rows no scroll cursor for {}").format(sql.SQL(select)))


def fetched(conn: psycopg.Connection) -> Rows:
    """The cursor's rows, of which only one is in memory: any may be large."""
    more = True
    while more:
        more = False
        with conn.cursor(binary=True) as cursor:
            for row in cursor.stream(query("fetch_retired")):
                more = True
                yield row


def note_file(conn: psycopg.Connection, id: int, file: ColdFile, packed: Packed, place: Place) -> bool:
    """Write a file down as the next one; False where another keeper was faster, or rows were erased meanwhile."""
    known = {"id": id, "last_place": packed.last_place, "after_place": place.after, "as_of": place.as_of}
    known |= file._asdict()
    return conn.execute(query("note_cold_file"), known).fetchone() is not None


def sums(conn: psycopg.Connection, id: int) -> tuple[int, str]:
    """How many rows the table has, and their checksum."""
    row = conn.execute(query("sum_retired"), {"id": id}).fetchone()
    assert row is not None  # noqa: S101 - an aggregate
    return int(row[0]), str(row[1])


def note_trouble(conn: psycopg.Connection, id: int, trouble: str) -> None:
    """Let `bridge archive list` and `bridge status` say why it does not get on."""
    conn.execute(query("note_retired"), {"id": id, "trouble": trouble})
