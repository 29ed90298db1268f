"""How much bridge's tables take."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from bridge.admin.checks.check import Check, ok
from bridge.postgres.queries import query


def check_disk(conn: psycopg.Connection) -> Iterator[Check]:
    """Sizes, and where they lie: Postgres cannot be asked how much is free there. Raises psycopg.Error."""
    found = conn.execute(query("doctor_disk")).fetchall()
    sizes = [f"{parent} {_size(size)} in {leaves} partitions" for parent, leaves, size, _, _ in found]
    spaces = sorted({space for *_, tablespaces in found for space in tablespaces})
    whole = f"; the whole database {_size(found[0][3])}" if found else ""
    free = f"how much is free in {', '.join(spaces)} cannot be asked of Postgres: watch the disk" if spaces else ""
    yield ok("postgres disk", f"{', '.join(sizes)}{whole}; {free}")


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
