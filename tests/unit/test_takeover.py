"""Every case that a takeover can find, and what it must conclude; and what is settled by it."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from bridge.errors import ShardStopped
from bridge.shard.ledger import ControlRecord, InFlight, Ledger
from bridge.shard.position import NOTHING_SEEN, Pair, Position
from bridge.shard.takeover import LastBatch, adopt, reconcile, resume

MINE, BEFORE, OTHER = uuid4(), uuid4(), uuid4()
SETTLED, BEHIND = Position.first(), Position(0, Pair(9, NOTHING_SEEN))
IN_FLIGHT = InFlight(BEHIND, 1, 0, ())


def ledger(
    batch_no: int, batch_id: UUID | None, previous_id: UUID | None, in_flight: InFlight | None = IN_FLIGHT
) -> Ledger:
    return Ledger(3, "relay", 1, batch_no, batch_id, previous_id, SETTLED, in_flight)


@pytest.mark.parametrize(
    ("ours", "found", "verdict"),
    [
        (ledger(0, None, None, None), None, LastBatch.FIRST),
        # the first act was done, but not written
        (ledger(0, None, None, None), ControlRecord(0, OTHER, None), LastBatch.NOT_PUBLISHED),
        (ledger(7, MINE, BEFORE), ControlRecord(7, MINE, BEFORE), LastBatch.PUBLISHED),
        (ledger(7, MINE, BEFORE, None), ControlRecord(7, MINE, BEFORE), LastBatch.PUBLISHED),
        (ledger(7, MINE, None), ControlRecord(7, MINE, BEFORE), LastBatch.PUBLISHED),  # its own id says enough
        (ledger(7, MINE, BEFORE), ControlRecord(6, BEFORE, OTHER), LastBatch.NOT_PUBLISHED),
        (ledger(1, MINE, BEFORE), ControlRecord(0, BEFORE, None), LastBatch.NOT_PUBLISHED),
    ],
)
def test_verdict(ours: Ledger, found: ControlRecord | None, verdict: LastBatch) -> None:
    assert reconcile(ours, found) is verdict


@pytest.mark.parametrize(
    ("ours", "found", "words"),
    [
        (ledger(7, MINE, BEFORE), None, "no control record"),
        (ledger(7, MINE, BEFORE, None), None, "no control record"),
        (ledger(7, MINE, BEFORE), ControlRecord(0, None, None), "not written by bridge"),
        (ledger(0, None, None, None), ControlRecord(0, None, None), "not written by bridge"),
        (ledger(0, None, None, None), ControlRecord(5, OTHER, None), "share a relay.name"),
        (ledger(7, MINE, BEFORE), ControlRecord(7, OTHER, BEFORE), "gone back in time"),
        (ledger(7, MINE, BEFORE), ControlRecord(8, OTHER, MINE), "gone back in time"),
        (ledger(7, MINE, BEFORE), ControlRecord(5, OTHER, None), "gone back in time"),
        (ledger(7, MINE, BEFORE), ControlRecord(6, OTHER, None), "gone back in time"),  # of another history
        # it was settled, so it was published
        (ledger(7, MINE, BEFORE, None), ControlRecord(6, BEFORE, None), "gone back in time"),
    ],
)
def test_contradictions_stop_the_shard(ours: Ledger, found: ControlRecord | None, words: str) -> None:
    with pytest.raises(ShardStopped, match=words) as caught:
        reconcile(ours, found)
    assert "shard 3 is stopped" in str(caught.value)
    assert "bridge recover" in str(caught.value)


def test_what_is_adopted_is_what_kafka_has() -> None:
    """So that the next takeover finds the two alike."""
    found = ControlRecord(9, OTHER, MINE)
    adopted = adopt(ledger(7, MINE, BEFORE), found, uuid4())
    assert (adopted.control, adopted.in_flight, adopted.position) == (found, None, SETTLED)
    assert adopt(ledger(7, MINE, BEFORE), None, OTHER).control == ControlRecord(7, OTHER, None)
    assert adopt(ledger(7, MINE, BEFORE), ControlRecord(5, None, None), OTHER).control == ControlRecord(7, OTHER, None)


def test_a_batch_that_was_published_is_settled() -> None:
    found = ControlRecord(7, MINE, BEFORE)
    resumption = resume(ledger(7, MINE, BEFORE), found, OTHER)
    assert (resumption.last_batch, resumption.settled) == (LastBatch.PUBLISHED, IN_FLIGHT)
    assert resumption.ledger == replace(ledger(7, MINE, BEFORE, None), position=BEHIND)
    assert resumption.ledger.control == found
    resumption = resume(ledger(7, MINE, BEFORE, None), found, OTHER)  # it is already
    assert (resumption.last_batch, resumption.settled) == (LastBatch.PUBLISHED, None)
    assert resumption.ledger == ledger(7, MINE, BEFORE, None)


def test_a_batch_that_was_not_published_is_forgotten() -> None:
    """Its events are read anew, and its number is given again, with another id."""
    found = ControlRecord(6, BEFORE, OTHER)
    resumption = resume(ledger(7, MINE, BEFORE), found, OTHER)
    assert (resumption.last_batch, resumption.settled) == (LastBatch.NOT_PUBLISHED, None)
    assert resumption.ledger == ledger(6, BEFORE, OTHER, None)


def test_a_shard_that_has_never_published_begins_with_an_id_of_its_own() -> None:
    resumption = resume(ledger(0, None, None, None), None, OTHER)
    assert (resumption.last_batch, resumption.settled) == (LastBatch.FIRST, None)
    assert resumption.ledger == ledger(0, OTHER, None, None)


def test_what_settles_when() -> None:
    """A batch in flight is not settled before the next claim, which settles what was read since, too."""
    ours = ledger(7, MINE, BEFORE)
    assert (ours.settled_no, ledger(7, MINE, BEFORE, None).settled_no) == (6, 7)
    between, next_ = Position(0, Pair(12, NOTHING_SEEN)), InFlight(Position(0, Pair(15, NOTHING_SEEN)), 3, 0, ())
    claimed = ours.claimed(OTHER, between, next_)
    assert (claimed.control, claimed.position, claimed.in_flight) == (ControlRecord(8, OTHER, MINE), between, next_)
