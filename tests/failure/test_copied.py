"""A database that was copied: its transaction ids are another one's, and Kafka has what both have in common."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from fix_database import copy_of
from fix_relay import Site, eventually

GENERATIONS = "select sum(generation)::bigint from bridge.shard"


def test_a_copy_stops_and_leaves_the_original_alone(site: Site) -> None:
    """Its relay is configured like the original's; it must not fence that one, nor publish what both have."""
    site.publish(100)
    site.drain()
    site.publish(50)
    original = site.settings.database.url
    with copy_of(original) as backup:
        relay = site.start()
        eventually(lambda: site.pending() == 0)
        before = site.scalar(GENERATIONS)
        site.use_database(backup.copy)
        other = site.start("--until-empty")
        assert other.wait(60) == 5, site.log(other)
        assert "of which this one is a copy" in site.log(other)
        assert "bridge recover --dry-run" in site.log(other)
        site.use_database(original)
        site.publish(50)
        site.assert_exactly_once(relay)
        assert site.scalar(GENERATIONS) == before


def test_a_copy_that_takes_the_originals_place_goes_on(site: Site) -> None:
    """What only the original had published is not published again; what nobody has, is, and in order."""
    site.publish(200, keys=5)
    site.drain()
    site.publish(100, keys=5)
    with copy_of(site.settings.database.url) as backup:
        site.drain()
        site.use_database(backup.copy)
        relay = site.start()
        eventually(lambda: site.scalar("select bool_and(stopped is not null) from bridge.shard"))
        site.publish(100, keys=5)
        found = site.bridge("recover", "--yes")
        assert found.returncode == 0, found.stderr
        site.publish(100, keys=5)
        site.assert_exactly_once(relay)
        assert site.scalar("select count(*) from bridge.parked") == 0


def test_a_recovery_waits_for_writers_that_have_drawn_a_number(site: Site, tmp_path: Path) -> None:
    """Reading begins anew behind the last number: what commits below it later would never be read."""
    site.publish(10)
    with copy_of(site.settings.database.url) as backup:
        site.drain()
        site.use_database(backup.copy)
        site.assert_stops("is stopped")
        with site.connect() as late, (tmp_path / "recover.log").open("w+") as log:
            late.execute("begin")
            late.execute(
                "insert into bridge.event_queue (event_type, event_key, payload) values (%s, 'k', '{\"n\": 1}')",
                ("thing.changed",),
            )
            environment = {**os.environ, "BRIDGE_CONFIG": str(site.config)}
            command = [sys.executable, "-m", "bridge", "recover", "--yes"]
            with subprocess.Popen(command, env=environment, stdout=log, stderr=log) as recover:
                eventually(lambda: "waiting for transactions" in (tmp_path / "recover.log").read_text())
                late.execute("commit")
                assert recover.wait(60) == 0
        site.drain()
        assert site.audit().is_clean
        assert site.pending() == 0


def test_a_transaction_that_this_database_has_not_seen_stops_the_shard(site: Site) -> None:
    """A copy that has the same name and number, such as a dump that was restored into the same database."""
    site.publish(10)
    with site.connect() as db:
        db.execute("update bridge.outbox set xid = (xid::text::bigint + 1000000)::text::xid8")
    site.assert_stops("of which this one is a copy")
    assert site.bridge("recover", "--yes").returncode == 0
    site.drain()
    assert site.audit().is_clean
