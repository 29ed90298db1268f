"""`bridge bench` on real servers, small: everything it measures comes out, and nothing of it stays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from confluent_kafka.admin import AdminClient
from fix_relay import eventually

from bridge.local.stack import Endpoints


def bench(servers: Endpoints, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "BRIDGE_DATABASE_URL": servers.database_url,
        "BRIDGE_KAFKA_BOOTSTRAP_SERVERS": servers.kafka_bootstrap_servers,
        "BRIDGE_REGISTRY_URL": servers.registry_url,
        "BRIDGE_TOPICS_REPLICATION_FACTOR": "1",
    }
    command = [sys.executable, "-m", "bridge", "bench", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=800, check=False)


@pytest.mark.timeout(900)  # the machine may be busy
def test_everything_is_measured(servers: Endpoints, tmp_path: Path) -> None:
    small = ["--events", "2000", "--rounds", "1", "--rate", "50", "--seconds", "1", "--out", str(tmp_path)]
    parts = [word for part in ("drain", "latency", "costs", "writers") for word in ("--only", part)]
    done = bench(servers, *small, *parts)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results.json").read_bytes())
    assert set(results["drained"]) == {"bridge exactly_once", "bridge at_least_once"}
    assert all(found[0]["rate"] > 0 for found in results["drained"].values())
    assert all(found["50"][0]["events"] == 50 for found in results["latencies"].values())
    assert results["costs"]["dead_tuples"] == 0
    assert len(results["costs"]["writer_us"]["bridge.event_queue"]) > 0
    assert results["costs"]["round_trips"] >= 2
    assert results["writers"]["single_rate"]["tracked"][0] > 0
    assert "of the ceiling" in done.stdout
    with psycopg.connect(servers.database_url) as db:
        left = db.execute("select count(*) from pg_database where datname like 'bridge\\_bench\\_%'").fetchone()
    assert left == (0,)
    admin = AdminClient({"bootstrap.servers": servers.kafka_bootstrap_servers})
    # The controller has removed them, brokers know it a moment later.
    eventually(lambda: not any(name.startswith("bridge_bench_") for name in admin.list_topics(timeout=10).topics))


def test_a_directory_that_cannot_be_is_refused_before_anything_is_measured(servers: Endpoints, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = bench(servers, "--out", str(tmp_path / "file" / "results"))
    assert refused.returncode == 4
    assert refused.stderr.startswith(f"bridge: results cannot be written to {tmp_path}/file/results: Not a directory. ")


def test_debezium_needs_logical_decoding(servers: Endpoints) -> None:
    refused = bench(servers, "--debezium")
    assert refused.returncode == 4
    assert "wal_level = logical" in refused.stderr
