"""Looks after the tracking of tables, beside the carrying of events: another thread with another connection."""

from __future__ import annotations

import logging

import psycopg

from bridge.errors import DatabaseRefuses, DatabaseUnavailable
from bridge.log_fields import about
from bridge.postgres.connection import connect
from bridge.postgres.explained import explained
from bridge.postgres.route_findings import route_findings
from bridge.postgres.tracking import refresh_tracking, tracking_report
from bridge.repeating import Repeating
from bridge.settings import Settings
from bridge.text import place, printable

logger = logging.getLogger(__name__)

LOOK_SECONDS = 30.0
TRACKING, ROUTES = "tracking", "routes"  # what a problem is about


class CaptureWatch(Repeating):
    """Twice a minute follows what has become of the tracked tables, and says each problem once, and when it is mended;
    the routes' beside them, too.

    Whatever goes wrong here is said once, and disturbs nothing else: a table that is busy may take it many seconds.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__("capture", LOOK_SECONDS, self.look)
        self._settings = settings
        self._said: dict[str, set[str]] = {TRACKING: set(), ROUTES: set()}
        self._trouble: str | None = None

    @property
    def problem_count(self) -> int:
        """Problems of tracked tables, as last seen."""
        return len(self._said[TRACKING])

    def look(self) -> None:
        """Look once. Raises nothing."""
        try:
            self._look()
        except DatabaseRefuses as error:
            self._failed(str(error))
        except DatabaseUnavailable as error:  # the relay says that
            logger.debug("tracking: %s", printable(str(error)), extra=about("tracking-not-watched"))
        except Exception as error:
            self._failed(f"unforeseen: {place(error)}. Please report it")

    def _look(self) -> None:
        name = f"{self._settings.relay.name} capture"
        with explained(), connect(self._settings.database, application_name=name) as conn:
            self._note(TRACKING, _problems(conn))  # first: of what is mended now, something may have been missed
            refresh_tracking(conn)
            if self._said[TRACKING]:
                self._note(TRACKING, _problems(conn))
            self._note(ROUTES, {str(finding) for finding in route_findings(conn, self._settings)})
        if self._trouble is not None:
            logger.info("tracking is looked after again", extra=about("tracking-watched"))
            self._trouble = None

    def _note(self, what: str, found: set[str]) -> None:
        for problem in sorted(found - self._said[what]):
            logger.warning("%s: %s", what, printable(problem), extra=about("tracking-problem"))
        for problem in sorted(self._said[what] - found):
            logger.info("%s: no longer: %s", what, printable(problem), extra=about("tracking-mended"))
        self._said[what] = found

    def _failed(self, trouble: str) -> None:
        if trouble != self._trouble:
            what = about("tracking-not-watched")
            logger.warning("tracking is not looked after: %s", printable(trouble), extra=what)
        self._trouble = trouble


def _problems(conn: psycopg.Connection) -> set[str]:
    return {str(finding) for finding in tracking_report(conn) if finding.is_problem}
