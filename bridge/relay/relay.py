"""The process that carries events: takes its share of the shards, and runs a thread for each.

Membership and leases live in Postgres (`postgres/members.py`); relays never speak to each other.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from bridge.errors import DatabaseUnavailable, ShardStopped, Unavailable
from bridge.harmless import Harmless
from bridge.log_fields import about
from bridge.postgres.members import Members, ShardRow, own_id
from bridge.postgres.migrate import require_current
from bridge.reactions import AT_START, AT_START_UNTIL_EMPTY, OF_A_RELAY, Reaction, reaction
from bridge.relay.capture import CaptureWatch
from bridge.relay.carriers import Carriers, Counts
from bridge.relay.emptiness import is_done, raise_if_stuck
from bridge.relay.health import Health
from bridge.relay.health_pages import relay_pages
from bridge.relay.house import HouseKeeper
from bridge.relay.now import relay_now
from bridge.relay.outages import Outages
from bridge.relay.ports import make_ports
from bridge.relay.sharing import share_out
from bridge.relay.signals import leave_in_time
from bridge.relay.start import start
from bridge.relay.vitals import Vitals
from bridge.relay.waits import Wait, waits
from bridge.relay.watched import watched
from bridge.relay.workers import is_orphan, is_worker
from bridge.settings import Settings
from bridge.shard.takeover import STOPPED_HINT
from bridge.telemetry.activity import POSTGRES
from bridge.telemetry.address import Address
from bridge.telemetry.meter import Both, Careful
from bridge.telemetry.metrics import Metrics
from bridge.telemetry.pages import METRICS, Page
from bridge.telemetry.server import HttpServer
from bridge.telemetry.tracing import MOST_LINKS, open_tracing
from bridge.text import counted, place

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.1  # how soon a free shard is noticed;
ALONE_SECONDS = 0.5  # and another relay, by one that has all shards
PROGRESS_SECONDS = 10.0
SWITCH_SECONDS = 0.001  # for which a busy shard keeps Python's lock from a thread that answers; by itself 5 ms
WHO = "relay"
NO_PAGES: Mapping[str, Page] = MappingProxyType({})


class Relay:
    """One relay process. `run()` returns once `stopping` is set, or, with `until_empty`, when nothing is pending."""

    def __init__(
        self,
        settings: Settings,
        stopping: threading.Event,
        *,
        until_empty: bool,
        wait_seconds: float,
        http: Address | None = None,
        pages: Mapping[str, Page] = NO_PAGES,
    ) -> None:
        """`wait_seconds`: how long to wait at the start for servers that are away; `http`: where health is served, and
        these `pages` beside it.

        Raises ConfigError where it cannot listen there.
        """
        self.relay_id = own_id()
        self._settings = settings
        self._until_empty = until_empty
        self._wait_seconds = wait_seconds
        self._outages = Outages()
        self._metrics = Metrics(settings, http.path if http is not None and is_worker() else "")
        self._stopping = stopping
        self._capture = CaptureWatch(settings)
        self._house = HouseKeeper(settings, self.relay_id)
        self._carriers: Carriers
        self._stopped: dict[int, str] = {}  # shards that wait for a person, and why
        self._relays = 1  # that were alive when the shards were last shared out
        self._members: Members | None = None
        self._next_renewal = 0.0
        self._waits: list[Wait] = []  # as last written
        self._has_all = False
        self._health = Health(WHO, "The relay tries again; its shards go on meanwhile")
        self._metrics.knows(lambda: relay_now(self._health, None, self._outages, (), {}, 0))
        self._vitals = Vitals(settings, self.relay_id, self._outages, self._notes, is_asked=http is not None)
        self._harmless = Harmless(logger, "what bridge top shows")
        own = {**relay_pages(self._vitals), METRICS: self._metrics.page}
        self._server = None if http is None else HttpServer(http, {**pages, **own})

    def run(self) -> None:
        """Carry events; at the end finish the batches in flight, and give the leases back.

        Raises, before anything is carried: ConfigError (also for a missing migration, topic or schema file),
        Unavailable for a server that refuses us, or is away for too long. At the end: MigrationError if the database
        has become one that this program cannot work with, ShardStopped if a shard had to be stopped, UnforeseenFailure
        if one does not get on, and with `until_empty` the reason for which a topic was held.
        """
        self._vitals.start()
        try:
            self._run_asked()
        finally:
            self._vitals.close()

    def _run_asked(self) -> None:
        if self._server is None:
            self._run()
            return
        sys.setswitchinterval(SWITCH_SECONDS)
        self._metrics.start()
        self._server.start()
        if not self._server.address.path:  # of workers, the parent says it
            text = "health is served at http://%s/healthz, metrics at %s, a page for people at /"
            logger.info(text, self._server.address, METRICS, extra=about("pages-served"))
        try:
            self._run()
        finally:
            self._server.close()
            self._metrics.end()

    def _run(self) -> None:
        activities = self._vitals.activities
        reactions = AT_START_UNTIL_EMPTY if self._until_empty else AT_START
        with activities.waits("waits for the servers at its start", None):
            started = start(
                self._settings, self._open_members, self._outages, self._stopping, self._wait_seconds, reactions
            )
        if started is None:
            return
        self._members, equipment = started
        tracing = open_tracing(self._settings, self.relay_id, os.environ)
        meter = self._metrics if tracing is None else Both(self._metrics, tracing.meter)
        ports = make_ports(self._settings, self.relay_id, equipment, MOST_LINKS if tracing else 0)
        ports = watched(ports, activities)
        carriers = self._carriers = Carriers(self._settings, ports, self._outages, activities, Careful(meter))
        self._vitals.runs(self._carriers, self._health)
        requests = equipment.schema_ids.counts
        self._metrics.knows(
            lambda: relay_now(
                self._health, carriers, self._outages, self._vitals.stills.found, requests, self._capture.problem_count
            )
        )
        threading.excepthook = self._carriers.note_crash
        topics = {route.topic for route in self._settings.routes}
        logger.info(
            "relay %s: %s, %s to %s", self.relay_id, self._settings.relay.delivery.replace("_", " "),
            counted(len(self._settings.routes), "route"), counted(len(topics), "topic"),
            extra=about("relay-started"),
        )  # fmt: skip
        equipment.schema_ids.watch(activities)
        equipment.schema_ids.start()
        self._capture.start()
        if self._settings.relay.keep_house:
            self._house.start()
        try:
            self._loop()
        finally:
            self._vitals.ends()
            with activities.waits("ends", None):
                equipment.schema_ids.end()
                self._shut_down()
            if tracing is not None:
                tracing.close()
        if self._stopped:
            raise _stopped(next(iter(self._stopped.values())))
        raise_if_stuck([self._health, *self._carriers.healths.values()])

    def _open_members(self) -> Members:
        with self._vitals.activities.waits("connects to Postgres", POSTGRES):
            return Members(self._settings, self.relay_id)

    def _loop(self) -> None:
        next_progress = 0.0
        said = Counts(0, 0)
        while not self._stopping.is_set():
            self._vitals.activities.works()
            if is_orphan():
                logger.warning("the parent process has gone", extra=about("parent-gone"))
                return
            left, pause = self._turn_and_react()
            if self._until_empty and self._health.is_stuck:
                return
            if left is not None and is_done(*left, self._carriers.healths, is_stopped=bool(self._stopped)):
                return
            now = time.monotonic()
            if now >= next_progress:
                next_progress = now + PROGRESS_SECONDS
                if (counts := self._carriers.counts) != said:
                    logger.info("%d events published, %d dead", *counts, extra=about("progress"))
                said = self._carriers.counts
            self._stopping.wait(pause)

    def _turn_and_react(self) -> tuple[tuple[int, int] | None, float]:
        """One turn; whatever goes wrong, the shards go on. What it returned, and seconds to wait before the next."""
        try:
            left = self._turn()
        except Exception as error:  # every one has its reaction
            if reaction(error, OF_A_RELAY) is Reaction.END:
                logger.info("%s; handing over", error, extra=about("relay-outdated"))
                leave_in_time()
                raise
            pause = self._react(error)
            return None, min(pause, self._settings.relay.lease_seconds / 3)  # or this relay seems to have gone
        self._outages.ended(WHO, DatabaseUnavailable)
        self._health.got_on()
        return left, ALONE_SECONDS if self._has_all and not self._until_empty else TICK_SECONDS

    def _react(self, error: Exception) -> float:
        if self._members is not None and not self._members.is_usable:
            self._members.conn.close()
            self._members = None
        if reaction(error, OF_A_RELAY) is Reaction.BACK_OFF:
            logger.debug("relay", exc_info=error, extra=about("unforeseen"))
            return self._health.failed_unforeseen(place(error))
        if isinstance(error, Unavailable):
            self._outages.began(WHO, error)
        else:
            self._health.say_once(logging.WARNING, f"{error}; trying again", about("trying-again"))
        return self._health.failed()

    def _turn(self) -> tuple[int, int] | None:
        """Renew the leases, share out the shards; returns what is pending, once nothing moves any more."""
        if self._members is None:
            self._members = self._open_members()
            require_current(self._members.conn)  # a backup of before a migration may have been restored
        asking = self._vitals.activities.waits
        known, now = waits(self._health, self._carriers.healths, self._outages), time.monotonic()
        found = [*known, *self._vitals.stills.found]
        if now >= self._next_renewal or found != self._waits:
            work = self._harmless(lambda: self._metrics.told.document(now)) or {}
            with asking("renews its leases", POSTGRES):
                self._members.renew(self._carriers.running(), found, work)
            self._vitals.renewed()
            self._waits = found
            self._next_renewal = now + self._settings.relay.lease_seconds / 3
        with asking("looks who holds which shard", POSTGRES):
            rows = self._members.shards()
        self._share(rows)
        if not self._until_empty or not self._carriers.are_idle:
            return None
        with asking("counts what is pending", POSTGRES):
            return self._members.pending()

    def _share(self, rows: Sequence[ShardRow]) -> None:
        """Take free shards up to the fair share, give back what is above it, and bury threads that have ended.

        What waits in a shard that is another relay's, or stopped, is not told here any more.
        """
        self._carriers.bury()
        self._carriers.forget(row.shard for row in rows if not row.is_free and row.owner != self.relay_id)
        self._note_stopped(_stopped_shards(rows))
        relays = rows[0].relays if rows else 1
        if relays > len(rows) and relays != self._relays:
            text = "relays: %d, shards: %d, so some stand by (docs/operations.md, Shards)"
            logger.info(text, relays, len(rows), extra=about("relays-stand-by"))
        self._relays = relays
        shares = share_out(rows, self._carriers.shards(), self.relay_id)
        self._carriers.stop(shares.give_back)
        self._carriers.start(shares.take)
        self._has_all = len(self._carriers.shards()) == len(rows)

    def _note_stopped(self, stopped: dict[int, str]) -> None:
        for shard in stopped.keys() - self._stopped.keys():
            logger.error("%s", _stopped(stopped[shard]), extra=about("shard-stopped", shard=shard))
        for shard in self._stopped.keys() - stopped.keys():
            logger.info("shard %d is not stopped any more", shard, extra=about("shard-released", shard=shard))
        self._stopped = stopped

    def _notes(self) -> list[str]:
        """For health."""
        problems = self._capture.problem_count
        tracking = [f"{counted(problems, 'problem')} of tracked tables. See bridge doctor"] if problems else []
        return tracking + self._metrics.survey.short

    def _shut_down(self) -> None:
        self._house.end()
        self._carriers.end()
        self._capture.end()
        self._house.join()
        if self._members is not None:
            try:
                self._note_stopped(_stopped_shards(self._members.shards()))  # since the last turn, too
                self._members.leave()
            except DatabaseUnavailable:
                text = "Postgres is away; what is ours there runs out by itself"
                logger.info(text, extra=about("leases-left"))
            self._members.conn.close()
        logger.info("stopped; %d events published, %d dead", *self._carriers.counts, extra=about("relay-stopped"))


def _stopped_shards(rows: Sequence[ShardRow]) -> dict[int, str]:
    return {row.shard: row.stopped for row in rows if row.stopped is not None}


def _stopped(reason: str) -> ShardStopped:
    return ShardStopped(reason, hint=STOPPED_HINT)
