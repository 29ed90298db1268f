"""Why an event has not been published yet, who has to do something about it, and what; decided from values alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import psycopg
from psycopg.rows import class_row

from bridge.admin.event_row import Behind, EventRow, ParkedRow
from bridge.admin.status import Wait
from bridge.postgres.queries import query

MOST_BEFORE = 100_000  # events that are counted as being before one

NOBODY, SERVER, PERSON = 0, 3, 5  # who has to do something: the exit codes


@dataclass(frozen=True, slots=True)
class ShardNow:
    """The shard of an event: who holds it, and which relay was seen last, whichever shard that held.

    `before` of its unread events come before the event, exact below MOST_BEFORE. `lease_seconds` below 0: it has run
    out.
    """

    shard: int
    owner: str | None
    lease_until: datetime | None
    lease_seconds: float | None
    stopped: str | None
    batch_no: int
    has_in_flight: bool
    updated_at: datetime
    relays: int
    last_relay: str | None
    last_seen: datetime | None
    before: int


@dataclass(frozen=True, slots=True)
class Cause:
    """Why it waits, in words; `needs` says who has to do something (NOBODY: it passes by itself), `mend` what."""

    words: str
    needs: int = NOBODY
    mend: str | None = None


def read_shard(conn: psycopg.Connection, row: EventRow) -> ShardNow | None:
    """None: the shard was taken away, and had published all."""
    asked = {"shard": row.shard, "seq": row.seq, "most": MOST_BEFORE}
    with conn.cursor(row_factory=class_row(ShardNow), binary=True) as cursor:
        return cursor.execute(query("trace_shard"), asked).fetchone()


def read_waits(conn: psycopg.Connection) -> list[Wait]:
    """What waits in the relays that are alive."""
    with conn.cursor(row_factory=class_row(Wait), binary=True) as cursor:
        return cursor.execute(query("relay_waits")).fetchall()


def why_parked(parked: ParkedRow, behind: Behind | None, shard: ShardNow, waits: Sequence[Wait]) -> Cause:
    """Of one that was read and not published: dead, waiting, deferred, retried, or to be published once more."""
    if parked.state == "dead":
        letter = f"; its dead letter waits for the topic {parked.waits_for}" if parked.waits_for else ""
        return Cause(
            f"it is dead since {moment(parked.since)}: {parked.reason}{letter}",
            PERSON,
            f"bridge dead show {parked.event_id}, and then bridge dead retry or skip",
        )
    if parked.state == "deferred" and parked.due_at is not None and parked.due_at > datetime.now(UTC):
        return Cause(f"its writer wants it published not before {moment(parked.due_at)} (available_at)")
    if behind is not None and parked.state != "replayed":
        return _behind(parked, behind)
    return next(_obstacles(shard, waits, parked.topic), Cause("its turn comes with the next batch of its shard"))


def why_unread(row: EventRow, shard: ShardNow, waits: Sequence[Wait], topic: str | None) -> Cause:
    """Of one that no settled batch has read."""
    found = next(_obstacles(shard, waits, topic), None)
    if row.is_in_flight:
        batch = (
            f"batch {shard.batch_no} of shard {shard.shard} has it, claimed {moment(shard.updated_at)} and not settled"
        )
        words = f"{batch}: Kafka may have it already"
        return Cause(words) if found is None else replace(found, words=f"{words}; {found.words}")
    if found is not None:
        return found
    more = " or more" if shard.before >= MOST_BEFORE else ""
    before = f", {shard.before:,}{more} unread events of its shard come first" if shard.before else ""
    late = f"; the relay has written nothing since {moment(shard.updated_at)}" if shard.has_in_flight else ""
    return Cause(f"the next read of {shard.owner or 'a relay'} will find it{before}{late}")


def _behind(parked: ParkedRow, behind: Behind) -> Cause:
    what = f"behind event {behind.event_id}"
    whose = f"which stops the topic {parked.topic}" if behind.stops else "of its key and topic"
    if behind.state == "dead":
        return Cause(
            f"since {moment(parked.since)} {what} {whose}, dead since {moment(behind.since)}: {behind.reason}",
            PERSON,
            f"bridge dead show {behind.event_id}, and then bridge dead retry or skip",
        )
    return Cause(
        f"since {moment(parked.since)} {what} {whose}, which is {behind.state} itself",
        NOBODY,
        f"bridge trace {behind.event_id} says why",
    )


def _obstacles(shard: ShardNow, waits: Sequence[Wait], topic: str | None) -> Iterator[Cause]:
    """What keeps a shard, or a topic in it, from getting on; what concerns most first."""
    if shard.stopped is not None:
        yield Cause(f"shard {shard.shard} is stopped: {shard.stopped}", PERSON, "bridge recover --dry-run")
    if not shard.relays:
        yield _nobody_works(shard)
    for wait in waits:
        if wait.shard not in (None, shard.shard) or wait.topic not in (None, topic):
            continue
        since = f"since {moment(wait.since)}: {wait.reason}"
        match wait.kind:
            case "server":
                yield Cause(f"a server is away {since}", SERVER, "Bring it back; the relay goes on by itself")
            case "refusal":
                yield Cause(f"a server refuses what a relay asks {since}", PERSON, "What it says; bridge doctor")
            case "doubt":
                yield Cause(f"Kafka has confirmed no batch of shard {shard.shard} {since}", PERSON, "bridge doctor")
            case "unforeseen":
                yield Cause(f"a relay meets what nobody foresaw {since}", PERSON, "Report it, with the relay's log")
            case "still":
                words = f"shard {shard.shard} has not got on {since}"
                yield Cause(words, PERSON, "Restart that relay, and report it, with its log; bridge doctor")
            case kind:
                why = "schema is not to be had" if kind == "schema" else "topic takes nothing"
                yield Cause(f"its {why}, and is held {since}", PERSON, "Mend that; the relay goes on by itself")
    if shard.owner is None:
        yield Cause(f"shard {shard.shard} is free, and {shard.relays} relays are alive: one will take it in a moment")
    elif (shard.lease_seconds or 0) < 0:
        lapsed = f"the lease of {shard.owner} on shard {shard.shard} ran out {moment(shard.lease_until)}"
        yield Cause(f"{lapsed}, and another of the {shard.relays} relays that are alive will take it in a moment")


def _nobody_works(shard: ShardNow) -> Cause:
    """No relay is alive: none was started, or it was paused, killed or cut off."""
    if shard.last_relay is None:
        return Cause("no relay is at work", PERSON, "Start one: bridge run")
    held = f"; it still holds shard {shard.shard}" if shard.owner == shard.last_relay else ""
    sign = f"the last sign of life of {shard.last_relay} counted until {moment(shard.last_seen)}"
    return Cause(
        f"no relay is at work: {sign}{held}",
        PERSON,
        "Look at that process (host:pid:...): is it paused, killed, cut off from Postgres? Or start one: bridge run",
    )


def moment(at: datetime | None) -> str:
    """A time for people, in UTC, to the second."""
    return "never" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
