"""Which shards a relay should take or give back, so that all relays have about as many; a pure function."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from bridge.postgres.members import ShardRow


class Shares(NamedTuple):
    """What to do now: `take` these shards, `give_back` those."""

    take: tuple[int, ...]
    give_back: tuple[int, ...]


def share_out(rows: Sequence[ShardRow], ours: Collection[int], owner: str) -> Shares:
    """The fair share is the number of shards by the number of relays, rounded up. `ours` run here now."""
    relays = max(rows[0].relays, 1) if rows else 1
    fair = -(-len(rows) // relays)
    free = [row.shard for row in rows if (row.is_free or row.owner == owner) and row.shard not in ours]
    return Shares(tuple(free[: max(fair - len(ours), 0)]), tuple(ours)[fair:])
