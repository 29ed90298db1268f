"""Metrics of a relay: what a batch did, by bounded labels; latencies counted a batch at a time; several workers."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from fix_relay import eventually
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from bridge.errors import BrokerUnavailable, DatabaseRefuses, LeaseLost, ProducerFenced, RegistryUnavailable
from bridge.event import ENTITY_EVENTS, EVENT_QUEUE, DeadLetter, Event, Record
from bridge.relay.health import Health
from bridge.relay.now import relay_now
from bridge.relay.outages import Outages
from bridge.relay.waits import Wait
from bridge.settings import KafkaSettings, Route, Settings
from bridge.shard.batch import Batch
from bridge.shard.parked import Change, Parked, State
from bridge.shard.position import Pair, Position, Snapshot
from bridge.shard.work import Outcome, Sort, Stage, Work, work_of
from bridge.telemetry.catalog import METRICS, Type, markdown
from bridge.telemetry.exposition import FORMATS, merge
from bridge.telemetry.facts import Facts, Horizon, HouseFacts, JobFacts, ParkedFacts, ShardFacts, TableFacts
from bridge.telemetry.latency import SECONDS, Latencies
from bridge.telemetry.metrics import Metrics
from bridge.telemetry.now import Now
from bridge.telemetry.pages import Request
from bridge.telemetry.press import Press, joined_page

DOCS = Path(__file__).parents[2] / "docs" / "metrics.md"
OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"
SETTINGS = Settings(routes=(Route("a", "topic a", ""), Route("b", "topic b", "")))
LETTERS = SETTINGS.topics.dead_letters
POSITION = Position(0, Pair(0, Snapshot.parse("1:1:")))


def event(seq: int, *, source: str = EVENT_QUEUE, kind: str = "a", replay_id: int | None = None) -> Event:
    return Event(source, seq, str(seq), kind, "k", "{}", None, seq * 1000, replay_id=replay_id)


def record(topic: str, value: bytes | None = b"1234") -> Record:
    return Record(topic, b"k", value, [], 0)


def work(batch: Batch) -> Work:
    return work_of(batch, batch.in_flight(POSITION), LETTERS, 0.0, dict.fromkeys(Stage, 0.01))


def parked(event: Event, topic: str, state: State) -> Parked:
    return Parked.of(event, topic, state, blocks=True)


def samples(metrics: Metrics, accept: str = OPENMETRICS) -> dict[str, dict[tuple[str, ...], float]]:
    """By name, and the labels' values in order of the labels' names."""
    page, content_type = metrics.render(accept)
    parse = parse_openmetrics if "openmetrics" in content_type else parse_text
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in parse(page.decode()):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def test_a_usual_batch_is_counted_by_topic() -> None:
    events = [event(3), event(1), event(2)]
    found = work(Batch([record("topic a"), record("topic b"), record("topic a")], events, [], ()))
    assert found.counts == {
        Sort(EVENT_QUEUE, "topic a", Outcome.PUBLISHED): 2,
        Sort(EVENT_QUEUE, "topic b", Outcome.PUBLISHED): 1,
    }
    assert (found.events, found.value_bytes, list(found.written_us)) == (3, 12, [1000, 2000, 3000])


def test_each_event_has_its_outcome_whatever_else_is_in_the_batch() -> None:
    dead, again, due, late = event(5), event(6, replay_id=1), event(7), event(8, source=ENTITY_EVENTS)
    changes = (
        Change(5, None, parked(dead, "topic a", State.DEAD)),
        Change(6, parked(again, "topic b", State.REPLAYED), None),
        Change(7, parked(due, "topic a", State.DEFERRED), None),
        Change(8, parked(late, "topic b", State.WAITING), None),
        Change(9, None, parked(event(9), "topic b", State.WAITING)),
        Change(10, parked(event(10), "a topic of before", State.RETRIED), parked(event(10), "x", State.DEAD)),
        Change(11, parked(event(11), "topic b", State.WAITING), parked(event(11), "topic b", State.WAITING)),
        Change(12, None, parked(event(12), "topic b", State.DEFERRED)),
        Change(13, parked(event(13), "topic b", State.REPLAYED), parked(event(13), "topic b", State.REFUSED)),
    )
    records = [record("topic b"), record("topic a"), record(LETTERS), record("topic b"), record("topic b", None)]
    letters = [DeadLetter(dead, "why", "encoding"), DeadLetter(event(10), "why"), DeadLetter(event(13), "why")]
    found = work(Batch(records, [again, due, late], letters, changes))
    assert found.counts == {
        Sort(EVENT_QUEUE, "topic b", Outcome.REPLAYED): 1,
        Sort(EVENT_QUEUE, "topic a", Outcome.PUBLISHED): 1,
        Sort(ENTITY_EVENTS, "topic b", Outcome.PUBLISHED): 1,
        Sort(EVENT_QUEUE, "topic a", Outcome.DEAD): 1,
        Sort(EVENT_QUEUE, "x", Outcome.DEAD): 1,
        Sort(EVENT_QUEUE, "topic b", Outcome.WAITING): 1,
        Sort(EVENT_QUEUE, "topic b", Outcome.DEFERRED): 1,
        Sort(EVENT_QUEUE, "topic b", Outcome.REFUSED): 1,
    }
    assert found.deaths == {"encoding": 1, "failed": 2}
    assert list(found.written_us) == [8000]  # the others are late on purpose


def naive(written: Sequence[int], published: int) -> list[int]:
    """Events that took at most each bound, and all; one at a time."""
    late = [max(published - one, 0) / 1e6 for one in written]
    return [sum(one <= bound for one in late) for bound in (*SECONDS, float("inf"))]


@pytest.mark.parametrize("seed", range(20))
def test_latencies_counted_at_once_are_those_counted_one_by_one(seed: int) -> None:
    chance = random.Random(seed)
    latencies, published = Latencies(), 10**15
    latencies.offset_us = 500_000  # the database's clock is half a second ahead
    expected, total = [0] * (len(SECONDS) + 1), 0.0
    for _ in range(3):
        spread = 10 ** chance.randint(1, 12)
        written = sorted(published - chance.randint(-spread // 10, spread) for _ in range(chance.randint(0, 50)))
        written = sorted([*written, *(published + 500_000 - round(bound * 1e6) for bound in SECONDS)])  # on each bound
        latencies.add(written, published)
        expected = [known + new for known, new in zip(expected, naive(written, published + 500_000), strict=True)]
        total += sum(max(published + 500_000 - one, 0) for one in written) / 1e6
    latencies.add([], published)
    (family,) = latencies.collect()
    found = {(sample.name, sample.labels.get("le")): sample.value for sample in family.samples}
    assert [value for (name, _), value in found.items() if name.endswith("_bucket")] == expected
    assert found["bridge_event_latency_seconds_count", None] == expected[-1]
    assert found["bridge_event_latency_seconds_sum", None] == pytest.approx(total)


def test_ten_thousand_hostile_events_make_no_series() -> None:
    metrics = Metrics(SETTINGS)
    metrics.knows(lambda: Now(held={(f"topic {n}", "topic"): 1 for n in range(10_000)}))
    for n in range(10_000):
        kind = f'{n}"}} \n# HELP evil\\'
        change = Change(n, None, parked(event(n, kind=kind), kind, State.DEAD))
        metrics.worked(
            n % 2, work(Batch([record(LETTERS)], [], [DeadLetter(event(n, kind=kind), kind)], (change,))), 0.0
        )
        if n == 10:
            few = samples(metrics)
    found = samples(metrics)
    assert {name: len(series) for name, series in found.items()} == {name: len(series) for name, series in few.items()}
    assert found["bridge_events_total"] == {("dead", EVENT_QUEUE, "other"): 10_000}
    assert found["bridge_topic_held"] == {("topic", "other"): 10_000}
    assert sum(map(len, found.values())) < 300


def test_how_a_relay_stands_is_told_by_few_words() -> None:
    outages, relay = Outages(), Health("relay", "It tries again")
    for _ in range(2):
        for error in (
            BrokerUnavailable("broker 17 is gone"),
            DatabaseRefuses("permission denied"),
            RegistryUnavailable("no"),
        ):
            outages.began("shard 0", error)
        outages.ended("shard 0", RegistryUnavailable)
    relay.failed_unforeseen("KeyError in step")
    still = Wait(shard=0, topic="t", kind="still", reason="", since="", count=1)
    stands = relay_now(relay, None, outages, (still,), {"ok": 3}, 2)
    assert (stands.carried, stands.away, stands.refusing) == (0, {"kafka"}, {"postgres"})
    assert stands.outages == {"kafka": 1, "postgres": 1, "registry": 2}
    assert stands.waits == {"server": 1, "refusal": 1, "unforeseen": 1, "still": 1}
    assert (stands.registry, stands.tracking_problems) == ({"ok": 3}, 2)


def test_a_page_is_printed_before_anybody_asks_for_it(tmp_path: Path) -> None:
    press = Press(whole().render, str(tmp_path / "0"))
    request = Request("GET", "/metrics", {}, {"accept": OPENMETRICS})
    assert press.page(request).status == 503
    assert joined_page([str(tmp_path / "0")], request).status == 503
    press.start()
    eventually(lambda: (tmp_path / "0.openmetrics").exists())
    press.end()
    assert press.page(request).body.endswith(b"# EOF\n")
    answer = joined_page([str(tmp_path / "0"), str(tmp_path / "1")], request)
    assert (answer.status, answer.content_type) == (200, FORMATS["openmetrics"])
    assert b'bridge_build_info{worker="0",' in answer.body
    os.utime(tmp_path / "0.openmetrics", (0, 0))  # its worker prints no more
    assert joined_page([str(tmp_path / "0")], request).status == 503


def test_what_cannot_be_printed_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    asked: list[str] = []

    def render(accept: str) -> tuple[bytes, str]:
        asked.append(accept)
        raise ZeroDivisionError("a value of somebody's")

    press = Press(render)
    press.start()
    eventually(lambda: asked)
    press.end()
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert line.startswith("metrics: unforeseen: ZeroDivisionError")
    assert "somebody" not in line


def whole() -> Metrics:
    """With a value of each metric."""
    authority = trustme.CA().cert_pem.bytes().decode()
    metrics = Metrics(replace(SETTINGS, kafka=KafkaSettings("", {"ssl.ca.pem": authority})))
    metrics.certificates.look()
    metrics.knows(
        lambda: Now(2, {"kafka"}, {"postgres"}, {"kafka": 3}, {("topic a", "schema"): 1}, {"schema": 1}, {"ok": 4}, 1)
    )
    batch = Batch([record("topic a")], [event(1)], [DeadLetter(event(2), "why", "encoding")], ())
    metrics.worked(0, work(batch), 0.0)
    metrics.took_over(0)
    for error in (
        LeaseLost("gone"),
        ProducerFenced("fenced"),
        RegistryUnavailable("away"),
        ZeroDivisionError("secret"),
    ):
        metrics.failed(0, error)
    facts = Facts(
        (ShardFacts(0, True, False, 7, 1.5), ShardFacts(1, False, True, 0, 0.0)),
        (ParkedFacts("dead", 3, 2, 60.0),),
        {(EVENT_QUEUE, "published"): 9.0},
        1,
        Horizon("session", "17", 'psql "x"\n', "700", 40, 90.0),
    )
    house = HouseFacts(
        (JobFacts("partitions", datetime.now(UTC), 0.5, 0, False),), (TableFacts("bridge.outbox", 9, 1e6, 0),)
    )
    metrics.survey.note(facts, house, clock_offset=0.25, seconds=0.01)
    return metrics


def test_both_formats_tell_the_same_and_what_happened() -> None:
    metrics = whole()
    assert metrics.render("")[1].startswith("text/plain")
    assert metrics.render(OPENMETRICS)[1].startswith("application/openmetrics-text")
    found = samples(metrics)
    moving = {name for name in found if name.startswith("process_")}
    assert {name: value for name, value in samples(metrics, "*/*").items() if name not in moving} == {
        name: value for name, value in found.items() if name not in moving
    }
    assert found["bridge_shard_failures_total"] == {
        (kind, "0"): 1 for kind in ("lease_lost", "fenced", "registry", "unforeseen")
    }
    assert found["bridge_server_away"] == {("kafka",): 1, ("postgres",): 0, ("registry",): 0}
    assert found["bridge_backlog_events"] == {("0",): 7, ("1",): 0}
    assert found["bridge_parked_events"][("dead",)] == 3
    assert found["bridge_dead_blocking_events"] == {(): 2}
    ((who, seconds),) = found["bridge_horizon_age_seconds"].items()
    assert (who[1:], seconds) == (("session", "17"), 90.0)
    assert "\n" not in who[0]
    assert found["bridge_clock_offset_seconds"] == {(): 0.25}


def test_every_metric_is_in_the_catalog_with_its_labels_and_every_one_is_told() -> None:
    told: dict[str, tuple[str, set[str]]] = {}
    for family in parse_text(whole().render("")[0].decode()):
        for sample in family.samples:
            name = family.name + "_total" if family.type == "counter" else family.name
            told.setdefault(name, (family.type, set()))[1].update(sample.labels)
    ours = {name: value for name, value in told.items() if name.startswith("bridge_")}
    assert {name: (type_, labels - {"le"}) for name, (type_, labels) in ours.items()} == {
        metric.name: (metric.type, set(metric.labels)) for metric in METRICS
    }
    assert all(metric.name.endswith("_total") == (metric.type is Type.COUNTER) for metric in METRICS)


def test_the_table_in_the_docs_is_the_catalog() -> None:
    table = "\n".join(markdown())
    assert table in DOCS.read_text(), f"docs/metrics.md must have:\n{table}"


def test_pages_of_workers_become_one() -> None:
    metrics = whole()
    for accept, parse in ((OPENMETRICS, parse_openmetrics), ("", parse_text)):
        page, _ = metrics.render(accept)
        began = time.process_time()
        merged = merge({f'w"{n}': page for n in range(8)})
        assert time.process_time() - began < 0.1
        families = list(parse(merged.decode()))
        assert [family.name for family in families] == [family.name for family in parse(page.decode())]
        for alone, of_all in zip(parse(page.decode()), families, strict=True):
            assert (of_all.documentation, of_all.type) == (alone.documentation, alone.type)
            assert len(of_all.samples) == 8 * len(alone.samples)
            assert {sample.labels["worker"] for sample in of_all.samples} == {f'w"{n}' for n in range(8)}
            labels = {
                frozenset(sample.labels.items() - {("worker", sample.labels["worker"])}) for sample in of_all.samples
            }
            assert labels == {frozenset(sample.labels.items()) for sample in alone.samples}
    assert merge({}) == b""


def test_a_page_that_lacks_a_metric_hides_nothing_of_the_others() -> None:
    assert merge({"a": b"# TYPE x gauge\nx 1\n", "b": b'# TYPE y gauge\ny{l="a b{"} 2\n'}) == (
        b'# TYPE x gauge\nx{worker="a"} 1\n# TYPE y gauge\ny{worker="b",l="a b{"} 2\n'
    )
