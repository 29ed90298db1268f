"""Every case that a takeover can find, and what it must conclude."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from bridge.errors import ShardStopped
from bridge.shard.ledger import NOTHING, ControlRecord, Ledger, OfSource, Outcomes
from bridge.shard.takeover import LastBatch, adopt, reconcile

MINE, BEFORE, OTHER = uuid4(), uuid4(), uuid4()
IN_FLIGHT = Outcomes(OfSource((1,)), OfSource())


def ledger(batch_no: int, batch_id: UUID | None, previous_id: UUID | None, outcomes: Outcomes = IN_FLIGHT) -> Ledger:
    return Ledger(3, "relay", 1, batch_no, batch_id, previous_id, outcomes, 0)


@pytest.mark.parametrize(
    ("ours", "found", "verdict"),
    [
        (ledger(0, None, None, NOTHING), None, LastBatch.FIRST),
        # the first act was done, but not written
        (ledger(0, None, None, NOTHING), ControlRecord(0, OTHER, None), LastBatch.NOT_PUBLISHED),
        (ledger(7, MINE, BEFORE), ControlRecord(7, MINE, BEFORE), LastBatch.PUBLISHED),
        (ledger(7, MINE, BEFORE, NOTHING), ControlRecord(7, MINE, BEFORE), LastBatch.PUBLISHED),
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
        (ledger(7, MINE, BEFORE, NOTHING), None, "no control record"),
        (ledger(7, MINE, BEFORE), ControlRecord(0, None, None), "not written by bridge"),
        (ledger(0, None, None, NOTHING), ControlRecord(0, None, None), "not written by bridge"),
        (ledger(0, None, None, NOTHING), ControlRecord(5, OTHER, None), "share a relay.name"),
        (ledger(7, MINE, BEFORE), ControlRecord(7, OTHER, BEFORE), "gone back in time"),
        (ledger(7, MINE, BEFORE), ControlRecord(8, OTHER, MINE), "gone back in time"),
        (ledger(7, MINE, BEFORE), ControlRecord(5, OTHER, None), "gone back in time"),
        (ledger(7, MINE, BEFORE), ControlRecord(6, OTHER, None), "gone back in time"),  # of another history
        # its outcomes were applied, so it was published
        (ledger(7, MINE, BEFORE, NOTHING), ControlRecord(6, BEFORE, None), "gone back in time"),
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
    assert (adopted.control, adopted.outcomes) == (found, NOTHING)
    assert adopt(ledger(7, MINE, BEFORE), None, OTHER).control == ControlRecord(7, OTHER, None)
