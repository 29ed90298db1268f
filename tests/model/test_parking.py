"""One shard that reads, parks and releases (`parkings.py`).

`tests/model/test_model.py` has fewer events and more disorder: relays beside each other, and servers that go back in
time; `test_shards.py` has shards beside each other.
"""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import initialize
from model.histories import run
from model.parkings import Parkings, totals

from bridge.settings import Delivery, OnDead
from bridge.shard.parked import State
from bridge.shard.releases import LOOK_SECONDS
from bridge.shard.shard import News


class OneShard(Parkings):
    """Nobody is beside it but writers and people."""

    @initialize(
        most=st.integers(1, 4),
        passes=st.sampled_from([2, 1000, 1000]),
        on_dead=st.sampled_from([OnDead.HOLD, OnDead.HOLD, OnDead.SKIP, OnDead.STOP, OnDead.STOP]),
        delivery=st.sampled_from([Delivery.EXACTLY_ONCE] * 3 + [Delivery.AT_LEAST_ONCE]),
    )
    def begin_with(self, most: int, passes: int, on_dead: OnDead, delivery: Delivery) -> None:
        self.begin(1, most, passes, on_dead, delivery)


@pytest.mark.timeout(1800)  # the machine may be busy
def test_parking() -> None:
    """Nothing is lost, doubled or out of order, nothing that was skipped is published, and the status is the truth."""
    totals.clear()
    run(OneShard, steps=30)
    print(dict(totals))


def test_what_was_mended_by_hand_is_found_without_a_reason_to_look() -> None:
    one = OneShard()
    one.begin_with(most=2, passes=1000, on_dead=OnDead.HOLD, delivery=Delivery.EXACTLY_ONCE)
    one.write_poison("a", "x", behind=["a"])
    one.rest()
    one.encoder.poison.clear()
    one.db.parked[1] = one.db.parked[1]._replace(state=State.RETRIED)
    one.rest()
    one.holds_true()
    assert not one.seen
    one.db.now += LOOK_SECONDS
    (shard,) = one.alive()
    assert shard.look() is News.WRITTEN
    one.step(0, times=2, is_busy=False)
    one.holds_true()
    assert one.seen == {1, 2}
