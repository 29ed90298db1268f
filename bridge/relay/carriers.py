"""The threads of one relay, one for each shard that it holds."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from typing import NamedTuple

from bridge.log_fields import about, current_shard
from bridge.relay.outages import Outages
from bridge.relay.shard_health import ShardHealth
from bridge.relay.shard_thread import ShardThread
from bridge.settings import Settings
from bridge.shard.holds import TopicHolds
from bridge.shard.ports import Ports
from bridge.telemetry.activity import Activities
from bridge.telemetry.meter import SILENT, Meter
from bridge.text import place

logger = logging.getLogger(__name__)


class Counts(NamedTuple):
    """Events since the start: published, and dead."""

    published: int
    dead: int


class Carriers:
    """Starts, stops and buries them; one thread uses this. `healths` keeps what is known of shards, also after, until
    they are others' (`forget()`).
    """

    def __init__(
        self,
        settings: Settings,
        ports: Ports,
        outages: Outages,
        activities: Activities,
        meter: Meter = SILENT,
    ) -> None:
        self.healths: dict[int, ShardHealth] = {}
        self._settings = settings
        self._ports = ports
        self._outages = outages
        self._activities = activities
        self._meter = meter
        self._running: dict[int, tuple[ShardThread, threading.Thread]] = {}
        self._not_before: dict[int, float] = {}  # when a shard whose thread has ended may be started again
        self._crashes: dict[str, str] = {}  # by thread, the exception that ended it
        self._ended = Counts(0, 0)  # by threads that have ended

    @property
    def counts(self) -> Counts:
        """What was done so far."""
        carriers = [carrier for carrier, _ in self._running.values()]
        return Counts(
            self._ended.published + sum(carrier.published for carrier in carriers),
            self._ended.dead + sum(carrier.dead for carrier in carriers),
        )

    @property
    def are_idle(self) -> bool:
        """Whether no shard has anything to do, or those that have do not get on."""
        return all(carrier.idle or carrier.health.is_stuck for carrier, _ in self._running.values())

    def shards(self) -> list[int]:
        """The shards that are ours."""
        return list(self._running)

    def running(self) -> list[int]:
        """The shards whose threads are alive, so that their leases are to be renewed."""
        return [shard for shard, (_, thread) in self._running.items() if thread.is_alive()]

    def threads(self) -> list[tuple[int, int | None]]:
        """The shards that are ours, and the identifiers of their threads; any thread may ask."""
        return [(shard, thread.ident) for shard, (_, thread) in list(self._running.items())]

    def start(self, shards: Iterable[int]) -> None:
        """Carry these shards, but for those whose back-off is not over."""
        for shard in shards:
            if time.monotonic() < self._not_before.get(shard, 0.0):
                continue
            if shard not in self.healths:
                holds = TopicHolds(self._settings, self._ports.now, self._ports.unwritable)
                self.healths[shard] = ShardHealth(shard, holds)
            carrier = ShardThread(self._settings, shard, self._ports, self._outages, self.healths[shard], self._meter)
            thread = threading.Thread(target=self._run, args=(carrier,), name=f"shard-{shard}", daemon=True)
            self._running[shard] = carrier, thread
            thread.start()

    def stop(self, shards: Iterable[int]) -> None:
        """Ask these shards' threads to end."""
        for shard in shards:
            self._running[shard][0].stop()

    def bury(self) -> None:
        """Forget the threads that have ended."""
        for shard in self._running.keys() - self.running():
            self._bury(shard)

    def forget(self, shards: Iterable[int]) -> None:
        """Let go of what is known of these shards, unless a thread of ours has yet to find out that they have left.

        Nothing of what happens to them from now on would be heard of here.
        """
        for shard in shards:
            if shard not in self._running:
                self.healths.pop(shard, None)

    def end(self) -> None:
        """Stop all, and wait until they have ended."""
        self.stop(self._running)
        for shard in self.shards():
            self._bury(shard)

    def note_crash(self, crash: threading.ExceptHookArgs) -> None:
        """What Python calls when an exception ends a thread, any of this process: none does so in silence."""
        error, name = crash.exc_value or crash.exc_type(), crash.thread.name if crash.thread else ""
        logger.debug("thread %s", name, exc_info=error, extra=about("unforeseen"))
        self._crashes[name] = place(error)
        if name not in {thread.name for _, thread in self._running.values()}:
            what = about("thread-ended", exception=place(error))
            logger.error("unforeseen: %s ended the thread %s. Please report it", place(error), name, extra=what)

    def _run(self, carrier: ShardThread) -> None:
        current_shard.set(carrier.shard)
        self._activities.works("begins")
        try:
            self._not_before[carrier.shard] = time.monotonic() + carrier.run()
        finally:
            self._activities.works("has ended, and is not started again")

    def _bury(self, shard: int) -> None:
        carrier, thread = self._running.pop(shard)
        thread.join()
        if (crash := self._crashes.pop(thread.name, None)) is not None:
            self._not_before[shard] = time.monotonic() + carrier.health.failed_unforeseen(crash)
        self._ended = Counts(self._ended.published + carrier.published, self._ended.dead + carrier.dead)
        self._outages.forget(f"shard {shard}")
