"""What a relay tells of its work through the database, so that `bridge top` needs to reach nothing else."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

from bridge.shard.work import Outcome, Work

MOST_TOPICS = 200
WINDOW_SECONDS = 60.0
MOST_SAMPLES = 20_000  # latencies that are kept; of a batch with many, evenly spread ones
OF_A_BATCH = 50


class Told:
    """Adds up batches; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._published: Counter[str] = Counter()
        self._latencies: deque[tuple[float, int, float]] = deque(maxlen=MOST_SAMPLES)  # when, of how many, how long

    def add(self, work: Work, at_us: int, now: float) -> None:
        """A batch that Kafka had at `at_us`, by the database's clock, and `now` by any that only goes forward."""
        written = work.written_us
        step = -(-len(written) // OF_A_BATCH) or 1
        with self._lock:
            for (_, topic, outcome), count in work.counts.items():
                if outcome in (Outcome.PUBLISHED, Outcome.REPLAYED):
                    self._published[topic] += count
            for written_us in written[::step]:
                self._latencies.append((now, step, max(at_us - written_us, 0) / 1000))

    def document(self, now: float) -> dict[str, Any]:
        """Events published by topic since the start, and `latency_ms` of the last minute; JSON-ready."""
        with self._lock:
            while self._latencies and self._latencies[0][0] < now - WINDOW_SECONDS:
                self._latencies.popleft()
            published = dict(self._published.most_common(MOST_TOPICS))
            latencies = sorted((milliseconds, weight) for _, weight, milliseconds in self._latencies)
        found: dict[str, Any] = {"published": published}
        if latencies:
            found["latency_ms"] = {name: _quantile(latencies, share) for name, share in (("p50", 0.5), ("p99", 0.99))}
        return found


def _quantile(latencies: Sequence[tuple[float, int]], share: float) -> float:
    """Of weighted ones, ascending: that which `share` of them do not exceed."""
    left = share * sum(weight for _, weight in latencies)
    for milliseconds, weight in latencies:
        left -= weight
        if left <= 0:
            return round(milliseconds, 1)
    return round(latencies[-1][0], 1)
