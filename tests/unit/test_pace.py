"""Rates are told from counters alone, whatever becomes of the relays that count."""

from __future__ import annotations

from collections import deque

from overviews import overview, shard

from bridge.admin.pace import ALL, Pace, thinned


def test_rates_are_those_between_looks() -> None:
    pace = Pace(3)
    pace.add(overview(0, shards=(shard(0, 100), shard(1, 50))))
    assert pace.rate(ALL) is None  # one look alone tells no rate, and 0 would alarm
    pace.add(overview(2, shards=(shard(0, 300), shard(1, 50))))
    assert (pace.rate(ALL), pace.rate("shard", "0"), pace.rate("shard", "1")) == (100, 100, 0)
    for at in (4, 6):
        pace.add(overview(at, shards=(shard(0, 300), shard(1, 50))))
    assert list(pace.rates(ALL)) == [100, 0, 0]
    assert list(pace.rates("shard", "7")) == []


def test_a_look_that_failed_leaves_a_longer_interval() -> None:
    pace = Pace(10)
    pace.add(overview(0, shards=(shard(0, 0),)))
    pace.add(overview(10, shards=(shard(0, 50),)))
    assert pace.rate(ALL) == 5


def test_counters_that_begin_anew_take_nothing_away() -> None:
    pace = Pace(10)
    pace.add(overview(0, shards=(shard(0, 1000),)))
    pace.add(overview(1, shards=(shard(0, 10),)))  # another database, restored
    assert pace.rate(ALL) == 0
    pace.add(overview(2, shards=(shard(0, 20),)))
    assert pace.rate(ALL) == 10


def test_topics_are_added_up_over_relays_that_come_and_go() -> None:
    pace = Pace(10)
    pace.add(overview(0, relays={"a": {"published": {"t": 1000}}}))
    assert pace.rate("topic", "t") is None  # what was before is no rate
    pace.add(overview(1, relays={"a": {"published": {"t": 1010}}, "b": {"published": {"t": 5, "u": 7}}}))
    assert (pace.rate("topic", "t"), pace.rate("topic", "u")) == (10, 0)
    pace.add(overview(2, relays={"a": {"published": {"t": 1010}}, "b": {"published": {"t": 25, "u": 7}}}))
    assert (pace.rate("topic", "t"), pace.rate("topic", "u")) == (20, 0)
    pace.add(overview(3, relays={"b": {"published": {"t": 26}}}))
    assert pace.rate("topic", "t") == 1
    assert pace.topics() == {"t", "u"}
    assert len(pace.rates("topic", "u")) == 4  # as many as looks, also where it came later


def test_topics_rates_are_those_between_reports_however_often_is_looked() -> None:
    pace = Pace(10)
    for at in range(0, 13, 2):
        reported = at // 3 * 3
        pace.add(overview(at, reported=reported, relays={"a": {"published": {"t": reported * 50}}}))
    assert list(pace.rates("topic", "t")) == [0, 0, 50, 50, 50, 50, 50]


def test_what_is_no_work_is_none() -> None:
    pace = Pace(10)
    for at, work in enumerate(({}, {"published": None}, {"published": {"t": "many"}})):
        pace.add(overview(at, relays={"a": work}))
    assert pace.topics() == set()


def test_long_series_become_means_the_latest_last() -> None:
    assert thinned([1, 2, 3], 3) == [1, 2, 3]
    assert thinned([9, 1, 3, 5, 7], 3) == [9, 2, 6]
    assert thinned([], 3) == []
    assert thinned(deque([9, 1, 3, 5, 7]), 3) == [9, 2, 6]  # as a Pace keeps them
    assert len(thinned(list(range(721)), 120)) <= 120
