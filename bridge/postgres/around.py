"""Reads past a row that Postgres cannot make text of: it would be longer than a gigabyte, or the row is damaged.

Such a row fails the statement that reads it with all others, and does not say which it is. 2.5 kB are enough: jsonb
keeps the zeros of 1e131071 as their count.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from typing import Protocol

import psycopg

from bridge.postgres.explained import as_ours
from bridge.shard.position import Scan

logger = logging.getLogger(__name__)

EVERY = (1 << 63) - 1  # no seq is higher


class ScanRows(Protocol):
    """Reads at most `rows` events up to the seq `last`, with their content where the seq is below `whole_below`."""

    def __call__(self, rows: int, *, whole_below: int = EVERY, last: int = EVERY) -> Scan: ...


def is_about_a_row(error: psycopg.Error) -> bool:
    """Whether one row may be why a read failed: `program_limit_exceeded`, or `internal_error` and damage."""
    return (error.sqlstate or "")[:2] in ("54", "XX")


def read_around(scan: ScanRows, rows: int, error: psycopg.Error) -> Scan:
    """Read the events before the first one that cannot be read, and that one with an empty payload.

    `error` is what a scan of as many `rows` failed with. Raises psycopg.Error where no row is to blame.
    """
    listed = scan(rows, whole_below=0)
    seqs = sorted([*(event.seq for event in listed.events), *listed.deferred])

    def fails(count: int) -> bool:
        try:
            scan(rows, last=seqs[count - 1])
        except psycopg.Error as error:
            if not is_about_a_row(error):
                raise
            return True
        return False

    readable = bisect_left(range(1, len(seqs) + 1), True, key=fails)
    if readable == len(seqs):  # the row lies further on
        return scan(rows, last=seqs[-1]) if seqs else scan(rows)
    bad = seqs[readable]
    logger.warning("the event with seq %d cannot be read: %s", bad, as_ours(error) or error.sqlstate)
    return scan(readable + 1, whole_below=bad, last=bad)
