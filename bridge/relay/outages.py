"""Says once that a server is away, and once that it is back, however many threads notice."""

from __future__ import annotations

import logging
import threading

from bridge.errors import BrokerUnavailable, DatabaseUnavailable, RegistryUnavailable

logger = logging.getLogger(__name__)

SERVERS = {DatabaseUnavailable: "Postgres", BrokerUnavailable: "Kafka", RegistryUnavailable: "the schema registry"}


class Outages:
    """Which servers are away, for one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._away: set[str] = set()

    def began(self, server: str, why: str) -> None:
        """Note that `server` is away; logs only the first time."""
        with self._lock:
            known = server in self._away
            self._away.add(server)
        if not known:
            logger.warning("%s is away; waiting for it: %s", server, why)

    def ended(self, *servers: str) -> None:
        """Note that `servers` answer; logs only those that were away."""
        with self._lock:
            back = self._away.intersection(servers)
            self._away.difference_update(back)
        for server in sorted(back):
            logger.info("%s is back", server)
