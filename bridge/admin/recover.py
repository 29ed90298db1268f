"""Lets stopped shards go on: what Kafka has is marked as published, and the ledger takes over Kafka's last batch.

A shard stops when its ledger and the last control record contradict each other: the database or Kafka went back in
time, or the control topic was deleted. Then only the topics can tell which of the pending events were published, so
they are read whole. Nothing is guessed: an event that is in its topic is marked, any other stays pending. It also stops
when the sequence of event numbers was set back: then all pending events get new numbers first.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from bridge.encoding.headers import CE_ID, CE_SOURCE, DEAD_REASON, ce_source
from bridge.encoding.limits import TopicLimits
from bridge.event import SOURCES, DeadLetter, Event
from bridge.kafka.cluster import Cluster
from bridge.kafka.producer import ShardProducer
from bridge.kafka.reader import Reader, headers_of
from bridge.postgres.connection import connect
from bridge.postgres.explained import explained
from bridge.postgres.migrate import require_current
from bridge.postgres.publisher import claim_names
from bridge.postgres.queries import query
from bridge.postgres.store import Store
from bridge.settings import Settings
from bridge.shard.ledger import ControlRecord, Ledger, Outcomes
from bridge.shard.takeover import adopt


@dataclass(frozen=True, slots=True)
class Finding:
    """One stopped shard: why it is, and which of its pending events Kafka has.

    `published` are in their topics, `dead` only among the dead letters; `left` stay pending. `last_batch` is the number
    of Kafka's last batch, None when it knows of none. `renumber`: numbers were given twice.
    """

    shard: int
    reason: str
    renumber: bool
    last_batch: int | None
    published: Sequence[Event]
    dead: Sequence[DeadLetter]
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
    pending: dict[str, Event]


def recover(settings: Settings, only: int | None, decide: Callable[[Finding], bool]) -> list[Finding]:
    """Let each stopped shard (or the one named) go on if `decide` says so; returns what was found.

    Safe while relays run: they leave stopped shards alone. Stopping half-way changes nothing that counts. Raises
    DatabaseUnavailable, MigrationError, BrokerUnavailable, ConfigError, LeaseLost (somebody else recovers it).
    """
    with explained(), ExitStack() as resources:
        cases = [_take(settings, *stopped, resources) for stopped in _stopped(settings, only)]
        if not cases:
            return []
        published, dead = _find(settings, {id for case in cases for id in case.pending})
        findings = [_compare(case, published, dead) for case in cases]
        decided = [decide(finding) for finding in findings]
        if any(finding.renumber for finding, is_to_go_on in zip(findings, decided, strict=True) if is_to_go_on):
            cases = _renumbered(cases)
        for case, finding, is_to_go_on in zip(cases, findings, decided, strict=True):
            if is_to_go_on:
                _let_go_on(case, finding)
            case.store.release(case.ours)
        return findings


def _stopped(settings: Settings, only: int | None) -> list[tuple[int, str, bool]]:
    with connect(settings.database.url, application_name="bridge recover") as conn:
        require_current(conn)
        claim_names(conn, settings)
        rows = conn.execute(query("stopped_shards")).fetchall()
    return [(shard, reason, renumber) for shard, reason, renumber in rows if only in (None, shard)]


def _take(settings: Settings, shard: int, reason: str, renumber: bool, resources: ExitStack) -> _Case:
    owner = f"bridge recover on {socket.gethostname()}:{os.getpid()}"
    store = resources.enter_context(Store.open(settings, shard, owner))
    producer = resources.enter_context(ShardProducer(settings, shard, TopicLimits({})))
    ours = store.take_stopped()
    found = producer.open()
    return _Case(reason, renumber, store, producer, ours, found, _pending(store))


def _pending(store: Store) -> dict[str, Event]:
    rows = store.conn.execute(query("pending_ids"), {"shard": store.shard})
    return {id: Event(source, seq, id, type_, key, "", None, us) for source, seq, id, type_, key, us in rows}


def _renumbered(cases: Sequence[_Case]) -> list[_Case]:
    """The cases, once the events that are pending have new numbers; that ends all claims, ours too."""
    cases[0].store.conn.execute(query("repair_numbers"))
    return [replace(case, ours=case.store.take_stopped(), pending=_pending(case.store)) for case in cases]


def _find(settings: Settings, ids: set[str]) -> tuple[set[str], dict[str, str]]:
    """Which of `ids` are in the topics, and which among the dead letters with what reason."""
    dead_letters = settings.topics.dead_letters
    exist = Cluster(settings).partition_counts()
    topics = sorted(({route.topic for route in settings.routes} | {dead_letters}) & exist.keys())
    ours = {ce_source(settings.relay.name, source).encode() for source in SOURCES}  # a copy of the database has our ids
    published: set[str] = set()
    dead: dict[str, str] = {}
    with Reader(settings, topics) as reader:
        for messages in reader.up_to(reader.all_ends()):
            for message in messages:
                headers: dict[str, Any] = dict(headers_of(message))
                if headers.get(CE_SOURCE) not in ours:
                    continue
                id = _text(headers.get(CE_ID))
                if id in ids and message.topic() == dead_letters:
                    dead[id] = _text(headers.get(DEAD_REASON))
                elif id in ids:
                    published.add(id)
    return published, dead


def _text(header: bytes | None) -> str:
    """What Postgres can keep of a header."""
    return (header or b"").decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


def _compare(case: _Case, published: set[str], dead: dict[str, str]) -> Finding:
    done = [event for id, event in case.pending.items() if id in published]
    given_up = [DeadLetter(event, dead[id]) for id, event in case.pending.items() if id in dead.keys() - published]
    return Finding(
        case.ours.shard,
        case.reason,
        case.renumber,
        None if case.found is None else case.found.batch_no,
        done,
        given_up,
        len(case.pending) - len(done) - len(given_up),
    )


def _let_go_on(case: _Case, finding: Finding) -> None:
    new = adopt(case.ours, case.found, uuid4())
    if case.found is None or case.found.batch_id is None:  # before the ledger names it, as at a first act
        case.producer.commit(new.control)
    pending = case.pending  # by their numbers of now
    published = [pending[event.id] for event in finding.published if event.id in pending]
    dead = [replace(d, event=pending[d.event.id]) for d in finding.dead if d.event.id in pending]
    case.store.write(case.ours, new, Outcomes.of(published, dead))
