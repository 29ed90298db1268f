"""Whether somebody keeps house: jobs that are late or fail, and how long rows still have partitions to go to."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from bridge.admin.checks.check import Check, Level, note, ok, problem
from bridge.admin.keeping import AGAIN, JobStatus, Keeping, PartitionStatus, read_keeping
from bridge.telemetry.facts import SHORT_SECONDS

KEEP = "Let a relay run with relay.keep_house = true, or bridge maintain"


def check_keeper(conn: psycopg.Connection) -> Iterator[Check]:
    """Raises psycopg.Error."""
    yield from findings(read_keeping(conn))


def findings(now: Keeping) -> Iterator[Check]:
    """What is to be said of it."""
    if now.trouble is not None:
        yield note("keeper", f"it may not be looked at: {now.trouble}", "Ask as a relay's role, or the owner's")
        return
    for job in now.jobs:
        yield _job(job)
    for table in now.partitions:
        yield from _partitions(table)
    for obstacle in now.obstacles:
        yield note("keeper retention", f"{obstacle.leaf} may not leave yet: {obstacle.reason}")


def _job(job: JobStatus) -> Check:
    name = f"keeper {job.job}"
    if not job.enabled:
        return note(name, "disabled", "Set enabled in bridge.policy, if it is to be done")
    if job.is_late:
        return problem(name, job.why_late, KEEP if job.keeper_is_at is None and job.outcome != "busy" else None)
    if job.fails or job.outcome == "busy":
        level = Level.PROBLEM if job.fails and job.failures >= AGAIN else Level.NOTE
        text = f"{job.outcome} ({job.failures} runs in a row): {job.detail or 'not ended yet'}"
        return Check(name, level, text, "bridge.maintenance_log has each step; it is tried again by itself")
    return ok(name, "done" if job.succeeded_at else "not due yet")


def _partitions(table: PartitionStatus) -> Iterator[Check]:
    name = f"keeper {table.parent}"
    if table.runway_seconds < SHORT_SECONDS:
        text = f"no partition runway: rows have partitions for {max(table.runway_seconds, 0) / 3600:.0f} hours more"
        yield problem(name, text, f"bridge maintain --once --job partitions. {KEEP}")
    else:
        yield ok(name, f"rows have partitions for {table.runway_seconds / 86400:.0f} days")
    if table.default_rows:
        mend = "bridge maintain --once --job partitions"
        yield note(name, f"{table.default_rows} rows have no partition of their own", mend)
