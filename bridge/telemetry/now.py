"""How a relay stands at this moment, as metrics."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from bridge.telemetry.catalog import AWAY, CARRIED, HELD, OUTAGES, REFUSES, REGISTRY, TRACKING, WAITS, Metric

SERVERS = ("postgres", "kafka", "registry")
OTHER = "other"  # a topic that no route names, any more


@dataclass(frozen=True, slots=True)
class Now:
    """`away` and `refusing` are of SERVERS, `outages` counts by them; `held`: shards by topic and kind."""

    carried: int = 0
    away: Collection[str] = ()
    refusing: Collection[str] = ()
    outages: Mapping[str, int] = field(default_factory=dict)
    held: Mapping[tuple[str, str], int] = field(default_factory=dict)
    waits: Mapping[str, int] = field(default_factory=dict)
    registry: Mapping[str, int] = field(default_factory=dict)
    tracking_problems: int = 0


class NowCollector(Collector):
    """Asks at each scrape."""

    def __init__(self, topics: Collection[str]) -> None:
        self.ask: Callable[[], Now] = Now
        self._topics = topics

    def collect(self) -> Iterator[Family]:
        """Nothing here waits for a server."""
        now = self.ask()
        yield gauge(CARRIED, {(): now.carried})
        yield gauge(AWAY, {(server,): server in now.away for server in SERVERS})
        yield gauge(REFUSES, {(server,): server in now.refusing for server in SERVERS})
        yield counter(OUTAGES, {(server,): now.outages.get(server, 0) for server in SERVERS})
        held: dict[tuple[str, ...], float] = {}
        for (topic, kind), count in now.held.items():
            labels = (topic if topic in self._topics else OTHER, kind)
            held[labels] = held.get(labels, 0) + count
        yield gauge(HELD, held)
        yield gauge(WAITS, {(kind,): count for kind, count in now.waits.items()})
        yield counter(REGISTRY, {(outcome,): count for outcome, count in now.registry.items()})
        yield gauge(TRACKING, {(): now.tracking_problems})


def gauge(metric: Metric, values: Mapping[tuple[str, ...], float]) -> GaugeMetricFamily:
    """A family of `metric`, by its labels' values."""
    family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, value in values.items():
        family.add_metric(labels, float(value))
    return family


def counter(metric: Metric, values: Mapping[tuple[str, ...], float]) -> CounterMetricFamily:
    """The same of a counter."""
    family = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, value in values.items():
        family.add_metric(labels, float(value))
    return family
