"""How the keeper's jobs and the partitioned tables stand, as `bridge status` shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import psycopg
from psycopg import errors
from psycopg.rows import class_row

from bridge.postgres.queries import query
from bridge.telemetry.facts import short_runway
from bridge.text import counted

AGAIN = 3  # failures in a row
MOMENT = "%Y-%m-%d %H:%M:%S%z"


@dataclass(frozen=True, slots=True)
class JobStatus:
    """One job of the keeper; `failures` are runs in a row, `is_late`: nobody has done it for long.

    `keeper_is_at`: the job that a keeper is at now, where one is at work.
    """

    job: str
    enabled: bool
    started_at: datetime | None
    finished_at: datetime | None
    succeeded_at: datetime | None
    outcome: str | None
    detail: str | None
    failures: int
    due_at: datetime
    keeper_is_at: str | None
    is_late: bool

    @property
    def why_late(self) -> str:
        """What keeps it from being done."""
        if self.outcome == "busy":
            done = "was never done" if self.succeeded_at is None else f"was last done {self.succeeded_at:{MOMENT}}"
            return f"{done}, and locks keep it from its work ({self.failures} runs in a row): {self.detail or ''}"
        who = "no keeper is at work" if self.keeper_is_at is None else f"the keeper is at {self.keeper_is_at}"
        return f"has been due since {self.due_at:{MOMENT}}: {who}"

    @property
    def fails(self) -> bool:
        """Whether its last run failed, or did not come to its end."""
        return self.outcome == "error" or (self.outcome == "running" and self.failures > 1)


@dataclass(frozen=True, slots=True)
class PartitionStatus:
    """One partitioned table: until when rows have a partition to go to, how many had none, and how many never have.

    Those are of no time that a partition could have, infinity for one. They are read and published as all others, and
    nothing is to be done about them.
    """

    parent: str
    step: str
    leaves: int
    covered_until: datetime | None
    runway_seconds: float
    default_rows: int
    timeless_rows: int


class Obstacle(NamedTuple):
    """Why a table partition does not leave although its time is over."""

    leaf: str
    reason: str


@dataclass(frozen=True, slots=True)
class Keeping:
    """All of it; `trouble` says why it may not be looked at."""

    jobs: tuple[JobStatus, ...] = ()
    partitions: tuple[PartitionStatus, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
    trouble: str | None = None

    @property
    def needs_person(self) -> bool:
        """Whether a job fails again and again, or nobody does it, or rows will soon have no partition.

        What tracking lacks is for `bridge doctor` to say.
        """
        fails = any(job.fails and job.failures >= AGAIN and job.job != "capture" for job in self.jobs)
        short = any(short_runway(table.parent, table.runway_seconds) for table in self.partitions)
        return fails or short or any(job.is_late for job in self.jobs)

    @property
    def lines(self) -> list[str]:
        """What is wrong, a line each."""
        found = [] if self.trouble is None else [f"it may not be looked at: {self.trouble}"]
        for job in self.jobs:
            if job.is_late:
                found.append(f"{job.job} {job.why_late}")
            elif job.enabled and (job.fails or job.outcome == "busy"):
                found.append(
                    f"{job.job}: {job.outcome} ({job.failures} runs in a row): {job.detail or 'not ended yet'}"
                )
        for table in self.partitions:
            if table.default_rows:
                found.append(f"{counted(table.default_rows, 'row')} of {table.parent} without a partition of its own")
            if line := short_runway(table.parent, table.runway_seconds):
                found.append(line)
        found += [f"{obstacle.leaf} may not leave yet: {obstacle.reason}" for obstacle in self.obstacles]
        return found


def read_keeping(conn: psycopg.Connection) -> Keeping:
    """Read it, in a transaction; who may not look is told that."""
    try:
        with conn.transaction():
            with conn.cursor(row_factory=class_row(JobStatus), binary=True) as cursor:
                jobs = cursor.execute(query("jobs")).fetchall()
            with conn.cursor(row_factory=class_row(PartitionStatus), binary=True) as cursor:
                partitions = cursor.execute(query("partition_status")).fetchall()
            due = conn.execute(query("due_partitions")).fetchall()
    except errors.InsufficientPrivilege as error:
        return Keeping(trouble=error.diag.message_primary)
    obstacles = (Obstacle(leaf, reason) for _, leaf, _, reason in due if reason is not None)
    return Keeping(tuple(jobs), tuple(partitions), tuple(obstacles))
