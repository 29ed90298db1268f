"""What a relay tells of its work is small, whatever it has done, and of the last minute."""

from __future__ import annotations

from bridge.event import EVENT_QUEUE
from bridge.shard.work import Outcome, Sort, Work
from bridge.telemetry.told import MOST_TOPICS, Told
from bridge.text import json_text


def work(*written_us: int, topic: str = "t", outcome: Outcome = Outcome.PUBLISHED) -> Work:
    count = len(written_us) or 1
    return Work({Sort(EVENT_QUEUE, topic, outcome): count}, {}, 0, written_us, 0.0, {})


def test_events_are_told_by_topic_and_latencies_of_the_last_minute() -> None:
    told = Told()
    assert told.document(0) == {"published": {}}
    told.add(work(*range(0, 100_000, 1000)), 100_000, 1.0)  # 1 to 100 ms
    told.add(work(topic="u", outcome=Outcome.DEAD), 0, 1.0)
    told.add(work(topic="u", outcome=Outcome.REPLAYED), 0, 1.0)
    found = told.document(1.0)
    assert found["published"] == {"t": 100, "u": 1}
    assert 45 <= found["latency_ms"]["p50"] <= 55
    assert 97 <= found["latency_ms"]["p99"] <= 100
    assert told.document(62.0) == {"published": {"t": 100, "u": 1}}


def test_large_batches_and_small_ones_count_by_their_events() -> None:
    told = Told()
    told.add(work(*([0] * 5000)), 100_000, 0.0)
    for _ in range(100):
        told.add(work(99_000), 100_000, 0.0)
    assert told.document(0.0)["latency_ms"] == {"p50": 100.0, "p99": 100.0}


def test_it_stays_small() -> None:
    told = Told()
    for number in range(10_000):
        told.add(work(*range(20), topic=f"topic-{number}"), 1000, float(number) / 1000)
    document = told.document(10.0)
    assert len(document["published"]) == MOST_TOPICS
    assert len(json_text(document)) < 10_000


def test_a_clock_that_is_behind_makes_no_latency_negative() -> None:
    told = Told()
    told.add(work(2000), 1000, 0.0)
    assert told.document(0.0)["latency_ms"] == {"p50": 0.0, "p99": 0.0}
