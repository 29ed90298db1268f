"""Lets stopped shards go on: what Kafka has is published, all else is tried, and reading begins anew behind it.

A shard stops when its ledger and the last control record contradict each other: the database or Kafka went back in
time, or the control topic was deleted. Then only the topics can tell which of the pending events were published, so
they are read whole. Nothing is guessed: an event that is in its topic counts as published, any other is parked, to be
published first. The shard of a copied database stops, too: its position names transactions of another one. And when
the sequence of event numbers was set back: then all events that were not read yet get new numbers first.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import psycopg

from bridge.admin.person import who
from bridge.admin.recover_topics import Found, find
from bridge.encoding.limits import TopicLimits
from bridge.errors import ConfigError, LeaseLost
from bridge.event import ENTITY_EVENTS, EVENT_QUEUE
from bridge.kafka.producer import ShardProducer
from bridge.log_fields import about
from bridge.postgres.connection import connect
from bridge.postgres.explained import explained
from bridge.postgres.migrate import require_current
from bridge.postgres.publisher import claim_names
from bridge.postgres.queries import query
from bridge.postgres.store import Store
from bridge.progress import Progress, silent
from bridge.settings import OnDead, Settings
from bridge.shard.ledger import ControlRecord, Ledger
from bridge.shard.takeover import adopt
from bridge.text import counted

logger = logging.getLogger(__name__)

WAIT_SECONDS = 0.1  # between two looks whether transactions have ended


@dataclass(frozen=True, slots=True)
class Finding:
    """One stopped shard: why it is, and which of its pending events Kafka has.

    `published` are the ids of those in their topics, and of dead ones, or given up, that were retried and published
    since; `dead` of those that are only among the dead letters, with the reason; `left` are to be published.
    `last_batch` is the number of Kafka's last batch, None when it knows of none. `renumber`: numbers were given twice.
    """

    shard: int
    reason: str
    renumber: bool
    last_batch: int | None
    published: Sequence[str]
    dead: Mapping[str, str]
    left: int


@dataclass(frozen=True, slots=True)
class _Case:
    """A stopped shard in our hands: nobody else can write its ledger or publish for it."""

    reason: str
    renumber: bool
    store: Store
    producer: ShardProducer
    ours: Ledger
    found: ControlRecord | None
    pending: dict[str, str]  # ids, and their sources
    dead: dict[str, str]  # the same, of those that are dead already
    replays: dict[str, int]  # ids of events that are being replayed, and in which replay


def recover(
    settings: Settings,
    only: int | None,
    decide: Callable[[Finding], bool],
    progress: Progress = silent,
    why: str | None = None,
) -> list[Finding]:
    """Let each stopped shard (or the one named) go on if `decide` says so; returns what was found.

    Each that goes on has a row of `bridge.recovery`, with who did it and `why`.

    Safe while relays run: they leave stopped shards alone. Stopping half-way changes nothing that counts. Raises
    DatabaseUnavailable, MigrationError, BrokerUnavailable, ConfigError, LeaseLost (somebody else recovers it).
    """
    with explained(), ExitStack() as resources:
        cases = [_take(settings, *stopped, resources) for stopped in _stopped(settings, only)]
        if not cases:
            return []
        replays = {(id, str(replay)) for case in cases for id, replay in case.replays.items()}
        found = find(settings, {id for case in cases for id in case.pending | case.dead}, replays, progress)
        findings = [_compare(case, found) for case in cases]
        decided = [decide(finding) for finding in findings]
        if any(finding.renumber for finding, is_to_go_on in zip(findings, decided, strict=True) if is_to_go_on):
            cases = _renumbered(cases)
        for case, finding, is_to_go_on in zip(cases, findings, decided, strict=True):
            if is_to_go_on:
                _let_go_on(settings, case, finding, found, why)
            case.store.release(case.ours)
        return findings


def _stopped(settings: Settings, only: int | None) -> list[tuple[int, str, bool]]:
    with connect(settings.database, application_name="bridge recover") as conn:
        require_current(conn)
        claim_names(conn, settings)
        rows = conn.execute(query("stopped_shards")).fetchall()
    if only is not None and only not in (shard for shard, _, _ in rows):
        there_are = counted(len(rows), "shard")
        raise ConfigError(f"there is no shard {only}", hint=f"The database has {there_are}, from 0 on")
    return [(shard, why, renumber) for shard, why, renumber in rows if why is not None and only in (None, shard)]


def _take(settings: Settings, shard: int, reason: str, renumber: bool, resources: ExitStack) -> _Case:
    owner = f"bridge recover on {socket.gethostname()}:{os.getpid()}"
    store = resources.enter_context(Store.open(settings, shard, owner))
    producer = resources.enter_context(ShardProducer(settings, shard, TopicLimits({})))
    ours = store.take_stopped()
    found = producer.open()
    if ours.in_flight is not None and found == ours.control:  # what it was stopped for is another matter
        store.write(ours, ours.settled(), ours.in_flight)
        ours = ours.settled()
    return _Case(reason, renumber, store, producer, ours, found, *_pending(store))


def _pending(store: Store) -> tuple[dict[str, str], dict[str, str], dict[str, int]]:
    rows = store.conn.execute(query("pending_ids"), {"shard": store.shard}).fetchall()
    pending = {id: source for id, source, replay, is_dead in rows if replay is None and not is_dead}
    dead = {id: source for id, source, _, is_dead in rows if is_dead}
    return pending, dead, {id: replay for id, _, replay, _ in rows if replay is not None}


def _renumbered(cases: Sequence[_Case]) -> list[_Case]:
    """The cases, once the events that were not read have new numbers; that ends all claims, ours too."""
    cases[0].store.conn.execute(query("repair_numbers"))
    return [replace(case, ours=case.store.take_stopped()) for case in cases]


def _compare(case: _Case, found: Found) -> Finding:
    done = [id for id in case.pending if id in found.published]
    revived = [id for id in case.dead if id in found.published]
    given_up = {id: found.dead[id][0] for id in case.pending if id in found.dead.keys() - found.published}
    return Finding(
        case.ours.shard,
        case.reason,
        case.renumber,
        None if case.found is None else case.found.batch_no,
        done + revived,
        given_up,
        len(case.pending) - len(done) - len(given_up),
    )


def _let_go_on(settings: Settings, case: _Case, finding: Finding, found: Found, why: str | None) -> None:
    new = adopt(case.ours, case.found, uuid4())
    if case.found is None or case.found.batch_id is None:  # before the ledger names it, as at a first act
        case.producer.commit(new.control)
    conn = case.store.conn
    counts = Counter((case.pending | case.dead)[id] for id in finding.published)
    revived = Counter(case.dead[id] for id in finding.published if id in case.dead)
    policies = [found.dead[id][1] for id in finding.dead]
    dead_counts = Counter(case.pending[id] for id in finding.dead)
    parameters = {
        "shard": new.shard,
        "generation": new.generation,
        "owner": new.owner,
        "bound": _bound(conn),
        "published": list(finding.published),
        "replayed": [id for id in case.replays if id in found.replayed],
        "dead_ids": list(finding.dead),
        "reasons": list(finding.dead.values()),
        "blocks": [policy is not OnDead.SKIP for policy in policies],
        "stops": [policy is OnDead.STOP for policy in policies],
        "rules": [route.rule for route in settings.routes],
        "topics": [route.topic for route in settings.routes],
        "dead_letters": settings.topics.dead_letters,
        "batch_no": new.batch_no,
        "batch_id": new.batch_id,
        "previous_id": new.previous_id,
        "event_queue": counts[EVENT_QUEUE],
        "entity_events": counts[ENTITY_EVENTS],
        "event_queue_dead": dead_counts[EVENT_QUEUE] - revived[EVENT_QUEUE],
        "entity_events_dead": dead_counts[ENTITY_EVENTS] - revived[ENTITY_EVENTS],
    }
    with conn.transaction():
        conn.execute(query("park_unread"), parameters)
        conn.execute(query("unpark_found"), parameters)
        if conn.execute(query("adopt_ledger"), parameters).fetchone() is None:
            raise LeaseLost(f"shard {new.shard} is not ours any more (generation {new.generation})")
        conn.execute(query("note_recovery"), _noted(finding) | who(why))


def _noted(finding: Finding) -> dict[str, Any]:
    """What is kept of a finding."""
    return {
        "shard": finding.shard,
        "stopped": finding.reason,
        "events_published": len(finding.published),
        "events_dead": len(finding.dead),
        "events_left": finding.left,
        "renumbered": finding.renumber,
    }


def _bound(conn: psycopg.Connection) -> int:
    """A number up to which no event can appear any more: all transactions that may have drawn one have ended."""
    (bound,) = _one(conn, "bound")
    (xid,) = _one(conn, "own_xid")
    began = time.monotonic()
    while _one(conn, "is_past", xid=xid) != (True,):
        if began and time.monotonic() - began > 1:
            logger.warning(
                "waiting for transactions that are older than this command: see pg_stat_activity.xact_start",
                extra=about("transactions-awaited"),
            )
            began = 0.0
        time.sleep(WAIT_SECONDS)
    return int(bound)


def _one(conn: psycopg.Connection, name: str, **parameters: object) -> tuple[Any, ...]:
    row = conn.execute(query(name), parameters).fetchone()
    assert row is not None  # noqa: S101 - each of these gives one row
    return row
