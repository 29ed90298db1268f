"""What was read and not published: parked events, and which of them a batch may carry.

Every event that is read has an outcome in its batch: published, or parked. An event *waits* behind an earlier parked
one of its topic and key, and while its topic is held. That it waits behind another is derived, never stored: it may go
as soon as nothing earlier of its place stays parked. What *stops* its topic is waited for by all later events of that,
in other shards, too, until it is settled that it is gone. Deferred events block nobody; skipped ones stay, and block
nobody either.

Replayed events are older states, published again on purpose: they are in order among themselves, and neither wait for
others nor others for them. One that waits for a topic is passed by no later replayed one of its place. One that cannot
be published any more is refused, and holds nothing up: what it tells was published before.

A batch carries what `parked` releases first, then new events, so that a busy key does not keep its released ones for
ever. A read does not see what batches that are not settled park and unpark: their changes are laid over what it
returned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from bridge.event import Event


class State(StrEnum):
    """Why an event is parked; people retry or skip dead ones, and replay what was published."""

    WAITING = "waiting"  # behind an earlier one of its place, or for a topic
    DEFERRED = "deferred"  # not due yet
    DEAD = "dead"
    RETRIED = "retried"  # dead, but to be tried again
    REPLAYED = "replayed"  # published, and to be published once more
    REFUSED = "refused"  # replayed, but it cannot be published any more as it is


class Place(NamedTuple):
    """Where order is promised: a topic, and a hash of the event's key. Two keys of one hash wait for each other."""

    topic: str
    key_hash: int


class Parked(NamedTuple):
    """One row of `bridge.parked`; times in microseconds since 1970 (UTC).

    `blocks`: later events of its place wait; `stops`: of its topic, whatever their key. `waits_for` is the topic that
    its dead letter could not be published to.
    """

    seq: int
    source: str
    id: str
    at_us: int
    place: Place
    state: State
    blocks: bool
    waits_for: str | None = None
    due_us: int | None = None
    reason: str | None = None
    stops: bool = False

    @classmethod
    def of(cls, event: Event, topic: str, state: State, *, blocks: bool, stops: bool = False) -> Parked:
        """An event that is parked now."""
        place = Place(topic, event.key_hash)
        return cls(event.seq, event.source, event.id, event.created_us, place, state, blocks, stops=stops)


class Change(NamedTuple):
    """What a batch does with one event: parks it anew (no `before`), or again, or publishes it (no `after`).

    As read from a ledger, it has no `before` in any case.
    """

    seq: int
    before: Parked | None
    after: Parked | None


class Released(NamedTuple):
    """A parked event that may be tried."""

    event: Event
    row: Parked


class Verdict(StrEnum):
    """What is to become of an event that a batch might carry."""

    TRY = "encode it"
    LEAVE = "it stays parked as it is"
    WAIT = "park it: something earlier of its place stays parked, or something stops its topic"


class Parking:
    """Decides, for one batch, in the order of its events: released ones by seq, then new ones by seq.

    Of each place it keeps the last event that blocks it: earlier ones are released before. Replayed ones come behind
    these, by seq, and have a queue of their own.
    """

    def __init__(self, blocked: Mapping[Place, int], stops: Mapping[str, int], unsettled: Iterable[Change]) -> None:
        """`blocked`: the last blocking seq of each place of the batch's new events, and `stops` the first seq that
        stops each topic, as the read saw it; `unsettled`: what a batch since then has changed.
        """
        self.changes: dict[int, Change] = {}
        self._blocked = dict(blocked)
        self._hashes = {place.key_hash for place in blocked}  # of keys that had something blocked
        self._stops = dict(stops)
        self._in_flight: set[int] = set()
        self._stuck: dict[tuple[Place, bool], int] = {}  # of each queue, the lowest seq that stays parked
        for change in unsettled:
            self._in_flight.add(change.seq)
            self._note(change)

    def released(self, row: Parked) -> Verdict:
        """May an event be tried that was parked, and that nothing dead precedes, as the read saw it?"""
        if row.seq in self._in_flight or self._stuck.get(_queue(row), row.seq) < row.seq:
            return Verdict.LEAVE
        is_replayed = row.state is State.REPLAYED
        return Verdict.TRY if is_replayed or not self._is_stopped(row.place.topic, row.seq) else Verdict.LEAVE

    def concerns(self, key_hash: int) -> bool:
        """Whether `new()` may say anything but TRY for an event of this key, which it does for few."""
        return key_hash in self._hashes or bool(self._stops)

    def new(self, place: Place, seq: int) -> Verdict:
        """May an event be tried that was never read before?"""
        return Verdict.WAIT if place in self._blocked or self._is_stopped(place.topic, seq) else Verdict.TRY

    def published(self, row: Parked) -> None:
        """A released event is in the batch."""
        self._decide(Change(row.seq, row, None))

    def park(self, after: Parked, before: Parked | None = None) -> None:
        """A new event is parked, or a released one again."""
        self._decide(Change(after.seq, before, after))

    def leave(self, row: Parked) -> None:
        """A released event stays as it is, and so do later ones of its place."""
        if row.blocks or row.state is State.REPLAYED:
            self._stuck[_queue(row)] = min(row.seq, self._stuck.get(_queue(row), row.seq))

    def _is_stopped(self, topic: str, seq: int) -> bool:
        return self._stops.get(topic, seq) < seq

    def _decide(self, change: Change) -> None:
        self.changes[change.seq] = change
        self._note(change)

    def _note(self, change: Change) -> None:
        if change.after is not None and change.after.stops:
            topic = change.after.place.topic
            self._stops[topic] = min(change.seq, self._stops.get(topic, change.seq))
        if change.after is not None and change.after.state is State.REPLAYED:
            self.leave(change.after)
        elif change.after is not None and change.after.blocks:
            place = change.after.place
            self._blocked[place] = max(change.seq, self._blocked.get(place, change.seq))
            self._hashes.add(place.key_hash)
            self.leave(change.after)
        elif change.before is not None and self._blocked.get(change.before.place) == change.seq:
            del self._blocked[change.before.place]


def _queue(row: Parked) -> tuple[Place, bool]:
    """Those in which a parked event may be held up by an earlier one."""
    return row.place, row.state is State.REPLAYED
