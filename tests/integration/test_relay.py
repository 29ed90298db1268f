"""The relay on real servers, from the outside: `bridge run` as a process, audited by a reader of its own."""

from __future__ import annotations

import io
import signal
import subprocess

import fastavro
import pytest
from fix_relay import THING, Site, eventually


def test_both_sources_are_published_once_and_told_apart_from_what_is_pending(site: Site) -> None:
    site.publish(500)
    site.change(300)
    site.drain()
    audit = site.audit()
    assert audit.is_clean, audit
    assert audit.published == 800
    assert site.pending() == 0


def test_the_record_is_what_was_written(site: Site) -> None:
    with site.connect() as db:
        db.execute(
            "insert into bridge.event_queue (event_type, event_key, payload, headers)"
            ' values (\'thing.changed\', \'k\', \'{"n": 7, "text": "ü"}\', \'{"traceparent": "00-ab-cd-01"}\')'
        )
        id_, seq = db.execute("select id::text, seq from bridge.event_queue").fetchone()
    site.drain()
    ((_, key, headers, value),) = site.records()[f"{site.name}.things"]
    assert key == b"k"
    assert value[0] == 0  # Confluent's wire format: a zero byte, the schema's id in four, then the Avro body
    assert fastavro.schemaless_reader(io.BytesIO(value[5:]), THING, None) == {"n": 7, "text": "ü"}
    assert headers["ce_id"] == id_
    assert headers["ce_type"] == "thing.changed"
    assert headers["ce_source"] == f"/{site.name}/event_queue"
    assert headers["ce_subject"] == "k"
    assert int(headers["ce_sequence"]) == seq
    assert headers["traceparent"] == "00-ab-cd-01"


@pytest.mark.relay("batch_rows = 10")
def test_a_late_commit_is_published_before_later_events_of_its_key(site: Site) -> None:
    """The order that a cursor alone breaks: 1 is drawn, 2 published past it, then 1 commits, then its key's next."""
    relay = site.start()
    with site.connect() as late:
        late.execute("begin")
        late.execute("select bridge.publish_event('thing.changed', 'late', '{\"n\": 1}')")
        for _ in range(20):
            site.publish(50)
        eventually(lambda: site.pending() == 0)
        late.execute("commit")
        late.execute("select bridge.publish_event('thing.changed', 'late', '{\"n\": 2}')")
    assert site.assert_exactly_once(relay).published == 1002


def test_a_transaction_that_stays_open_does_not_stall_the_others(site: Site) -> None:
    relay = site.start()
    with site.connect() as late:
        late.execute("begin")
        late.execute("select bridge.publish_event('thing.changed', 'late', '{\"n\": 1}')")
        site.publish(10_000)
        eventually(lambda: site.scalar("select count(*) from bridge.event_queue where status = 'PROCESSED'") == 10_000)
        late.execute("commit")
    site.assert_exactly_once(relay)
    assert site.audit().published == 10_001


def test_rolled_back_events_are_not_published(site: Site) -> None:
    with site.connect() as db:
        db.execute("begin")
        db.execute("select bridge.publish_event('thing.changed', 'k', '{\"n\": 1}')")
        db.execute("rollback")
    site.publish(3)
    site.drain()
    assert site.audit().published == 3


@pytest.mark.relay('on_dead = "skip"')
def test_what_cannot_be_published_is_dead_with_its_reason_and_the_rest_flows(site: Site) -> None:
    with site.connect() as db:
        for event_type, payload in (
            ("thing.changed", '{"n": "text"}'),
            ("thing.changed", '{"n": 1, "unknown": 2}'),
            ("unknown.type", '{"n": 1}'),
        ):
            db.execute(
                "insert into bridge.event_queue (event_type, event_key, payload) values (%s, 'bad', %s)",
                (event_type, payload),
            )
    site.publish(100)
    site.drain()
    with site.connect() as db:
        dead = db.execute(
            "select error_message, retry_count from bridge.event_queue where status = 'DEAD' order by seq"
        ).fetchall()
    assert [count for _, count in dead] == [1, 1, 1]
    assert "$.n" in dead[0][0]
    assert "unknown" in dead[1][0]
    assert "unknown.type" in dead[2][0]
    letters = site.records()[f"{site.name}.dead_letters"]
    assert [value for *_, value in letters] == [b'{"n": "text"}', b'{"n": 1, "unknown": 2}', b""]
    audit = site.audit()
    assert audit.is_clean, audit
    assert audit.published == 103


@pytest.mark.relay('delivery = "at_least_once"')
def test_at_least_once(site: Site) -> None:
    site.publish(2000)
    site.drain()
    audit = site.audit()
    assert audit.is_clean, audit
    assert audit.published == 2000


def test_delivery_can_be_changed_between_runs(site: Site) -> None:
    site.publish(100)
    site.drain()
    site.config.write_text(site.config.read_text().replace("[relay]", '[relay]\ndelivery = "at_least_once"'))
    site.publish(100)
    site.drain()
    site.config.write_text(site.config.read_text().replace("at_least_once", "exactly_once"))
    site.publish(100)
    site.drain()
    audit = site.audit()
    assert audit.is_clean, audit
    assert audit.published == 300


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_gracefully(site: Site, number: signal.Signals) -> None:
    site.publish(20_000)
    relay = site.start()
    eventually(lambda: site.pending() < 20_000)
    relay.send_signal(number)
    assert relay.wait(30) == 0, site.log(relay)
    assert site.scalar("select count(*) from bridge.shard where owner is not null") == 0
    assert site.scalar("select count(*) from bridge.relay") == 0
    assert site.scalar("select bool_and(in_flight is null) from bridge.shard"), "a batch was left unsettled"
    site.drain()
    assert site.audit().is_clean


def owners(site: Site) -> dict[str, int]:
    with site.connect() as db:
        rows = db.execute("select owner, count(*) from bridge.shard where owner is not null group by owner").fetchall()
    return dict(rows)


def test_two_relays_share_the_shards(site: Site) -> None:
    first = site.start()
    eventually(lambda: sum(owners(site).values()) == 2)
    second = site.start()
    eventually(lambda: sorted(owners(site).values()) == [1, 1])
    site.publish(5000)
    eventually(lambda: site.pending() == 0)
    site.end(second)
    eventually(lambda: list(owners(site).values()) == [2])
    site.end(first)
    assert site.audit().is_clean
    assert site.audit().published == 5000


def test_workers_share_the_shards(site: Site) -> None:
    relay = site.start("--workers", "2")
    eventually(lambda: sorted(owners(site).values()) == [1, 1])
    site.publish(5000)
    site.assert_exactly_once(relay)


def test_a_worker_that_is_killed_ends_the_run_with_an_error(site: Site) -> None:
    relay = site.start("--workers", "2")
    eventually(lambda: sorted(owners(site).values()) == [1, 1])
    pid = int(site.scalar("select min(pid) from bridge.relay"))
    subprocess.run(["kill", "-9", str(pid)], check=True)
    assert relay.wait(30) == 1
    assert "a worker ended with -9" in site.log(relay)


@pytest.mark.relay("batch_bytes = 65536")
def test_a_batch_is_bounded_by_bytes(site: Site) -> None:
    with site.connect() as db:
        db.execute(
            "insert into bridge.event_queue (event_type, event_key, payload) select 'thing.changed', 'k',"
            " jsonb_build_object('n', g, 'text', repeat('x', 20000)) from generate_series(1, 40) g"
        )
    site.drain()
    assert site.audit().published == 40
    assert site.scalar("select max(batch_no) from bridge.shard") >= 10  # 4 events of 20 kB in 64 kB


def test_an_event_above_the_bound_of_a_batch_or_topic(site: Site) -> None:
    with site.connect() as db:
        db.execute(
            "insert into bridge.event_queue (event_type, event_key, payload) select 'thing.changed', 'big' || g,"
            " jsonb_build_object('n', g, 'text', repeat('x', 2000000)) from generate_series(1, 2) g"
        )
    site.publish(10)
    site.drain()
    assert site.scalar("select count(*) from bridge.event_queue where status = 'DEAD'") == 2
    assert "accepts" in site.scalar("select min(error_message) from bridge.event_queue where status = 'DEAD'")
    audit = site.audit()
    assert audit.is_clean, audit
    assert audit.published == 12
