"""Says once that a server is away or refuses us, and why, and once that it is back, however many threads notice."""

from __future__ import annotations

import logging
import math
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from bridge.errors import (
    BrokerRefuses,
    BrokerUnavailable,
    DatabaseRefuses,
    DatabaseUnavailable,
    RegistryUnavailable,
    Unavailable,
)
from bridge.log_fields import about
from bridge.text import printable

logger = logging.getLogger(__name__)

SERVERS: dict[type[Unavailable], str] = {
    DatabaseUnavailable: "Postgres",
    BrokerUnavailable: "Kafka",
    RegistryUnavailable: "the schema registry",
}
REFUSES = (DatabaseRefuses, BrokerRefuses)
AGAIN_SECONDS = 60.0  # another reason why a server is away is said no sooner: while it restarts, it has many
MOST_SAID = 100  # reasons of one outage
NUMBER = re.compile(r"\d+")  # a port, a process or milliseconds make no other reason


class Outage(NamedTuple):
    """Why a server cannot be used, since when, and whether it answers, but refuses; which one it is."""

    why: str
    since: datetime
    is_refusal: bool
    server: str


@dataclass
class _Outage:
    why: str
    since: datetime
    is_refusal: bool = False
    away_said_at: float = -math.inf
    noticed_by: set[str] = field(default_factory=set)
    said: set[str] = field(default_factory=set)


class Outages:
    """Which servers are away for one process, and who of it has noticed; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outages: dict[str, _Outage] = {}
        self.counts: Counter[str] = Counter()  # by server; others may read it

    def began(self, who: str, error: Unavailable) -> None:
        """Note that `who` cannot use a server; logs a server that is away once, each refusal once, and another reason
        of the same outage once, if it is still there when the last one was said a while ago.
        """
        server = next((name for kind, name in SERVERS.items() if isinstance(error, kind)), "a server")
        is_refusal = isinstance(error, REFUSES)
        text = printable(str(error))
        with self._lock:
            self.counts[server] += server not in self._outages
            outage = self._outages.setdefault(server, _Outage(text, datetime.now(UTC)))
            outage.noticed_by.add(who)
            if is_refusal and not outage.is_refusal:
                outage.why, outage.is_refusal = text, True
            elif not outage.is_refusal:
                outage.why = text
            is_due = is_refusal or time.monotonic() - outage.away_said_at >= AGAIN_SECONDS
            reason = text if is_refusal else NUMBER.sub("", text)
            is_new = is_due and reason not in outage.said and len(outage.said) < MOST_SAID
            if is_new:
                outage.said.add(reason)
                outage.away_said_at = outage.away_said_at if is_refusal else time.monotonic()
        if is_new and is_refusal:
            logger.warning("%s refuses; trying again: %s", server, text, extra=about("server-refuses"))
        elif is_new:
            logger.warning("%s is away; waiting for it: %s", server, text, extra=about("server-away"))

    def ended(self, who: str, *kinds: type[Unavailable]) -> None:
        """Note that `who` can use these servers; logs those that nobody misses any more."""
        if not self._outages:
            return
        back = []
        with self._lock:
            for server in [SERVERS[kind] for kind in kinds if SERVERS[kind] in self._outages]:
                self._outages[server].noticed_by.discard(who)
                if not self._outages[server].noticed_by:
                    del self._outages[server]
                    back.append(server)
        for server in back:
            logger.info("%s is back", server, extra=about("server-back"))

    def forget(self, who: str) -> None:
        """Note that `who` has ended, and misses nothing any more; says nothing, for the server may still be away."""
        with self._lock:
            for server, outage in list(self._outages.items()):
                outage.noticed_by.discard(who)
                if not outage.noticed_by:
                    del self._outages[server]

    def current(self) -> list[Outage]:
        """All of now, in the order of the servers' names."""
        with self._lock:
            found = sorted(self._outages.items())
            return [Outage(outage.why, outage.since, outage.is_refusal, server) for server, outage in found]
