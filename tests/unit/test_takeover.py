"""Every case that a takeover can find, and what it must conclude."""

from __future__ import annotations

from uuid import uuid4

import pytest

from bridge.errors import ShardStopped
from bridge.shard.takeover import Committed, LastBatch, reconcile

MINE, OTHER = uuid4(), uuid4()


@pytest.mark.parametrize(
    ("batch_no", "batch_id", "committed", "in_flight", "verdict"),
    [
        (0, None, None, False, LastBatch.FIRST),
        (
            0,
            None,
            Committed(0, OTHER),
            False,
            LastBatch.NOT_PUBLISHED,
        ),  # the first act was done, but not written
        (7, MINE, Committed(7, MINE), True, LastBatch.PUBLISHED),
        (7, MINE, Committed(7, MINE), False, LastBatch.PUBLISHED),
        (7, MINE, Committed(6, OTHER), True, LastBatch.NOT_PUBLISHED),
        (1, MINE, Committed(0, OTHER), True, LastBatch.NOT_PUBLISHED),
    ],
)
def test_verdict(
    batch_no: int, batch_id: object, committed: Committed | None, in_flight: bool, verdict: LastBatch
) -> None:
    assert reconcile(1, batch_no, batch_id, committed, in_flight=in_flight) is verdict


@pytest.mark.parametrize(
    ("batch_no", "batch_id", "committed", "in_flight", "words"),
    [
        (7, MINE, None, True, "no committed offset"),
        (7, MINE, None, False, "no committed offset"),
        (0, None, Committed(5, OTHER), False, "share a relay.name"),
        (7, MINE, Committed(7, OTHER), True, "gone back in time"),
        (7, MINE, Committed(8, OTHER), True, "gone back in time"),
        (7, MINE, Committed(5, OTHER), True, "gone back in time"),
        (7, MINE, Committed(6, OTHER), False, "gone back in time"),  # its outcomes were applied, so it was published
    ],
)
def test_contradictions_stop_the_shard(
    batch_no: int, batch_id: object, committed: Committed | None, in_flight: bool, words: str
) -> None:
    with pytest.raises(ShardStopped, match=words) as caught:
        reconcile(3, batch_no, batch_id, committed, in_flight=in_flight)
    assert "shard 3 is stopped" in str(caught.value)
    assert "bridge recover" in str(caught.value)
