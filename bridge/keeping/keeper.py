"""The keeper: does what is due, one keeper at a time. What is due when stands in `bridge.policy`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import psycopg

from bridge.errors import BridgeError
from bridge.failpoint import failpoint
from bridge.keeping.archive import archive
from bridge.keeping.capture import examine_capture
from bridge.keeping.cleanup import clean_up
from bridge.keeping.partitions import keep_partitions
from bridge.keeping.retention import retire
from bridge.keeping.step import House, Job, Outcome, Step
from bridge.keeping.views import refresh
from bridge.log_fields import about
from bridge.postgres.connection import connect, is_pooled
from bridge.postgres.explained import explained
from bridge.postgres.queries import query
from bridge.settings import Settings
from bridge.text import place, printable

logger = logging.getLogger(__name__)

LOCK_SECONDS = 2.0  # for whatever has no limit of its own: nobody's lock may stop the other jobs
LEASE_SECONDS = 300.0  # a step may take so long, unless its session ends before; two that meet have locks

JOBS: Mapping[str, Job] = {  # by their names in bridge.policy
    "partitions": keep_partitions,
    "retention": retire,
    "refresh": refresh,
    "archive": archive,
    "capture": examine_capture,
    "cleanup": clean_up,
}


class Run(NamedTuple):
    """One run of a job, and what it did."""

    job: str
    outcome: Outcome
    steps: tuple[Step, ...]


@contextmanager
def open_house(settings: Settings, pause: Callable[[float], bool]) -> Iterator[House]:
    """A house with a connection of its own. Raises as `connect` does."""
    with connect(settings.database, application_name=f"{settings.relay.name} keeper") as conn:
        if not is_pooled(conn):  # behind a pooler the functions' own limits count
            conn.execute("select set_config('lock_timeout', %s, false)", (f"{LOCK_SECONDS:.0f}s",))
        yield House(conn, settings, pause)


class Keeper:
    """One keeper; `owner` tells it from others."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._said: set[tuple[str, str, str]] = set()  # troubles that were logged: job, target, detail

    def keep(self, house: House, jobs: Collection[str] = (), *, at_once: bool = False) -> list[Run] | None:
        """Do what is due, or, `at_once`, all `jobs` (none: every enabled one); None while another keeper is at work.

        Raises DatabaseUnavailable (DatabaseRefuses where a right is missing).
        """
        which = {"jobs": list(jobs) or None, "at_once": at_once}
        with explained():
            if not house.conn.execute(query("due_jobs"), which).fetchall():
                return []  # nothing is written where nothing is to be done
            if not self._holds(house.conn):
                return None
            try:
                runs = []
                wanted = {job for (job,) in house.conn.execute(query("due_jobs"), which).fetchall()}
                for job in filter(wanted.__contains__, JOBS):  # what one takes out, the next one writes to files
                    if house.pause(0) and self._holds(house.conn):
                        runs.append(self._run(house, job))
                return runs
            finally:
                if not house.conn.closed:
                    house.conn.execute(query("release_keeper"), {"owner": self._owner})

    def _holds(self, conn: psycopg.Connection) -> bool:
        """Take the lease, or renew it."""
        lease = {"owner": self._owner, "lease_seconds": LEASE_SECONDS, "is_pooled": is_pooled(conn)}
        return conn.execute(query("take_keeper"), lease).fetchone() is not None

    def _run(self, house: House, job: str) -> Run:
        house.conn.execute(query("start_job"), {"job": job})
        failpoint("keeper_began")
        steps = []
        for step in self._steps(house, job):
            failpoint("keeper_step")
            steps.append(step)
            if step.outcome is not Outcome.OK or not step.is_routine:
                house.conn.execute(query("log_step"), step._asdict())
                self._say(job, step)
            if not self._holds(house.conn):
                break  # it took longer than the lease, and another keeper has begun
        outcome = max((step.outcome for step in steps), key=list(Outcome).index, default=Outcome.OK)
        troubles = [f"{step.target}: {step.detail}" for step in steps if step.outcome is not Outcome.OK]
        finished = {"job": job, "outcome": outcome, "detail": "; ".join(troubles[:5]) or None}
        house.conn.execute(query("finish_job"), finished)
        self._forget(job, steps)
        return Run(job, outcome, tuple(steps))

    def _steps(self, house: House, job: str) -> Iterator[Step]:
        try:
            yield from JOBS[job](house)
        except BridgeError:
            raise
        except psycopg.Error as error:  # what the job asks first, before its single steps
            if house.conn.closed:
                raise
            message = printable(error.diag.message_primary or type(error).__name__)
            yield Step(job, "bridge", Outcome.ERROR, message)
        except Exception as error:  # a bug of one job stops no other; its values may be somebody's
            yield Step(job, "bridge", Outcome.ERROR, f"unforeseen: {place(error)}. Please report it")

    def _say(self, job: str, step: Step) -> None:
        """Each trouble once; a table that is busy is none."""
        trouble = (job, step.target, step.detail)
        if step.outcome is Outcome.ERROR and trouble not in self._said:
            self._said.add(trouble)
            what = about("job-step-failed")
            logger.warning("%s: %s: %s", job, printable(step.target), printable(step.detail), extra=what)
        elif step.outcome is Outcome.OK:
            what = about("job-step-done")
            logger.info("%s: %s: %s", job, printable(step.target), printable(step.detail), extra=what)

    def _forget(self, job: str, steps: list[Step]) -> None:
        still = {(job, step.target, step.detail) for step in steps}
        self._said = {trouble for trouble in self._said if trouble[0] != job or trouble in still}
