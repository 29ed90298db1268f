"""What the database knows, as metrics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from prometheus_client.core import Metric as Family

from bridge.telemetry import catalog
from bridge.telemetry.facts import Facts, HouseFacts
from bridge.telemetry.now import counter, gauge
from bridge.text import printable

STATES = ("dead", "waiting", "retried", "deferred", "replayed")
NAMED_SECONDS = 60.0  # who holds the horizon for less is not named, or there would be a new series at each look


class Known(NamedTuple):
    """What a look found, at a time by our clock, and how long it took; ages in seconds."""

    at: float
    seconds: float
    clock_offset: float
    facts: Facts
    house: HouseFacts
    horizon_seconds: float


def families(known: Known) -> Iterator[Family]:
    """All of it; the labels' values are bounded by what one database has."""
    facts, house = known.facts, known.house
    shards = {(str(shard.shard),): shard for shard in facts.shards}
    yield gauge(catalog.BACKLOG, {labels: shard.backlog for labels, shard in shards.items()})
    yield gauge(catalog.BACKLOG_AGE, {labels: shard.oldest_age_seconds for labels, shard in shards.items()})
    yield gauge(catalog.LEASED, {labels: shard.is_leased for labels, shard in shards.items()})
    yield gauge(catalog.STOPPED, {labels: shard.is_stopped for labels, shard in shards.items()})
    parked = {row.state: row for row in facts.parked}
    yield gauge(catalog.PARKED, {(state,): parked[state].events if state in parked else 0 for state in STATES})
    yield gauge(
        catalog.PARKED_AGE,
        {(state,): parked[state].oldest_age_seconds if state in parked else 0 for state in STATES},
    )
    yield gauge(catalog.BLOCKING, {(): sum(row.blocking for row in facts.parked)})
    yield gauge(catalog.RELAYS, {(): facts.relays})
    yield counter(catalog.SETTLED, facts.settled)
    yield from _horizon(known)
    yield gauge(
        catalog.JOB_SUCCESS,
        {(job.job,): job.succeeded_at.timestamp() for job in house.jobs if job.succeeded_at is not None},
    )
    yield gauge(catalog.JOB_SECONDS, {(job.job,): job.seconds for job in house.jobs if job.seconds is not None})
    yield gauge(catalog.JOB_FAILURES, {(job.job,): job.failures for job in house.jobs})
    yield gauge(catalog.JOB_LATE, {(job.job,): job.is_late for job in house.jobs})
    tables = {(printable(table.name),): table for table in house.tables}
    yield gauge(catalog.RUNWAY, {labels: table.runway_seconds for labels, table in tables.items()})
    yield gauge(catalog.PARTITIONS, {labels: table.leaves for labels, table in tables.items()})
    yield gauge(catalog.STRAY, {labels: table.default_rows for labels, table in tables.items()})


def _horizon(known: Known) -> Iterator[Family]:
    horizon, seconds = known.facts.horizon, known.horizon_seconds
    is_named = horizon is not None and seconds >= NAMED_SECONDS
    who = (horizon.kind, horizon.pid, printable(horizon.name)) if horizon is not None and is_named else ("", "", "")
    yield gauge(catalog.HORIZON, {who: seconds})
    yield gauge(catalog.HORIZON_XIDS, {(): 0 if horizon is None else horizon.transactions})
