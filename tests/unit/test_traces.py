"""Spans of batches by the conventions, links bounded; a collector that is away, deaf or refuses disturbs nothing."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping

import pytest
from fix_relay import eventually
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, format_span_id, format_trace_id
from otlp_receiver import receiver

from bridge.event import EVENT_QUEUE, DeadLetter, Event, Record
from bridge.settings import Settings
from bridge.shard.batch import Batch
from bridge.shard.parked import Change, Parked, State
from bridge.shard.position import Pair, Position, Snapshot
from bridge.shard.work import Lap, Stage, Work, work_of
from bridge.telemetry.meter import Meter
from bridge.telemetry.spans import Spans
from bridge.telemetry.tracing import END_SECONDS, MOST_LINKS, Tracing, is_wanted, open_tracing

SETTINGS = Settings()
LETTERS = SETTINGS.topics.dead_letters
POSITION = Position(0, Pair(0, Snapshot.parse("1:1:")))
LAPS = (
    Lap(Stage.READ, 10.0, 10.1),
    Lap(Stage.ENCODE, 10.1, 10.3),
    Lap(Stage.CLAIM, 10.3, 10.4),
    Lap(Stage.PUBLISH, 10.4, 10.9),
    Lap(Stage.READ, 10.9, 11.0),
)


def traceparent(number: int, flags: str = "01") -> str:
    return f"00-{number:032x}-{number:016x}-{flags}"


def event(seq: int, headers: Mapping[str, object] | None = None) -> Event:
    return Event(EVENT_QUEUE, seq, str(seq), "a", "k", "{}", None if headers is None else json.dumps(headers), seq)


def batch(events: list[Event], *topics: str, dead: list[Event] | None = None) -> Batch:
    letters = [DeadLetter(one, "why") for one in dead or []]
    changes = [Change(one.seq, None, Parked.of(one, "topic", State.DEAD, blocks=True)) for one in dead or []]
    topics = topics or ("orders",) * len(events)
    records = [Record(topic, b"k", b"v", [], 0) for topic in (*topics, *[LETTERS] * len(letters))]
    return Batch(records, events, letters, tuple(changes))


def work(batch: Batch, most_traces: int = MOST_LINKS) -> Work:
    in_flight = batch.in_flight(POSITION)
    return work_of(batch, in_flight, LETTERS, 10.9, dict.fromkeys(Stage, 0.1), LAPS, 7, most_traces)


@pytest.fixture
def memory() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def spans(memory: InMemorySpanExporter) -> Iterator[Spans]:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    yield Spans(provider.get_tracer("test"), SETTINGS)
    provider.shutdown()


def by_name(memory: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in memory.get_finished_spans()}


def test_a_batch_is_a_span_with_one_for_each_stage(memory: InMemorySpanExporter, spans: Spans) -> None:
    events = [event(1, {"traceparent": traceparent(5), "tenant": "t"}), event(2), event(3, {"traceparent": "garbage"})]
    before = time.time_ns()
    spans.worked(3, work(batch(events)), 12.0)
    *stages, root = memory.get_finished_spans()
    assert [span.name for span in stages] == ["read", "encode", "claim", "send orders", "read"]
    assert root.attributes == {"bridge.shard": 3, "bridge.batch": 7, "bridge.batch.events": 3}
    assert (root.parent, root.kind, root.end_time - root.start_time) == (None, SpanKind.INTERNAL, 10**9)
    assert before - 2 * 10**9 <= root.start_time <= time.time_ns() - 2 * 10**9 + 1000
    assert all(span.parent == root.context for span in stages)
    assert [round((span.start_time - root.start_time) / 1e8) for span in stages] == [0, 1, 3, 4, 9]
    send = stages[3]
    assert send.kind is SpanKind.CLIENT
    assert send.attributes == {
        "messaging.system": "kafka",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.batch.message_count": 3,
        "messaging.destination.name": "orders",
    }
    (link,) = send.links
    assert (format_trace_id(link.context.trace_id), format_span_id(link.context.span_id)) == (f"{5:032x}", f"{5:016x}")
    assert link.context.is_remote


def test_links_are_of_each_recorded_trace_once_and_no_more_than_bounded(
    memory: InMemorySpanExporter, spans: Spans
) -> None:
    of_one_transaction = [event(seq, {"traceparent": traceparent(1)}) for seq in range(1, 100)]
    not_sampled = [event(seq, {"traceparent": traceparent(seq, "00")}) for seq in range(100, 1000)]
    hostile = [event(1000, {"traceparent": value}) for value in (None, 7, ["x"], "00-" + "0" * 5000, {"a": {}})]
    many = [event(seq, {"traceparent": traceparent(seq)}) for seq in range(2000, 5000)]
    spans.worked(0, work(batch(of_one_transaction + not_sampled + hostile + many)), 12.0)
    links = by_name(memory)["send orders"].links
    assert [link.context.trace_id for link in links] == [1, *range(2000, 2000 + MOST_LINKS - 1)]
    assert work(batch(many), 0).traceparents == ()


def test_dead_events_link_to_their_letters_batch_and_several_topics_have_no_destination(
    memory: InMemorySpanExporter, spans: Spans
) -> None:
    spans.worked(0, work(batch([event(1)], "orders", dead=[event(2, {"traceparent": traceparent(2)})])), 12.0)
    send = by_name(memory)["send"]
    assert send.attributes is not None
    assert send.attributes["messaging.batch.message_count"] == 2
    assert "messaging.destination.name" not in send.attributes
    assert [link.context.trace_id for link in send.links] == [2]
    memory.clear()
    waiting = Change(1, None, Parked.of(event(1), "orders", State.WAITING, blocks=True))
    spans.worked(0, work(Batch([], [], [], (waiting,))), 12.0)  # nothing is sent but what says so
    assert [span.name for span in memory.get_finished_spans()] == [
        "read",
        "encode",
        "claim",
        "publish",
        "read",
        "batch",
    ]


def test_a_bug_in_it_ends_the_traces_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    found = Spans(None, SETTINGS)  # type: ignore[arg-type]
    found.worked(0, work(batch([event(1)])), 12.0)
    found.worked(0, work(batch([event(1)])), 12.0)
    (record,) = caplog.records
    assert getattr(record, "event", None) == "traces-failed"


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "x"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "True"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "otlp"}, True),
    ],
)
def test_the_environment_says_whether_traces_are_wanted(environ: dict[str, str], wanted: bool) -> None:
    assert is_wanted(environ) is wanted


def opened(monkeypatch: pytest.MonkeyPatch, url: str, **more: str) -> Tracing:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_EXPORTER_OTLP_TIMEOUT": "30", "OTEL_BSP_SCHEDULE_DELAY": "20"}
    for name, value in (environ | more).items():
        monkeypatch.setenv(name, value)
    found = open_tracing(SETTINGS, "host:1:abc", environ | more)
    assert found is not None
    return found


def one_batch(meter: Meter) -> None:
    meter.worked(0, work(batch([event(1)])), 12.0)


def test_spans_arrive_with_whose_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver() as collector:
        tracing = opened(monkeypatch, collector.url, OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test")
        one_batch(tracing.meter)
        tracing.close()
        told = [of for request in collector.requests for of in request.resource_spans]
    attributes = {pair.key: pair.value.string_value for pair in told[0].resource.attributes}
    assert attributes["service.name"] == "bridge"
    assert attributes["service.instance.id"] == "host:1:abc"
    assert attributes["deployment.environment.name"] == "test"
    spans = [span for of in told for scope in of.scope_spans for span in scope.spans]  # in one request, or in more
    assert [span.name for span in spans] == ["read", "encode", "claim", "send orders", "read", "batch"]


def test_a_service_may_be_called_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver() as collector:
        tracing = opened(monkeypatch, collector.url, OTEL_SERVICE_NAME="orders-relay")
        one_batch(tracing.meter)
        tracing.close()
        attributes = collector.requests[0].resource_spans[0].resource.attributes
    assert {pair.key: pair.value.string_value for pair in attributes}["service.name"] == "orders-relay"


def test_a_collector_that_refuses_and_comes_back_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bridge")
    with receiver() as collector:
        collector.status = 400
        tracing = opened(monkeypatch, collector.url)

        def said() -> list[str]:
            return [str(getattr(record, "event", record.name)) for record in caplog.records]

        for asked in (1, 2, 3):
            one_batch(tracing.meter)
            eventually(lambda asked=asked: collector.asked >= asked)
        eventually(said)
        collector.status = 200
        one_batch(tracing.meter)
        eventually(lambda: len(said()) == 2)
        tracing.close()
        assert said() == ["traces-not-sent", "traces-sent"]


def test_a_deaf_collector_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver() as collector:
        collector.is_deaf = True
        tracing = opened(monkeypatch, collector.url, OTEL_EXPORTER_OTLP_TIMEOUT="600")
        one_batch(tracing.meter)
        eventually(lambda: collector.asked)
        began = time.monotonic()
        for _ in range(3000):  # more than the queue holds
            one_batch(tracing.meter)
        made = time.monotonic()
        tracing.close()
        assert time.monotonic() - made < END_SECONDS + 30
        assert made - began < 120


@pytest.mark.parametrize(
    ("environ", "hidden", "words"),
    [
        ({}, "opentelemetry.sdk.trace", "pip install 'bridge-cdc[otel]'"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "", "'grpc' is not spoken"),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "0"}, "", "max_queue_size"),
    ],
)
def test_what_cannot_work_is_said_and_the_relay_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, environ: dict[str, str], hidden: str, words: str
) -> None:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", **environ}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    if hidden:
        monkeypatch.setitem(sys.modules, hidden, None)
    assert open_tracing(SETTINGS, "host:1:abc", environ) is None
    (record,) = caplog.records
    assert getattr(record, "event", None) == "traces-off"
    assert words in record.getMessage()


def test_a_relay_without_traces_does_not_even_import_it() -> None:
    script = "import bridge.relay.relay, sys; print(sorted(name for name in sys.modules if 'opentelemetry' in name))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
