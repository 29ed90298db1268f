"""Every metric: its name, what it counts, and by which labels; docs/metrics.md is made from this.

A label's values are bounded: the configured topics, shards, words of this program, what one database has few of.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple


class Type(StrEnum):
    """As Prometheus has it."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Scope(StrEnum):
    """Whose value it is."""

    RELAY = "relay"  # this process's: add them up
    DATABASE = "database"  # each relay tells the same: take one, `max by (...)`


class Metric(NamedTuple):
    """One metric; `help` is one line for people."""

    name: str
    type: Type
    scope: Scope
    labels: tuple[str, ...]
    help: str


def _relay(type_: Type, name: str, labels: str, help_: str) -> Metric:
    return Metric(name, type_, Scope.RELAY, tuple(labels.split()), help_)


def _database(type_: Type, name: str, labels: str, help_: str) -> Metric:
    return Metric(name, type_, Scope.DATABASE, tuple(labels.split()), help_)


COUNTER, GAUGE, HISTOGRAM = Type.COUNTER, Type.GAUGE, Type.HISTOGRAM

EVENTS = _relay(
    COUNTER, "bridge_events_total", "source topic outcome",
    "Events by what a batch did with them: published, replayed, dead, refused, waiting, deferred",
)  # fmt: skip
DEAD_LETTERS = _relay(
    COUNTER, "bridge_dead_letters_total", "kind",
    "Events that died: no_route, encoding, too_large, poison, failed (alone, where the rest of its batch did not)",
)  # fmt: skip
VALUE_BYTES = _relay(COUNTER, "bridge_published_bytes_total", "", "Bytes of the values of published records")
LATENCY = _relay(
    HISTOGRAM, "bridge_event_latency_seconds", "",
    "From the writing of an event's row to Kafka's commit, by the database's clock; without replayed and deferred ones",
)  # fmt: skip
BATCH_EVENTS = _relay(HISTOGRAM, "bridge_batch_events", "", "Events that a batch decided about")
STAGE = _relay(
    HISTOGRAM, "bridge_stage_seconds", "stage",
    "Seconds of a batch's stages: read and claim (Postgres), encode (this process), publish (Kafka)",
)  # fmt: skip
SHARD_EVENTS = _relay(
    COUNTER, "bridge_shard_events_total", "shard", "Events that this relay's batches of a shard decided"
)
SHARD_BATCH_AT = _relay(
    GAUGE, "bridge_shard_last_batch_timestamp_seconds", "shard", "When this relay last got a batch of a shard through"
)
TAKEOVERS = _relay(COUNTER, "bridge_takeovers_total", "shard", "Takeovers of a shard by this relay that went well")
FAILURES = _relay(
    COUNTER, "bridge_shard_failures_total", "shard kind",
    "What ended a shard's work until its next takeover: lease_lost, fenced, doubt, postgres, kafka, registry, limits,"
    " stopped, config, unforeseen",
)  # fmt: skip
CARRIED = _relay(GAUGE, "bridge_shards_carried", "", "Shards that this relay carries now")
AWAY = _relay(GAUGE, "bridge_server_away", "server", "1 while postgres, kafka or registry cannot be reached")
REFUSES = _relay(GAUGE, "bridge_server_refuses", "server", "1 while postgres or kafka answers, but does not let us")
OUTAGES = _relay(
    COUNTER, "bridge_outages_total", "server", "Times that a server could not be used, until it could again"
)
HELD = _relay(
    GAUGE, "bridge_topic_held", "topic kind",
    "Shards of this relay in which a topic waits, for: topic (Kafka does not take it), schema, server (no registry)",
)  # fmt: skip
WAITS = _relay(
    GAUGE, "bridge_waits", "kind",
    "What waits in this relay, as bridge status tells it: server, refusal, topic, schema, doubt, unforeseen, still",
)  # fmt: skip
REGISTRY = _relay(
    COUNTER, "bridge_registry_requests_total", "outcome",
    "Requests to the schema registry: ok, missing, rejected (another 4xx), failed (5xx, busy), unreachable",
)  # fmt: skip
TRACKING = _relay(GAUGE, "bridge_tracking_problems", "", "Problems of tracked tables, as bridge doctor tells them")
CERTIFICATE_END = _relay(
    GAUGE, "bridge_certificate_not_after_timestamp_seconds", "server use",
    "When a certificate that the configuration names expires: use is client (the first of its chain) or ca (the last of"
    " its file)",
)  # fmt: skip
CLOCK = _relay(
    GAUGE, "bridge_clock_offset_seconds", "", "The database's clock minus this machine's; latencies are corrected by it"
)
SURVEYED_AT = _relay(
    GAUGE, "bridge_survey_last_success_timestamp_seconds", "", "When this relay last read what the database knows"
)
SURVEY_SECONDS = _relay(GAUGE, "bridge_survey_duration_seconds", "", "How long that took")
SURVEY_FAILURES = _relay(COUNTER, "bridge_survey_failures_total", "", "Times that it could not be read")
BUILD = _relay(GAUGE, "bridge_build_info", "version python librdkafka", "1, with what this process is made of")

BACKLOG = _database(
    GAUGE,
    "bridge_backlog_events",
    "shard",
    "Events that no settled batch has read; above 2,000 of a source an estimate",
)
BACKLOG_AGE = _database(
    GAUGE,
    "bridge_backlog_oldest_age_seconds",
    "shard",
    "Age of the oldest of them by its writing, 0 where there is none",
)
PARKED = _database(
    GAUGE, "bridge_parked_events", "state",
    "Events that were read, and not published: dead, waiting, retried, deferred, replayed; 2,000 at most are counted",
)  # fmt: skip
PARKED_AGE = _database(GAUGE, "bridge_parked_oldest_age_seconds", "state", "How long the oldest has been in that state")
BLOCKING = _database(
    GAUGE, "bridge_dead_blocking_events", "", "Dead events that nobody has decided about and that later events wait for"
)
LEASED = _database(GAUGE, "bridge_shard_leased", "shard", "1 while a relay holds the shard")
STOPPED = _database(GAUGE, "bridge_shard_stopped", "shard", "1 while the shard waits for bridge recover")
RELAYS = _database(GAUGE, "bridge_relays", "", "Relays that are alive")
SETTLED = _database(
    COUNTER, "bridge_settled_events_total", "source outcome",
    "Events that were settled, by the ledger's own count, since ever: published, dead",
)  # fmt: skip
JOB_SUCCESS = _database(
    GAUGE, "bridge_keeper_job_last_success_timestamp_seconds", "task", "When a job of the keeper last went well"
)
JOB_SECONDS = _database(GAUGE, "bridge_keeper_job_last_duration_seconds", "task", "How long its last run took")
JOB_FAILURES = _database(GAUGE, "bridge_keeper_job_failures", "task", "Its runs in a row that failed")
JOB_LATE = _database(GAUGE, "bridge_keeper_job_late", "task", "1 where nobody has done it for long")
RUNWAY = _database(
    GAUGE, "bridge_partition_runway_seconds", "table", "For how long from now rows have a table partition to go to"
)
PARTITIONS = _database(GAUGE, "bridge_partitions", "table", "Table partitions, without the default one")
STRAY = _database(GAUGE, "bridge_partition_default_rows", "table", "Rows that should leave the default partition")
HORIZON = _database(
    GAUGE, "bridge_horizon_age_seconds", "kind pid application",
    "Age of the oldest transaction, which vacuum and late commits wait for; above a minute its session, prepared"
    " transaction or slot is named: one series",
)  # fmt: skip
HORIZON_XIDS = _database(GAUGE, "bridge_horizon_age_transactions", "", "Transactions begun since that one")

METRICS = tuple(value for value in tuple(globals().values()) if isinstance(value, Metric))


def markdown() -> Iterator[str]:
    """The lines of the tables in docs/metrics.md."""
    for scope in Scope:
        yield f"| {scope} | type | labels | |"
        yield "|---|---|---|---|"
        for metric in METRICS:
            if metric.scope is scope:
                labels = ", ".join(f"`{label}`" for label in metric.labels)
                yield f"| `{metric.name}` | {metric.type} | {labels} | {metric.help} |"
        yield ""
