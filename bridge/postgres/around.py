"""Reads past a row that cannot be made text of: it would be longer than a gigabyte, the row is damaged, or it holds
bytes that are not its encoding's, which a setting can carry into it.

Such a row fails the statement that reads it with all others, and does not say which it is. 2.5 kB are enough: jsonb
keeps the zeros of 1e131071 as their count.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Protocol, TypeVar

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format

from bridge.shard.ports import Free, Read

EVERY = (1 << 63) - 1  # no seq is higher


T = TypeVar("T", Read, Free)
T_co = TypeVar("T_co", Read, Free, covariant=True)


class ScanRows(Protocol[T_co]):
    """Reads at most `rows` events up to the seq `last`, with their content where the seq is below `whole_below`."""

    def __call__(self, rows: int, *, whole_below: int = EVERY, last: int = EVERY) -> T_co: ...


class LenientText(Loader):
    """Text with U+FFFD in the place of what is none: for rows that are read without their content."""

    def load(self, data: Buffer) -> str:
        return bytes(data).decode("utf-8", "replace")


class LenientBinary(LenientText):
    """The same for a cursor whose answers are binary."""

    format = Format.BINARY


def is_about_a_row(error: psycopg.Error | UnicodeDecodeError) -> bool:
    """Whether one row may be why a read failed: `program_limit_exceeded`, `internal_error` and damage,
    `untranslatable_character`, or what is not text.
    """
    if isinstance(error, UnicodeDecodeError):
        return True
    code = error.sqlstate or ""
    return code[:2] in ("54", "XX") or code == "22P05"


def read_around(scan: ScanRows[T], rows: int) -> T:
    """Read the events before the first one that cannot be read, and that one with an empty payload.

    Where a scan of as many `rows` has failed. Raises psycopg.Error where no row is to blame.
    """
    listed = scan(rows, whole_below=0)
    seqs = listed.seqs

    def fails(count: int) -> bool:
        try:
            scan(rows, last=seqs[count - 1])
        except (psycopg.Error, UnicodeDecodeError) as error:
            if not is_about_a_row(error):
                raise
            return True
        return False

    if not seqs:
        return scan(rows)
    if not fails(len(seqs)):  # the row lies further on, first of the other source
        return scan(rows, last=seqs[-1])
    readable = bisect_left(range(1, len(seqs) + 1), True, key=fails)
    if readable == len(seqs) or not fails(readable + 1):  # it was chance, or was mended just now: nobody is to blame
        return scan(rows)
    bad = seqs[readable]
    return scan(readable + 1, whole_below=bad, last=bad)
