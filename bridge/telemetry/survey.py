"""Reads what the database knows, again and again, in a thread of its own; a scrape is told what was read last."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator

from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from bridge.errors import DatabaseRefuses, DatabaseUnavailable
from bridge.log_fields import about
from bridge.postgres.connection import connect
from bridge.postgres.explained import explained
from bridge.repeating import Repeating
from bridge.settings import Settings
from bridge.telemetry import catalog
from bridge.telemetry.database import Known, families
from bridge.telemetry.facts import Facts, Horizon, HouseFacts, clock_offset, read_facts, read_house_facts, short_runway
from bridge.telemetry.now import counter, gauge
from bridge.text import place, printable

logger = logging.getLogger(__name__)

LOOK_SECONDS = 15.0
HOUSE_LOOKS = 4  # what changes slowly is read at each fourth look
FRESH_SECONDS = 60.0  # what is older is told no more: silence is what alert rules can see


class Survey(Repeating, Collector):
    """Whatever goes wrong is said once, counted, and disturbs nothing else."""

    def __init__(
        self, settings: Settings, note_offset: Callable[[float], None], beside: Callable[[], None] = lambda: None
    ) -> None:
        """`note_offset` hears of the database's clock minus ours, in seconds; `beside` is done before each look."""
        super().__init__("survey", LOOK_SECONDS, self.look)
        self._beside = beside
        self._settings = settings
        self._note_offset = note_offset
        self._trouble: str | None = None
        self._looks = 0
        self._failures = 0
        self._known: Known | None = None
        self._house = HouseFacts()
        self._holder: tuple[tuple[str, ...], float] | None = None  # of the horizon, and since when we see it

    @property
    def short(self) -> list[str]:
        """A line for each table that will soon have no partition for its rows, as last read."""
        return [line for table in self._house.tables if (line := short_runway(table.name, table.runway_seconds))]

    def look(self) -> None:
        """Look once. Raises nothing."""
        try:
            self._beside()
            self._look()
        except DatabaseRefuses as error:
            self._failed(str(error))
        except DatabaseUnavailable as error:  # the relay says that
            self._failures += 1
            logger.debug("survey: %s", printable(str(error)), extra=about("survey-failed"))
        except Exception as error:
            self._failed(f"unforeseen: {place(error)}. Please report it")
        else:
            if self._trouble is not None:
                logger.info("metrics of the database are read again", extra=about("survey-works"))
            self._trouble = None

    def note(self, facts: Facts, house: HouseFacts, *, clock_offset: float, seconds: float) -> None:
        """What a look found that took so long."""
        self._note_offset(clock_offset)
        self._known = Known(time.time(), seconds, clock_offset, facts, house, self._horizon_seconds(facts))

    def collect(self) -> Iterator[Family]:
        """What was read last, as long as it is fresh."""
        known = self._known
        yield counter(catalog.SURVEY_FAILURES, {(): self._failures})
        if known is None:
            return
        yield gauge(catalog.SURVEYED_AT, {(): known.at})
        yield gauge(catalog.SURVEY_SECONDS, {(): known.seconds})
        if time.time() - known.at < FRESH_SECONDS:
            yield gauge(catalog.CLOCK, {(): known.clock_offset})
            yield from families(known)

    def _look(self) -> None:
        began = time.monotonic()
        name = f"{self._settings.relay.name} metrics"
        with explained(), connect(self._settings.database, application_name=name) as conn:
            offset = clock_offset(conn)
            facts = read_facts(conn)
            if self._looks % HOUSE_LOOKS == 0:
                self._house = HouseFacts()  # where it cannot be read, an old one would only seem to be known
                self._house = read_house_facts(conn)
        self._looks += 1
        self.note(facts, self._house, clock_offset=offset, seconds=time.monotonic() - began)

    def _horizon_seconds(self, facts: Facts) -> float:
        """Since when it is held; where that is not to be seen, since when we have seen it."""
        horizon, now = facts.horizon, time.monotonic()
        if horizon is None:
            self._holder = None
            return 0.0
        who = _who(horizon)
        if self._holder is None or self._holder[0] != who:
            self._holder = who, now
        return max(horizon.age_seconds or 0.0, now - self._holder[1])

    def _failed(self, trouble: str) -> None:
        self._failures += 1
        if trouble != self._trouble:
            text = "metrics of the database are not read: %s"
            logger.warning(text, printable(trouble), extra=about("survey-failed"))
        self._trouble = trouble


def _who(horizon: Horizon) -> tuple[str, ...]:
    return horizon.kind, horizon.pid, horizon.name, horizon.xid
