"""Keeps house beside the carrying of events: the keeper, in a thread with a connection of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection

from bridge.errors import DatabaseRefuses, DatabaseUnavailable
from bridge.keeping.keeper import Keeper, Run
from bridge.keeping.step import House
from bridge.postgres.connection import connect
from bridge.settings import Settings
from bridge.text import place, printable

logger = logging.getLogger(__name__)

LOOK_SECONDS = 15.0
END_SECONDS = 5.0  # to wait at the end for a step that is under way


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

    def start(self) -> None:
        """Begin with the first look."""
        self._thread = threading.Thread(target=self.run, name="keeper", daemon=True)
        self._thread.start()

    def run(self) -> None:
        """Look again and again, until it is asked to end."""
        while not self._ending.is_set():
            self._look()
            self._ending.wait(LOOK_SECONDS)

    def end(self) -> None:
        """Begin nothing any more; a step that takes long is left to end with the process, and is undone by Postgres."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(END_SECONDS)

    def _look(self) -> None:
        try:
            name = f"{self._settings.relay.name} keeper"
            with connect(self._settings.database.url, application_name=name) as conn:
                for run in self._keeper.keep(House(conn, self._settings, self._pause), self._jobs) or ():
                    self._tell(run)
        except DatabaseRefuses as error:
            self._failed(str(error))
        except DatabaseUnavailable as error:  # the relay says that
            logger.debug("keeper: %s", printable(str(error)))
        except Exception as error:
            self._failed(f"unforeseen: {place(error)}. Please report it")
        else:
            if self._trouble is not None:
                logger.info("house is kept again")
            self._trouble = None

    def _pause(self, seconds: float) -> bool:
        return not self._ending.wait(seconds)

    def _failed(self, trouble: str) -> None:
        if trouble != self._trouble:
            logger.warning("house is not kept: %s", printable(trouble))
        self._trouble = trouble
