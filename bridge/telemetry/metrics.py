"""What one relay has counted, and what it knows, for Prometheus: `bridge run --http ADDRESS`, `/metrics`."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator

import confluent_kafka
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from bridge import __version__
from bridge.encoding.routing import all_topics
from bridge.settings import Settings
from bridge.shard.work import Stage, Work
from bridge.telemetry import catalog
from bridge.telemetry.catalog import Metric
from bridge.telemetry.certificates import Certificates
from bridge.telemetry.exposition import FORMATS, format_of
from bridge.telemetry.latency import Latencies
from bridge.telemetry.meter import Meter, kind_of
from bridge.telemetry.now import OTHER, Now, NowCollector
from bridge.telemetry.press import Press
from bridge.telemetry.survey import Survey
from bridge.telemetry.told import Told

BATCH_EVENTS = (1, 10, 50, 100, 500, 1000, 2500, 5000, 10_000, 50_000)
STAGE_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics(Meter):
    """Its own registry, and nothing that is global; safe to share between threads."""

    def __init__(self, settings: Settings, prefix: str = "") -> None:
        """Counts from now on; `prefix` is of the files into which pages are printed, none where it is empty."""
        self.registry = CollectorRegistry()
        self.certificates = Certificates(settings)
        self.survey = Survey(settings, self._note_offset, self.certificates.look)
        self._topics = frozenset(all_topics(settings))
        self._latencies = Latencies()
        self.told = Told()
        self._events = self._counter(catalog.EVENTS)
        self._deaths = self._counter(catalog.DEAD_LETTERS)
        self._value_bytes = self._counter(catalog.VALUE_BYTES)
        self._shard_events = self._counter(catalog.SHARD_EVENTS)
        self._shard_batch_at = self._gauge(catalog.SHARD_BATCH_AT)
        self._takeovers = self._counter(catalog.TAKEOVERS)
        self._failures = self._counter(catalog.FAILURES)
        self._batch_events = self._histogram(catalog.BATCH_EVENTS, BATCH_EVENTS)
        stages = self._histogram(catalog.STAGE, STAGE_SECONDS)
        self._stages = {stage: stages.labels(stage) for stage in Stage}
        self._gauge(catalog.BUILD).labels(__version__, platform.python_version(), confluent_kafka.libversion()[0]).set(
            1
        )
        self._now = NowCollector(self._topics)
        for collector in (self._latencies, self._now, self.certificates, self.survey):
            self.registry.register(collector)
        ProcessCollector(registry=self.registry)

        self._press = Press(self.render, prefix)
        self.page = self._press.page

    def start(self) -> None:
        """Read what the database knows, and print pages, until `end()`."""
        self.survey.start()
        self._press.start()

    def end(self) -> None:
        """Do so no more."""
        self._press.end()
        self.survey.end()

    def knows(self, ask: Callable[[], Now]) -> None:
        """Ask this for how the relay stands, at each scrape, from now on."""
        self._now.ask = ask

    def worked(self, shard: int, work: Work, now: float) -> None:
        for (source, topic, outcome), count in work.counts.items():
            self._events.labels(source, topic if topic in self._topics else OTHER, outcome).inc(count)
        for kind, count in work.deaths.items():
            self._deaths.labels(kind).inc(count)
        events, since_us = work.events, round((now - work.published_at) * 1e6)
        self._value_bytes.inc(work.value_bytes)
        self._batch_events.observe(events)
        for stage, seconds in work.seconds.items():
            self._stages[stage].observe(seconds)
        self._shard_events.labels(str(shard)).inc(events)
        self._shard_batch_at.labels(str(shard)).set_to_current_time()
        at_us = time.time_ns() // 1000 - since_us
        self._latencies.add(work.written_us, at_us)
        self.told.add(work, at_us + self._latencies.offset_us, now)

    def took_over(self, shard: int) -> None:
        self._takeovers.labels(str(shard)).inc()

    def failed(self, shard: int, error: BaseException) -> None:
        self._failures.labels(str(shard), kind_of(error)).inc()

    def render(self, accept: str) -> tuple[bytes, str]:
        """The page and its content type: OpenMetrics where `accept` names it, else Prometheus' text."""
        kind = format_of(accept)
        generate = openmetrics.generate_latest if kind == "openmetrics" else generate_latest
        return generate(_Plain(self.registry)), FORMATS[kind]

    def _note_offset(self, seconds: float) -> None:
        self._latencies.offset_us = round(seconds * 1e6)

    def _counter(self, metric: Metric) -> Counter:
        return Counter(metric.name, metric.help, metric.labels, registry=self.registry)

    def _gauge(self, metric: Metric) -> Gauge:
        return Gauge(metric.name, metric.help, metric.labels, registry=self.registry)

    def _histogram(self, metric: Metric, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(metric.name, metric.help, metric.labels, buckets=buckets, registry=self.registry)


class _Plain(Collector):
    """Without the time at which each series began, which nobody asks for and which is half of all lines."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Family]:
        for family in self._registry.collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family
