"""Looks at the bridge every few seconds in a thread, and keeps what the page shows of it."""

from __future__ import annotations

import logging
import threading
import time

from bridge.admin.watch import Watch
from bridge.errors import BridgeError
from bridge.log_fields import about
from bridge.settings import Settings
from bridge.telemetry.pages import Answer, Request
from bridge.text import place
from bridge.web.answers import document, trouble
from bridge.web.summary import summary

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
SHARE = 0.01  # of the time, at most, is spent in looking: beside who drains it, a large backlog is counted
PAUSE_SECONDS = 30.0  # at most, however long the last look took: Postgres may have hung in it
KEPT_SECONDS = 3600.0
END_SECONDS = 1.0  # to wait at the end for a look that is under way
SLOW_SECONDS = 20.0  # after which a look that is under way is told instead of the one before
TROUBLE = "unforeseen: %s in what the page shows. Please report it"


class Watcher:
    """From `start()` to `close()`; `page` may be called by any thread, and asks nobody."""

    def __init__(self, settings: Settings, *, may_act: bool) -> None:
        self._settings = settings
        self._may_act = may_act
        self._answer = trouble(503, "nobody has looked yet")
        self._looking_since: float | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    def start(self) -> None:
        """Look from now on."""
        self._thread.start()

    def close(self) -> None:
        """Look no more; a look that takes long is left to end with the process."""
        self._stopping.set()
        self._thread.join(END_SECONDS)

    def page(self, _request: Request) -> Answer:
        """The last look, as long as it is no old one: nobody is to be shown that all is well while nothing answers."""
        since, now = self._looking_since, time.monotonic()
        if since is not None and now - since > SLOW_SECONDS:
            return trouble(503, f"Postgres has not answered for {now - since:.0f} s")
        return self._answer

    def _run(self) -> None:
        said = ""
        with Watch(self._settings, int(KEPT_SECONDS / LOOK_SECONDS)) as watch:
            while not self._stopping.is_set():
                began = self._looking_since = time.monotonic()
                try:
                    seen = watch.look()
                    self._answer = (
                        trouble(503, str(seen))
                        if isinstance(seen, BridgeError)
                        else document({**summary(seen, watch.pace), "may_act": self._may_act})
                    )
                except BridgeError as error:  # a missing migration, say: somebody may be at it
                    self._answer = trouble(503, str(error))
                except Exception as error:  # a bug of the page's, which must not end it, nor a relay beside it
                    self._answer = trouble(500, f"unforeseen: {place(error)}")
                    if place(error) != said:
                        said = place(error)
                        logger.error(TROUBLE, said, extra=about("unforeseen", exception=said))
                self._looking_since = None
                pause = min((time.monotonic() - began) / SHARE, PAUSE_SECONDS)
                self._stopping.wait(max(LOOK_SECONDS, pause))
