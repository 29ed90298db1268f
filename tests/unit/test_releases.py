"""When parked events are looked for: a look too few leaves them for ever, which the model of parking would see."""

from __future__ import annotations

import pytest

from bridge.shard.releases import LOOK_SECONDS, Releases


@pytest.fixture
def releases() -> Releases:
    """After the first look, at 0, which had nothing in flight and found nothing."""
    releases = Releases()
    assert releases.is_time(0.0, 4)
    releases.looked(0.0, 0, 4, 4, is_full=False, due_in=None)
    return releases


def test_a_takeover_looks_once(releases: Releases) -> None:
    assert not releases.is_time(1.0, 1000)


def test_what_may_have_released_something_makes_it_look(releases: Releases) -> None:
    releases.expect()
    assert releases.is_time(1.0, 4)
    releases.looked(0.0, 0, 4, 4, is_full=False, due_in=None)
    assert not releases.is_time(1.0, 4)


def test_it_looks_when_the_next_one_is_due(releases: Releases) -> None:
    releases.expect()
    releases.looked(0.0, 0, 4, 4, is_full=False, due_in=7.5)
    assert not releases.is_time(7.4, 4)
    assert releases.is_time(7.5, 4)
    releases.looked(7.5, 0, 4, 4, is_full=False, due_in=None)
    assert not releases.is_time(7.5, 4)


def test_there_may_be_more_than_there_was_room_for(releases: Releases) -> None:
    releases.expect()
    releases.looked(0.0, 3, 4, 5, is_full=True, due_in=None)
    assert releases.is_time(1.0, 4)


def test_what_was_parked_behind_what_it_found_is_found_too(releases: Releases) -> None:
    """By the batch that carries it, too; it cannot be seen before that is settled."""
    releases.looked(0.0, 3, 4, 6, is_full=False, due_in=None)
    for settled_no in (4, 5):
        assert not releases.is_time(1.0, settled_no)
    assert releases.is_time(1.0, 6)
    releases.looked(0.0, 0, 6, 7, is_full=False, due_in=None)
    assert not releases.is_time(1.0, 1000)


def test_what_is_in_flight_while_it_looks_is_looked_at_when_it_is_settled(releases: Releases) -> None:
    """Batch 5 was in flight; it may be settled by the end of that very step, and still was not seen."""
    releases.expect()
    releases.looked(0.0, 0, 4, 5, is_full=False, due_in=None)
    assert not releases.is_time(1.0, 4)
    assert releases.is_time(1.0, 5)


def test_an_event_that_is_for_later_is_looked_at_once_it_is_settled(releases: Releases) -> None:
    """Before, nobody can tell when it is due."""
    releases.expect_behind(5)
    assert not releases.is_time(1.0, 4)
    assert releases.is_time(1.0, 5)


def test_events_for_later_in_each_batch_put_nothing_off(releases: Releases) -> None:
    releases.expect_behind(5)
    releases.expect_behind(6)
    assert releases.is_time(1.0, 5)
    releases.looked(0.0, 0, 5, 6, is_full=False, due_in=9.0)
    assert releases.is_time(1.0, 6)  # nor is the other forgotten


@pytest.mark.parametrize("due_in", [None, 2 * LOOK_SECONDS])
def test_it_looks_now_and_then_without_a_reason(releases: Releases, due_in: float | None) -> None:
    releases.expect()
    releases.looked(5.0, 0, 4, 4, is_full=False, due_in=due_in)
    assert not releases.is_time(4.9 + LOOK_SECONDS, 4)
    assert releases.is_time(5.0 + LOOK_SECONDS, 4)
