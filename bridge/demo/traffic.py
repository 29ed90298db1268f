"""Believable traffic of a sales team, from several connections at once.

The same seed and number of events give the same transactions, in the same order on each connection.
"""

from __future__ import annotations

import threading
import time
from random import Random
from types import TracebackType
from typing import Self

import psycopg

from bridge.demo.fiction import CLIENTS, REGIONS, USERS
from bridge.demo.session import Session
from bridge.demo.writer import Writer
from bridge.errors import BridgeError, DatabaseUnavailable
from bridge.postgres.connection import connect
from bridge.settings import DatabaseSettings

CONNECTIONS = 4
STOP_SECONDS = 10.0  # for all writers together


class Traffic:
    """Writes `events` events, or a few more, from CONNECTIONS threads, which end with the process."""

    def __init__(self, database: DatabaseSettings | str, events: int, seed: int) -> None:
        """Connect, and create the territories that all writers share. Raises DatabaseUnavailable, ConfigError."""
        self.failure: BridgeError | None = None
        self._stop = threading.Event()
        self._share = -(-events // CONNECTIONS)
        sessions = [Session(connect(database, application_name="bridge demo")) for _ in range(CONNECTIONS)]
        with sessions[0].transaction():
            sessions[0].act_as(USERS[0], *CLIENTS[0])
            territories = [sessions[0].create("Territory", {"name": region, "region": region}) for region in REGIONS]
        self._writers = [
            Writer(session, Random(f"{seed}/{number}"), territories, self._stop)  # noqa: S311 - invented data
            for number, session in enumerate(sessions)
        ]
        self._threads = [threading.Thread(target=self._run, args=(writer,), daemon=True) for writer in self._writers]

    @property
    def events(self) -> int:
        """Events committed since the start, by the writers' own count."""
        return sum(writer.events for writer in self._writers)

    @property
    def committed(self) -> int:
        """Transactions committed so far."""
        return sum(writer.committed for writer in self._writers)

    @property
    def rolled_back(self) -> int:
        """Transactions rolled back so far, all of them on purpose."""
        return sum(writer.rolled_back for writer in self._writers)

    @property
    def is_running(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let every writer finish its transaction; one that does not in time ends with the process."""
        self._stop.set()
        deadline = time.monotonic() + STOP_SECONDS
        for thread, writer in zip(self._threads, self._writers, strict=True):
            if thread.ident is not None:
                thread.join(max(deadline - time.monotonic(), 0))
            if not thread.is_alive():
                writer.session.close()

    def _run(self, writer: Writer) -> None:
        try:
            writer.write(self._share)
        except psycopg.Error as error:
            self.failure = trouble(error)
            self._stop.set()


def trouble(error: psycopg.Error) -> BridgeError:
    """What went wrong in the database, in one line."""
    reason = error.diag.message_primary or str(error).strip().splitlines()[0]
    kind = DatabaseUnavailable if isinstance(error, psycopg.OperationalError) else BridgeError
    return kind(f"the demo cannot go on; Postgres says: {reason}")
