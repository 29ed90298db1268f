"""The process that carries events: takes its share of the shards, and runs a thread for each.

Membership and leases live in Postgres (`postgres/members.py`); relays never speak to each other.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Sequence

import psycopg

from bridge.errors import BridgeError, DatabaseUnavailable, ShardStopped
from bridge.kafka.producer import ShardProducer
from bridge.postgres.members import Members, ShardRow
from bridge.postgres.migrate import require_current
from bridge.postgres.store import Store
from bridge.relay.emptiness import is_done
from bridge.relay.equipment import Equipment
from bridge.relay.outages import Outages
from bridge.relay.shard_thread import ShardThread
from bridge.relay.sharing import share_out
from bridge.relay.workers import is_orphan
from bridge.settings import Settings
from bridge.shard.ports import Ports
from bridge.shard.takeover import STOPPED_HINT

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.1  # how soon a free shard is noticed
PROGRESS_SECONDS = 10.0


class Relay:
    """One relay process. `run()` returns when it was stopped, or, with `until_empty`, when nothing is pending."""

    def __init__(self, settings: Settings, *, until_empty: bool = False) -> None:
        self.relay_id = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
        self._settings = settings
        self._until_empty = until_empty
        self._outages = Outages()
        self._stopping = threading.Event()
        self._shards: dict[int, tuple[ShardThread, threading.Thread]] = {}
        self._stopped: dict[int, str] = {}  # shards that wait for a person, and why
        self._relays = 1  # that were alive when the shards were last shared out
        self._published = 0  # by threads that have ended
        self._members: Members | None = None
        self._next_renewal = 0.0
        self._ports: Ports

    def stop(self) -> None:
        """Finish the batches in flight, give the leases back and return from `run()`."""
        self._stopping.set()

    @property
    def published(self) -> int:
        """Events published since the start."""
        return self._published + sum(shard.published for shard, _ in list(self._shards.values()))

    def run(self) -> None:
        """Carry events.

        Raises, before anything is carried: Unavailable for a server that cannot be reached, ConfigError (also for a
        missing migration, topic or schema file). At the end: ShardStopped if a shard had to be stopped, and with
        `until_empty` the reason for which a topic was held, if one was.
        """
        self._members = Members(self._settings, self.relay_id)
        require_current(self._members.conn)
        equipment = Equipment.open(self._settings, len(self._members.shards()))
        self._ports = self._make_ports(equipment)
        topics = {route.topic for route in self._settings.routes}
        logger.info(
            "relay %s: %s, %d event types to %d topics", self.relay_id,
            self._settings.relay.delivery.replace("_", " "), len(self._settings.routes), len(topics),
        )  # fmt: skip
        try:
            self._loop()
        finally:
            self._shut_down()
            equipment.close()
        if self._stopped:
            raise _stopped(next(iter(self._stopped.values())))

    def _make_ports(self, equipment: Equipment) -> Ports:
        settings = self._settings
        return Ports(
            open_store=lambda shard: Store.open(settings, shard, self.relay_id),
            open_producer=lambda shard: ShardProducer(settings, shard, equipment.limits),
            encoder=equipment.encoder,
            refresh_limits=equipment.refresh_limits,
            make_stop=threading.Event,
            now=time.monotonic,
        )

    def _loop(self) -> None:
        next_progress = 0.0
        said = 0
        while not self._stopping.is_set():
            if is_orphan():
                logger.warning("the parent process has gone")
                return
            try:
                if self._is_done():
                    return
            except (DatabaseUnavailable, psycopg.Error) as error:
                self._outages.began("Postgres", str(error).splitlines()[0])
                if self._members is not None:
                    self._members.conn.close()
                    self._members = None
            now = time.monotonic()
            if now >= next_progress:
                next_progress = now + PROGRESS_SECONDS
                if self.published != said:
                    logger.info("%d events published", self.published)
                said = self.published
            self._stopping.wait(TICK_SECONDS)

    def _is_done(self) -> bool:
        """One turn: renew the leases, share out the shards; whether that was all that there is to do."""
        if self._members is None:
            self._members = Members(self._settings, self.relay_id)
            self._outages.ended("Postgres")
        now = time.monotonic()
        if now >= self._next_renewal:
            self._members.renew([shard for shard, (_, thread) in self._shards.items() if thread.is_alive()])
            self._next_renewal = now + self._settings.relay.lease_seconds / 3
        self._share(self._members.shards())
        return self._until_empty and self._is_empty(self._members)

    def _share(self, rows: Sequence[ShardRow]) -> None:
        """Take free shards up to the fair share, give back what is above it, and bury threads that have ended."""
        for shard in [shard for shard, (_, thread) in self._shards.items() if not thread.is_alive()]:
            self._bury(shard)
        self._note_stopped({row.shard: row.stopped for row in rows if row.stopped is not None})
        self._note_relays(rows)
        shares = share_out(rows, self._shards, self.relay_id)
        for shard in shares.give_back:
            self._shards[shard][0].stop()
        for shard in shares.take:
            carrier = ShardThread(self._settings, shard, self._ports, self._outages)
            thread = threading.Thread(target=carrier.run, name=f"shard-{shard}")
            self._shards[shard] = carrier, thread
            thread.start()

    def _note_relays(self, rows: Sequence[ShardRow]) -> None:
        relays = rows[0].relays if rows else 1
        if relays > len(rows) and relays != self._relays:
            logger.info("%d relays share %d shards: some stand by (docs/operations.md, Shards)", relays, len(rows))
        self._relays = relays

    def _note_stopped(self, stopped: dict[int, str]) -> None:
        for shard in stopped.keys() - self._stopped.keys():
            logger.error("%s", _stopped(stopped[shard]))
        for shard in self._stopped.keys() - stopped.keys():
            logger.info("shard %d is not stopped any more", shard)
        self._stopped = stopped

    def _bury(self, shard: int) -> None:
        carrier, thread = self._shards.pop(shard)
        thread.join()
        self._published += carrier.published

    def _is_empty(self, members: Members) -> bool:
        carriers = [carrier for carrier, _ in self._shards.values()]
        if not all(carrier.idle for carrier in carriers):
            return False
        held: list[BridgeError] = [reason for carrier in carriers for reason in carrier.held_reasons]
        return is_done(*members.pending(), held, is_stopped=bool(self._stopped))

    def _shut_down(self) -> None:
        for carrier, _ in self._shards.values():
            carrier.stop()
        for shard in list(self._shards):
            self._bury(shard)
        if self._members is not None:
            try:
                self._members.leave()
            except psycopg.OperationalError:
                logger.info("Postgres is away; what is ours there runs out by itself")
            self._members.conn.close()
        logger.info("stopped; %d events published", self._published)


def _stopped(reason: str) -> ShardStopped:
    return ShardStopped(reason, hint=STOPPED_HINT)
