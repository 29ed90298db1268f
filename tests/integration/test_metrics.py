"""`/metrics` of relays that carry events: what they count is what happened."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Callable
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from fix_relay import Site, eventually
from forked import Process
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from bridge.shard.work import Stage

OPENMETRICS = "application/openmetrics-text;version=1.0.0"
Labels = dict[str, str]


class Scrape:
    """One page."""

    def __init__(self, body: str, *, is_open: bool) -> None:
        families = (parse_openmetrics if is_open else parse_text)(body)
        self.samples = [(one.name, dict(one.labels), one.value) for family in families for one in family.samples]

    def sum(self, name: str, **labels: str) -> float:
        """Of all series with these labels."""
        return sum(value for of, has, value in self.samples if of == name and labels.items() <= has.items())

    def values(self, name: str, label: str) -> set[str]:
        return {has[label] for of, has, _ in self.samples if of == name and label in has}


def scraping(site: Site, relay: Process) -> Callable[[str], Scrape | None]:
    found = eventually(lambda: re.search(r"served at http://(.*)/healthz", site.log(relay)))

    def scrape(accept: str) -> Scrape | None:
        try:
            request = Request(f"http://{found[1]}/metrics", headers={"Accept": accept})
            with urlopen(request, timeout=10) as answer:
                assert answer.headers["Content-Type"].startswith(accept.partition(";")[0])
                return Scrape(answer.read().decode(), is_open=accept == OPENMETRICS)
        except HTTPError as error:
            if error.code != 503:
                raise
            return None  # nothing is printed yet

    return scrape


def whole(scrape: Callable[[str], Scrape | None], name: str, at_least: float, accept: str = OPENMETRICS) -> Scrape:
    """The page, once a metric's series sum up to that."""

    def found() -> Scrape | None:
        page = scrape(accept)
        return page if page is not None and page.sum(name) >= at_least else None

    page = eventually(found)
    assert page is not None
    return page


def test_a_relay_counts_what_happens(site: Site) -> None:
    things, others, changes, letters = site.topics
    site.environment["BRIDGE_RELAY_LEASE_SECONDS"] = "60"  # none is lost on a busy machine
    relay = site.start("--http", "127.0.0.1:0")
    scrape = scraping(site, relay)
    whole(scrape, "bridge_shards_carried", 2)
    site.publish(300)
    site.publish(100, event_type="other.changed")
    site.publish(1, event_type="no.route")
    site.change(50)
    with site.connect() as db:
        db.execute(
            "insert into bridge.event_queue (event_type, event_key, payload) values ('thing.changed', 'b', '{}')"
        )
        db.execute(
            "insert into bridge.event_queue (event_type, payload, available_at)"
            " values ('thing.changed', '{\"n\": 1}', clock_timestamp() + interval '1 hour')"
        )
    whole(scrape, "bridge_events_total", 453, "text/plain")
    events: tuple[tuple[str, dict[str, str], int], ...] = (
        ("events_total", {"topic": things, "source": "event_queue", "outcome": "published"}, 300),
        ("events_total", {"topic": others, "source": "event_queue", "outcome": "published"}, 100),
        ("events_total", {"topic": changes, "source": "entity_events", "outcome": "published"}, 50),
        ("events_total", {"topic": letters, "outcome": "dead"}, 1),  # it has no topic
        ("events_total", {"topic": things, "outcome": "dead"}, 1),
        ("events_total", {"topic": things, "outcome": "deferred"}, 1),
        ("dead_letters_total", {"kind": "no_route"}, 1),
        ("dead_letters_total", {"kind": "encoding"}, 1),
        ("event_latency_seconds_count", {}, 450),
        ("event_latency_seconds_bucket", {"le": "300.0"}, 450),
        ("batch_events_sum", {}, 453),
        ("shard_events_total", {}, 453),
    )

    def wrong(page: Scrape) -> list[object]:
        """A page may be printed while a batch is being counted: then the next one is right."""
        found = [(one, page.sum(f"bridge_{one[0]}", **one[1])) for one in events]
        batches = page.sum("bridge_batch_events_count")
        stages = {page.sum("bridge_stage_seconds_count", stage=stage) for stage in Stage}
        return [pair for pair in found if pair[0][2] != pair[1]] + [(batches, stages)] * (stages != {batches})

    def last() -> Scrape:
        return whole(scrape, "bridge_events_total", 453)

    with contextlib.suppress(AssertionError):
        eventually(lambda: not wrong(last()))
    page = last()
    assert wrong(page) == []
    assert page.sum("bridge_published_bytes_total") > 450
    assert page.sum("bridge_takeovers_total") == 2
    assert page.sum("bridge_registry_requests_total", outcome="ok") > 0
    assert page.sum("bridge_build_info") == 1
    assert page.sum("process_resident_memory_bytes") > 0
    whole(scrape, "bridge_partition_runway_seconds", 1)  # of what the database knows
    site.end(relay)


def test_workers_are_told_apart_in_one_scrape(site: Site) -> None:
    site.environment["BRIDGE_RELAY_LEASE_SECONDS"] = "60"
    relay = site.start("--http", "127.0.0.1:0", "--workers", "2")
    scrape = scraping(site, relay)
    page = whole(scrape, "bridge_build_info", 2)  # a page of each
    assert page.values("bridge_build_info", "worker") == {"0", "1"}
    site.publish(200)
    page = whole(scrape, "bridge_events_total", 200, "text/plain")
    assert page.sum("bridge_events_total", outcome="published") == 200
    site.end(relay)


BUGS = """
import itertools
from bridge.cli.main import main
from bridge.shard import shard
from bridge.telemetry.metrics import Metrics
from bridge.telemetry.told import Told

def bug(*_):
    raise ValueError("S3CR3T")

calls, work_of = itertools.count(), shard.work_of
shard.work_of = lambda *batch: bug() if next(calls) % 2 else work_of(*batch)
Metrics.worked = Metrics.took_over = Metrics.failed = Metrics.render = Told.document = bug
main()
"""


@pytest.mark.relay("batch_rows = 50")
def test_bugs_of_what_tells_stop_no_event(site: Site) -> None:
    """Each is said once: not after each batch, and no shard is taken over anew for it."""
    site.publish(1000)
    done = subprocess.run(
        [sys.executable, "-c", BUGS, "run", "--until-empty", "--http", "127.0.0.1:0"],
        env={**os.environ, "BRIDGE_CONFIG": str(site.config), "BRIDGE_RELAY_LEASE_SECONDS": "60"},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert site.audit().is_clean
    assert "S3CR3T" not in done.stderr
    assert done.stderr.count("is ours") == 2, done.stderr  # shards
    assert 4 <= done.stderr.count("unforeseen: ValueError") <= 6, done.stderr
