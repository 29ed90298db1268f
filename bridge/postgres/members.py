"""The relays of one bridge, and which of them may take which shard; they never speak to each other."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from psycopg.pq import TransactionStatus
from psycopg.types.json import Jsonb

from bridge.postgres.compatibility import require_compatible
from bridge.postgres.connection import connect, is_pooled, waiting_at_most
from bridge.postgres.explained import explained
from bridge.postgres.queries import query
from bridge.postgres.script import program
from bridge.settings import Settings


def own_id() -> str:
    """What tells this process from the other relays and keepers: its host, its pid, and a word of chance."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"


class ShardRow(NamedTuple):
    """One shard: who has it, whether it can be taken, and why it is stopped if it is."""

    shard: int
    owner: str | None
    is_free: bool
    stopped: str | None
    relays: int  # that are alive, this one included


LOCK_SECONDS = 3  # to wait for a lock at most: other relays lock briefly, and nobody else should


class Members:
    """One relay's own connection, and its place among the others.

    Every method raises DatabaseUnavailable, and psycopg.Error for what is not foreseen.
    """

    def __init__(self, settings: Settings, relay_id: str) -> None:
        """Connect. Raises ConfigError, DatabaseUnavailable."""
        self.conn = connect(settings.database, application_name=f"{settings.relay.name} relay")
        self._relay_id = relay_id
        self._lease_seconds = settings.relay.lease_seconds
        if not is_pooled(self.conn):
            with explained():
                self.conn.execute("select set_config('lock_timeout', %s, false)", (f"{LOCK_SECONDS}s",))

    @property
    def is_usable(self) -> bool:
        """Whether the connection is as good as a new one."""
        return self.conn.info.transaction_status is TransactionStatus.IDLE

    def renew(self, shards: Collection[int], waits: Sequence[Mapping[str, object]], work: Mapping[str, object]) -> None:
        """Say that this relay is alive, what waits in it, and its `work` so far; and renew its leases of `shards`.

        Then raise MigrationError where its program has become too old for the database: migrations wait for its end.
        """
        renewal = {"owner": self._relay_id, "shards": list(shards), "lease_seconds": self._lease_seconds}
        who = {"relay_id": self._relay_id, "host": socket.gethostname(), "pid": os.getpid()}
        told = {"waits": Jsonb(waits), "work": Jsonb(work), "migration": program()}
        try:
            with self._at_once():
                self.conn.execute(query("renew_leases"), renewal)
        finally:  # where one is refused, the others still count
            try:
                with self._at_once():
                    self.conn.execute(query("heartbeat_relay"), who | told | {"lease_seconds": self._lease_seconds})
            finally:
                with self._at_once():
                    require_compatible(self.conn)

    def shards(self) -> list[ShardRow]:
        """Every shard, in order."""
        with self._at_once():
            rows = self.conn.execute(query("list_shards"), {"lease_seconds": self._lease_seconds}).fetchall()
        return [ShardRow(*row) for row in rows]

    def pending(self) -> tuple[int, int]:
        """Events that a relay could still publish, and how many of them wait behind a dead event."""
        with self._at_once():
            return self.conn.execute(query("count_pending")).fetchone() or (0, 0)

    def leave(self) -> None:
        """Give back what a shard could not give back itself, and remove this relay's row."""
        for farewell in ("release_leases", "forget_relays"):
            with self._at_once():
                self.conn.execute(query(farewell), {"relay_id": self._relay_id})

    @contextmanager
    def _at_once(self) -> Iterator[None]:
        """For a statement: a lock that somebody keeps is an error, instead of the end of all turns."""
        with explained():
            if not is_pooled(self.conn):
                yield
                return
            with waiting_at_most(self.conn, LOCK_SECONDS):  # the session is another one each time
                yield
