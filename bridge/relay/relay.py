"""The process that carries events: shares out the shards with other relays, and runs one pipeline for each it holds.

Membership and leases live in Postgres (`bridge.relay`, `bridge.shard`); relays never speak to each other.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import signal
import socket
import threading
import time
from types import FrameType

import psycopg

from bridge.encoding.encoder import Encoders
from bridge.errors import BridgeError, DatabaseUnavailable, KeysHeld, ShardStopped
from bridge.postgres.connection import connect, query
from bridge.postgres.migrate import require_current
from bridge.relay.outages import Outages
from bridge.relay.pipeline import Pipeline
from bridge.relay.workers import is_orphan
from bridge.settings import Settings
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
        self._pipelines: dict[int, Pipeline] = {}
        self._threads: dict[int, threading.Thread] = {}
        self._stopped: dict[int, str] = {}  # shards that wait for a person, and why
        self._relays = 1  # that were alive when the shards were last shared out
        self._published = 0  # by pipelines that have ended
        self._conn: psycopg.Connection | None = None
        self._encoders: Encoders

    def stop(self) -> None:
        """Finish the batches in flight, give the leases back and return from `run()`."""
        self._stopping.set()

    def stop_on_signals(self) -> None:
        """Let SIGTERM and SIGINT stop this relay; a second one has no further effect."""

        def on_signal(number: int, _frame: FrameType | None) -> None:
            if not self._stopping.is_set():
                logger.info("%s: finishing what is in flight", signal.Signals(number).name)
            self.stop()

        signal.signal(signal.SIGTERM, on_signal)
        signal.signal(signal.SIGINT, on_signal)

    @property
    def published(self) -> int:
        """Events published since the start."""
        return self._published + sum(pipeline.published for pipeline in list(self._pipelines.values()))

    def run(self) -> None:
        """Carry events.

        Raises, before anything is carried: Unavailable for a server that cannot be reached, ConfigError (also for a
        missing migration, topic or schema file). At the end: ShardStopped if a shard had to be stopped, and with
        `until_empty` the reason for which a topic was held, if one was.
        """
        self._conn = self._connect()
        require_current(self._conn)
        shards = self._conn.execute("select count(*) from bridge.shard").fetchone()
        self._encoders = Encoders.open(self._settings, shard_count=shards[0] if shards else 0)
        logger.info(
            "relay %s: %s, %s", self.relay_id, self._settings.relay.delivery.replace("_", " "), self._encoders.summary
        )
        try:
            self._loop()
        finally:
            self._shut_down()
        if self._stopped:
            raise _stopped(next(iter(self._stopped.values())))

    def _loop(self) -> None:
        next_renewal = next_progress = 0.0
        said = 0
        while not self._stopping.is_set():
            now = time.monotonic()
            if is_orphan():
                logger.warning("the parent process has gone")
                return
            try:
                if self._conn is None:
                    self._conn = self._connect()
                    self._outages.ended("Postgres")
                if now >= next_renewal:
                    self._renew()
                    next_renewal = now + self._settings.relay.lease_seconds / 3
                self._share()
                if self._until_empty and self._is_empty():
                    return
            except (DatabaseUnavailable, psycopg.Error) as error:
                self._outages.began("Postgres", str(error).splitlines()[0])
                if self._conn is not None:
                    self._conn.close()
                    self._conn = None
            if now >= next_progress:
                next_progress = now + PROGRESS_SECONDS
                if self.published != said:
                    logger.info("%d events published", self.published)
                said = self.published
            self._stopping.wait(TICK_SECONDS)

    def _connect(self) -> psycopg.Connection:
        return connect(self._settings.database.url, application_name=f"{self._settings.relay.name} relay")

    def _renew(self) -> None:
        assert self._conn is not None  # noqa: S101 - _loop() opened it
        seconds = self._settings.relay.lease_seconds
        who = {"relay_id": self.relay_id, "host": socket.gethostname(), "pid": os.getpid(), "lease_seconds": seconds}
        self._conn.execute(query("heartbeat_relay"), who)
        shards = [shard for shard, thread in self._threads.items() if thread.is_alive()]
        renewal = {"owner": self.relay_id, "shards": shards, "lease_seconds": seconds}
        self._conn.execute(query("renew_leases"), renewal)

    def _share(self) -> None:
        """Take free shards up to the fair share, give back what is above it, and bury pipelines that have ended."""
        assert self._conn is not None  # noqa: S101 - _loop() opened it
        for shard in [shard for shard, thread in self._threads.items() if not thread.is_alive()]:
            self._bury(shard)
        rows = self._conn.execute(
            query("list_shards"), {"lease_seconds": self._settings.relay.lease_seconds}
        ).fetchall()
        relays = max(rows[0][4], 1) if rows else 1
        self._note_stopped({shard: reason for shard, _, _, reason, _ in rows if reason is not None})
        if relays > len(rows) and relays != self._relays:
            logger.info("%d relays share %d shards: some stand by (docs/operations.md, Shards)", relays, len(rows))
        self._relays = relays
        fair = -(-len(rows) // relays)
        for shard in list(self._pipelines)[fair:]:
            self._pipelines[shard].stop()
        for shard, owner, is_free, _, _ in rows:
            takeable = is_free or owner == self.relay_id
            if takeable and len(self._pipelines) < fair and shard not in self._pipelines:
                self._start(shard)

    def _note_stopped(self, stopped: dict[int, str]) -> None:
        for shard in stopped.keys() - self._stopped.keys():
            logger.error("%s", _stopped(stopped[shard]))
        for shard in self._stopped.keys() - stopped.keys():
            logger.info("shard %d is not stopped any more", shard)
        self._stopped = stopped

    def _start(self, shard: int) -> None:
        pipeline = Pipeline(self._settings, shard, self.relay_id, self._encoders, self._outages)
        thread = threading.Thread(target=pipeline.run, name=f"shard-{shard}")
        self._pipelines[shard], self._threads[shard] = pipeline, thread
        thread.start()

    def _bury(self, shard: int) -> None:
        pipeline = self._pipelines.pop(shard)
        self._threads.pop(shard).join()
        self._published += pipeline.published

    def _is_empty(self) -> bool:
        """Nothing pending in any shard, or nothing that could still move: what is left is held or stopped."""
        assert self._conn is not None  # noqa: S101 - _loop() opened it
        pipelines = list(self._pipelines.values())
        if not all(pipeline.idle for pipeline in pipelines):
            return False
        held: list[BridgeError] = [reason for pipeline in pipelines for reason in pipeline.held_reasons]
        pending, behind_dead = self._conn.execute(query("count_pending")).fetchone() or (0, 0)
        if pending > behind_dead and held:
            raise held[0]
        if pending and pending == behind_dead and not self._stopped:
            raise KeysHeld(
                f"{pending} events wait behind dead events of their keys",
                hint="See bridge dead list; then bridge dead retry, or bridge dead skip",
            )
        return pending == 0 or bool(self._stopped)

    def _shut_down(self) -> None:
        for pipeline in self._pipelines.values():
            pipeline.stop()
        for shard in list(self._threads):
            self._threads[shard].join()
            self._bury(shard)
        self._encoders.close()
        if self._conn is not None:
            with contextlib.suppress(psycopg.OperationalError):  # Postgres is away: the row runs out by itself
                for farewell in ("release_leases", "forget_relays"):
                    self._conn.execute(query(farewell), {"relay_id": self.relay_id})
            self._conn.close()
        logger.info("stopped; %d events published", self._published)


def _stopped(reason: str) -> ShardStopped:
    return ShardStopped(reason, hint=STOPPED_HINT)
