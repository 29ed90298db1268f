"""The relays of one bridge, and which of them may take which shard; they never speak to each other."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from psycopg.pq import TransactionStatus
from psycopg.types.json import Jsonb

from bridge.postgres.connection import connect
from bridge.postgres.explained import explained
from bridge.postgres.queries import query
from bridge.settings import Settings


class ShardRow(NamedTuple):
    """One shard: who has it, whether it can be taken, and why it is stopped if it is."""

    shard: int
    owner: str | None
    is_free: bool
    stopped: str | None
    relays: int  # that are alive, this one included


class Members:
    """One relay's own connection, and its place among the others.

    Every method raises DatabaseUnavailable, and psycopg.Error for what is not foreseen.
    """

    def __init__(self, settings: Settings, relay_id: str) -> None:
        """Connect. Raises ConfigError, DatabaseUnavailable."""
        self.conn = connect(settings.database.url, application_name=f"{settings.relay.name} relay")
        self._relay_id = relay_id
        self._lease_seconds = settings.relay.lease_seconds

    @property
    def is_usable(self) -> bool:
        """Whether the connection is as good as a new one."""
        return self.conn.info.transaction_status is TransactionStatus.IDLE

    @explained()
    def renew(self, shards: Collection[int], waits: Sequence[Mapping[str, object]]) -> None:
        """Say that this relay is alive and what waits in it, and renew its leases of `shards`."""
        renewal = {"owner": self._relay_id, "shards": list(shards), "lease_seconds": self._lease_seconds}
        who = {"relay_id": self._relay_id, "host": socket.gethostname(), "pid": os.getpid(), "waits": Jsonb(waits)}
        try:
            self.conn.execute(query("renew_leases"), renewal)
        finally:  # where one is refused, the other still counts
            self.conn.execute(query("heartbeat_relay"), who | {"lease_seconds": self._lease_seconds})

    @explained()
    def shards(self) -> list[ShardRow]:
        """Every shard, in order."""
        rows = self.conn.execute(query("list_shards"), {"lease_seconds": self._lease_seconds}).fetchall()
        return [ShardRow(*row) for row in rows]

    @explained()
    def pending(self) -> tuple[int, int]:
        """Events still to be published, and how many of them wait behind a dead event of their key."""
        return self.conn.execute(query("count_pending")).fetchone() or (0, 0)

    @explained()
    def leave(self) -> None:
        """Give back what a shard could not give back itself, and remove this relay's row."""
        for farewell in ("release_leases", "forget_relays"):
            self.conn.execute(query(farewell), {"relay_id": self._relay_id})
