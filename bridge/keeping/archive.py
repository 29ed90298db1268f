"""The job `archive`: what is old leaves the tables, and is kept elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.keeping.activity import archive_activity
from bridge.keeping.cold_files import cold_files
from bridge.keeping.step import House, Step


def archive(house: House) -> Iterator[Step]:
    """Each part by itself: what one cannot do stops no other."""
    yield from archive_activity(house)
    yield from cold_files(house)
