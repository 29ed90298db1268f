"""The search for the highest rate that a system sustains."""

from __future__ import annotations

import pytest

from bridge.bench.sustained import FIRST_RATE, Sustained, search


@pytest.mark.parametrize("capacity", [90, 700, FIRST_RATE, 23_456, 1_000_000])
def test_search_finds_the_highest_rate_within_a_tenth(capacity: int) -> None:
    def measure_at(rate: int) -> Sustained:
        growth = max(rate - capacity, 0) * 10
        return Sustained(rate, 100, 100 + growth, writer_kept_up=True)

    tried = search(measure_at)
    best = tried[-1]
    assert best.is_sustainable
    assert best.rate <= capacity * 1.05
    assert best.rate * 1.1 * 1.05 >= capacity
    assert len(tried) < 20


def test_a_system_that_carries_nothing_ends_the_search() -> None:
    tried = search(lambda rate: Sustained(rate, 0, 1e9, writer_kept_up=True))
    assert not tried[-1].is_sustainable


def test_a_writer_that_fell_behind_proves_nothing() -> None:
    assert not Sustained(1000, 0, 0, writer_kept_up=False).is_sustainable
