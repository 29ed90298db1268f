"""Keeps house beside the carrying of events: the keeper, in a thread with a connection of its own."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Collection

import psycopg

from bridge.errors import DatabaseRefuses, DatabaseUnavailable, MigrationError
from bridge.keeping.keeper import Keeper, Run, open_house
from bridge.keeping.step import House
from bridge.log_fields import about
from bridge.postgres.compatibility import require_compatible
from bridge.postgres.explained import explained
from bridge.postgres.migrate import require_current
from bridge.settings import Settings
from bridge.text import place, printable

logger = logging.getLogger(__name__)

LOOK_SECONDS = 15.0
END_SECONDS = 3.0  # to wait at the end for a step that is under way, before it is broken off; and once more


class HouseKeeper:
    """Looks every few seconds whether a job is due, and whether another relay's keeper is at work.

    Whatever goes wrong here is said once, and disturbs nothing else. `bridge maintain` does the same without a relay.
    """

    def __init__(
        self,
        settings: Settings,
        owner: str,
        *,
        jobs: Collection[str] = (),
        tell: Callable[[Run], None] = lambda run: None,
    ) -> None:
        """`owner` tells this keeper from others; `jobs`: these alone; `tell` hears of each run."""
        self._settings = settings
        self._keeper = Keeper(owner)
        self._jobs = jobs
        self._tell = tell
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._trouble: str | None = None
        self._house: House | None = None
        self._ended = threading.Event()

    def start(self) -> None:
        """Look again and again, in a thread, until it is asked to end; the first time at once."""
        self._thread = threading.Thread(target=self.run, name="keeper", daemon=True)
        self._thread.start()

    def run(self) -> None:
        """The same, here."""
        while not self._ending.is_set():
            self._look()
            self._ending.wait(LOOK_SECONDS)
        self._ended.set()

    def once(self) -> list[Run] | None:
        """Do every job, or those named, now; None while another keeper is at work. Raises as Keeper.keep does."""
        try:
            return self._keep(at_once=True)
        finally:
            self._ended.set()

    def end(self) -> None:
        """Begin nothing any more; a step that takes long is broken off, and undone by Postgres. Waits for nothing."""
        if not self._ending.is_set():
            self._ending.set()
            threading.Thread(target=self._break_off, name="keeper's end", daemon=True).start()

    def join(self) -> None:
        """Wait until it has ended, for a while."""
        if self._thread is not None:
            self._thread.join(2 * END_SECONDS)

    def _keep(self, *, at_once: bool) -> list[Run] | None:
        with open_house(self._settings, self._pause) as house:
            self._house = house
            if at_once:
                require_current(house.conn)
            else:
                with explained():
                    require_compatible(house.conn)
            return self._keeper.keep(house, self._jobs, at_once=at_once)

    def _break_off(self) -> None:
        """In a thread of its own: asking Postgres takes a connection."""
        if not self._ended.wait(END_SECONDS) and self._house is not None:
            with contextlib.suppress(psycopg.Error):  # it is over, or Postgres is away
                self._house.conn.cancel_safe(timeout=END_SECONDS)

    def _look(self) -> None:
        try:
            for run in self._keep(at_once=False) or ():
                self._tell(run)
        except (DatabaseRefuses, DatabaseUnavailable, MigrationError) as error:
            if not self._ending.is_set():
                self._failed(str(error))
        except Exception as error:
            self._failed(f"unforeseen: {place(error)}. Please report it")
        else:
            if self._trouble is not None:
                logger.info("house is kept again", extra=about("house-kept"))
            self._trouble = None

    def _pause(self, seconds: float) -> bool:
        return not self._ending.wait(seconds)

    def _failed(self, trouble: str) -> None:
        if trouble != self._trouble:
            logger.warning("house is not kept: %s", printable(trouble), extra=about("house-not-kept"))
        self._trouble = trouble
