"""A database moves to a newer version of Postgres: what was published before is not again, and all else is, in order.

The old version is Debian's 15, where it is installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from fix_postgres import POSTGRES_15, Cluster
from fix_relay import Site, beside, eventually

from bridge.local.postgres import binaries
from bridge.local.stack import Stack
from bridge.postgres.migrate import migrate

DEFERRED = (
    "insert into bridge.event_queue (event_type, event_key, payload, available_at)"
    " select 'thing.changed', 'late', '{\"n\": 1}', clock_timestamp() + interval '1 hour' from generate_series(1, 3)"
)
DUE = """with written as (update bridge.outbox set available_at = now() where available_at > now())
         update bridge.parked set due_at = now() where due_at > now() returning 1"""
DEAD = "select bridge.publish_event('thing.changed', 'k' || g, '{\"n\": \"x\"}') from generate_series(1, 3) g"

pytestmark = pytest.mark.skipif(not (POSTGRES_15 / "pg_upgrade").exists(), reason="Postgres 15 is not installed here")


@pytest.fixture
def owner(stack: Stack) -> os.stat_result:
    return stack.postgres.data.stat()


@pytest.fixture
def old(site: Site, owner: os.stat_result, tmp_path: Path) -> Cluster:
    """Postgres 15; the site's relays, and the test, go there."""
    cluster = Cluster(POSTGRES_15, tmp_path / "old", owner)
    site.use_database(cluster.url)
    return cluster


def live(site: Site) -> None:
    """A past: events that were published, dead, parked until later, held by a dead one of their key, and not read."""
    migrate(site.settings.database.url)
    site.scalar("select bridge.set_shard_count(2)")
    site.publish(200, keys=5)
    site.change(50)
    with site.connect() as db:
        db.execute(DEAD)
    site.publish(50, keys=5)
    relay = site.start()
    eventually(lambda: site.scalar("select count(*) from bridge.parked where state = 'dead'") == 3)
    with site.connect() as db:
        db.execute(DEFERRED)
    eventually(lambda: site.scalar("select count(*) from bridge.parked where state = 'deferred'") == 3)
    site.end(relay)
    site.publish(100, keys=5)
    site.change(20)


@contextmanager
def writing(site: Site) -> Iterator[None]:
    """Events without a pause."""
    ending = threading.Event()

    def write() -> None:
        while not ending.is_set():
            site.publish(20, keys=5)
            site.change(2)

    with beside(write, ending):
        yield


def go_on(site: Site) -> None:
    """In the new database, into which applications write at once."""
    site.scalar(DUE)
    with writing(site):
        relay = site.start()
        eventually(lambda: site.log(relay).count("of which this one is a copy") == 2)
        written = len(site.written)
        found = site.bridge("recover", "--yes")
        assert found.returncode == 0, found.stderr
        eventually(lambda: len(site.written) > written + 100)
    assert site.scalar("select count(*) from bridge.parked where state = 'dead'") == 3
    assert site.bridge("dead", "skip", "--all", "--yes", "--reason", "test").returncode == 0
    site.assert_exactly_once(relay)
    assert site.bridge("verify").returncode == 0


def test_a_dump_that_is_restored(site: Site, old: Cluster, owner: os.stat_result, tmp_path: Path) -> None:
    new = Cluster(binaries(), tmp_path / "new", owner)
    with new.running():
        with old.running():
            live(site)
            with psycopg.connect(new.url, autocommit=True) as db:
                for role in ("bridge_capture", "bridge_reader"):  # a dump of one database has no roles
                    db.execute(f"create role {role} nologin".encode())
            with (
                subprocess.Popen([binaries() / "pg_dump", old.url], stdout=subprocess.PIPE) as dump,
                subprocess.Popen(
                    [binaries() / "psql", "-qX", "-v", "ON_ERROR_STOP=1", new.url],
                    stdin=dump.stdout,
                    stdout=subprocess.DEVNULL,
                ) as restore,
            ):
                assert restore.wait(120) == dump.wait(120) == 0
        site.use_database(new.url)
        go_on(site)


def test_pg_upgrade(site: Site, old: Cluster, owner: os.stat_result, tmp_path: Path) -> None:
    with old.running():
        live(site)
    new = Cluster(binaries(), tmp_path / "new", owner, "--no-data-checksums")
    directories = ("-b", str(POSTGRES_15), "-B", str(binaries()), "-d", str(old.data), "-D", str(new.data))
    with tempfile.TemporaryDirectory() as sockets:  # a socket's path must be short
        os.chown(sockets, owner.st_uid, owner.st_gid)
        new.run("pg_upgrade", *directories, "-U", "bridge", "--socketdir", sockets)
    shutil.rmtree(old.data)
    with new.running(), psycopg.connect(new.url, autocommit=True) as db:
        db.execute("analyze")
        site.use_database(new.url)
        go_on(site)
