"""Shards beside each other over one outbox (`parkings.py`): what one does between two requests of another.

What couples them is `on_dead = "stop"`: an event of one shard that has died stops its topic in all.
"""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import initialize, precondition, rule
from model.histories import run
from model.parkings import Parkings, totals

from bridge.settings import Delivery, OnDead


class Shards(Parkings):
    """Each with a relay of its own, or all with one: they share nothing but servers in any case."""

    @initialize(
        shards=st.integers(2, 3),
        most=st.integers(1, 4),
        passes=st.sampled_from([2, 1000, 1000]),
        on_dead=st.sampled_from([OnDead.STOP] * 6 + [OnDead.HOLD, OnDead.SKIP]),
        delivery=st.sampled_from([Delivery.EXACTLY_ONCE] * 3 + [Delivery.AT_LEAST_ONCE]),
        is_stopped=st.booleans(),
    )
    def begin_with(
        self, shards: int, most: int, passes: int, on_dead: OnDead, delivery: Delivery, is_stopped: bool
    ) -> None:
        """Half of all histories begin where a dead event has others behind it, some of them in other shards."""
        self.begin(shards, most, passes, on_dead, delivery)
        if is_stopped:
            self.write_poison("a", "x", [])
            for _ in range(2):
                self.step_until_idle()
                self.pass_time(0.12)
            self.write([("b", "x"), ("c", "x"), ("d", "x")])
            self.carry(2)

    @precondition(lambda self: not self.encoder.refusing and not self.db.running)
    @rule(count=st.integers(1, 3), dies=st.booleans())
    def change_their_number(self, count: int, dies: bool) -> None:
        """Which is refused where something is left, as behind a dead event; then relays take the former ones again."""
        self.wait_for_what_may_go()
        for shard in [] if dies else self.alive():
            shard.hand_back()
        self.shards = [None] * len(self.shards)
        totals["numbers changed"] += self.db.set_shard_count(count)
        self.take_over_new()


@pytest.mark.timeout(1800)  # the machine may be busy
def test_shards() -> None:
    """As of one shard; and nothing behind what stops its topic is published by a shard that was told of it."""
    totals.clear()
    run(Shards, steps=30)
    print(dict(totals))


def stopped() -> Shards:
    """Two shards at rest: event 1 in the second has died, 2 in the first waits behind it."""
    two = Shards()
    two.begin(2, 2, 1000, OnDead.STOP, Delivery.EXACTLY_ONCE)
    two.write_poison("a", "x", [])
    two.rest()
    two.write([("b", "x")])
    two.rest()
    assert (two.db.dead(), list(two.db.parked), two.seen) == ([1], [1, 2], set())
    return two


def test_what_others_have_in_hand_goes_out_until_a_death_is_settled() -> None:
    """Until then nothing in the database tells of it."""
    two = Shards()
    two.begin(2, 2, 1000, OnDead.STOP, Delivery.EXACTLY_ONCE)
    two.write_poison("a", "x", ["c", "b"])
    two.step(1, times=2, is_busy=False)
    two.step(0, times=1, is_busy=False)
    assert (two.letters, two.seen) == ({1: 1}, {3})
    two.pass_time(0.12)
    two.step(1, times=1, is_busy=False)
    two.write([("b", "x"), ("b", "y")])
    two.step(0, times=1, is_busy=False)
    assert two.seen == {3, 5}


@pytest.mark.parametrize("is_skipped", [True, False], ids=["skipped", "published"])
def test_a_topic_goes_on_between_the_first_look_and_the_first_read(is_skipped: bool) -> None:
    """The look still saw what stopped it, the read saw nothing."""
    two = stopped()

    def skip() -> None:
        two.decide_about(1, mends=False, skips=True)

    def settle() -> None:
        two.pass_time(0.12)
        two.step(1, times=1, is_busy=False)

    if not is_skipped:
        two.decide_about(1, mends=True, skips=False)
        two.step(1, times=1, is_busy=False)
    two.take_over(0, dies=True)
    two.plan[0, "read"] = skip if is_skipped else settle
    two.step(0, times=1, is_busy=False)
    assert not two.plan
    two.wait_for_what_may_go()
    assert two.seen == ({2} if is_skipped else {1, 2})
