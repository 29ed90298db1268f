"""The histogram of latencies, into which a whole batch is counted at once.

A library's `observe()` for each event would take a fifteenth of a relay's time. Its buckets are classic ones: what the
library knows of native ones is how to write them in a format that no Prometheus asks for yet.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from bridge.telemetry.catalog import LATENCY

SECONDS = (
    *(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),  # usual
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 86_400.0),  # a server was away, a backlog drains
)


class Latencies(Collector):
    """Counts; safe to share between threads. `offset_us` is the database's clock minus ours."""

    def __init__(self) -> None:
        self.offset_us = 0
        self._lock = threading.Lock()
        self._bounds_us = [round(seconds * 1e6) for seconds in SECONDS]
        self._at_most = [0] * len(SECONDS)
        self._count = 0
        self._sum_us = 0

    def add(self, written_us: Sequence[int], published_us: int) -> None:
        """Events written then (ascending), which Kafka had at `published_us` by our clock."""
        if not written_us:
            return
        at = published_us + self.offset_us
        count = len(written_us)
        # Of one that seems to come from the future, as clocks are read, the latency is nothing.
        future = bisect_right(written_us, at)
        total = at * future - sum(written_us[:future] if future < count else written_us)
        # An event took at most a bound where it was not written before that.
        late = [bisect_left(written_us, at - bound) for bound in self._bounds_us]
        with self._lock:
            self._at_most = [known + count - later for known, later in zip(self._at_most, late, strict=True)]
            self._count += count
            self._sum_us += total

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """One family."""
        with self._lock:
            at_most, count, sum_us = list(self._at_most), self._count, self._sum_us
        names = [*map(floatToGoString, SECONDS), "+Inf"]
        buckets = list(zip(names, map(float, [*at_most, count]), strict=True))
        yield HistogramMetricFamily(LATENCY.name, LATENCY.help, buckets=buckets, sum_value=sum_us / 1e6)
