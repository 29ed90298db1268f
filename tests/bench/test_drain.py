"""How fast a backlog is drained, exactly once. Prints figures, asserts none; `make bench`.

BRIDGE_BENCH_EVENTS (200,000) events of about 220 bytes wait; a relay starts; the clock runs from its first published
event to its last, so start-up is left out. Three rounds, on a table that keeps what was processed before.
"""

from __future__ import annotations

import os
import statistics
import threading
import time
from pathlib import Path

import psycopg
import pytest
from fix_relay import Site

EVENTS = int(os.environ.get("BRIDGE_BENCH_EVENTS", "200000"))
ROUNDS = 3
FILL = """
insert into bridge.event_queue (event_type, event_key, payload)
select 'thing.changed', gen_random_uuid()::text, jsonb_build_object('n', g, 'text', repeat('x', 180))
  from generate_series(1, %s) g
"""
DONE = "select sum(event_queue_processed)::bigint from bridge.shard"

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]


def peak_memory_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def drain(site: Site, db: psycopg.Connection) -> tuple[float, int]:
    """Events a second, and the relay's peak memory in bytes."""
    before = db.execute(DONE).fetchone()[0]
    relay = site.start()
    samples: list[tuple[float, int]] = []
    memory = 0
    pause = threading.Event()
    while not samples or samples[-1][1] < EVENTS:
        pause.wait(0.02)
        assert relay.poll() is None, site.log(relay)
        done = db.execute(DONE).fetchone()[0] - before
        if done:
            samples.append((time.monotonic(), done))
        memory = max(memory, peak_memory_bytes(relay.pid))
    relay.terminate()
    relay.wait()
    (start, first), (end, last) = samples[0], samples[-1]
    return (last - first) / (end - start), memory


@pytest.mark.parametrize("delivery", ["exactly_once", "at_least_once"])
def test_drain(site: Site, delivery: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> None:
    site.config.write_text(site.config.read_text().replace("[relay]", f'[relay]\ndelivery = "{delivery}"'))
    rates = []
    with site.connect() as db:
        for number in range(ROUNDS):
            db.execute(FILL, (EVENTS,))
            if number == 1:
                db.execute("analyze bridge.event_queue")  # while most rows are pending: the worst moment
            rate, memory = drain(site, db)
            rates.append(rate)
            with capsys.disabled():
                print(
                    f"\n{delivery}: {rate:,.0f} events/s with {number * EVENTS:,} processed before, "
                    f"peak memory {memory / 1e6:.0f} MB",
                    end="",
                )
    with capsys.disabled():
        print(
            f"\n{delivery}: median {statistics.median(rates):,.0f} events/s ({os.cpu_count()} cores, all servers on it)"
        )
    audit = site.audit()
    assert audit.is_clean
    assert audit.published == ROUNDS * EVENTS
