"""The primary is lost and a standby takes its place: with everything, or without the last commits."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from fix_relay import Site, eventually
from ports import free_port
from proxy import Proxy
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bridge.admin.verify import verify
from bridge.local.postgres import binaries, run_as_owner
from bridge.local.stack import Stack
from bridge.settings import DatabaseSettings


class Standby:
    """A streaming standby of the stack's Postgres, behind a proxy that can cut it off from the primary."""

    def __init__(self, stack: Stack, directory: Path, primary_url: str) -> None:
        self.data = directory / "standby"
        self.data.mkdir(mode=0o700)
        owner = stack.postgres.data.stat()
        os.chown(self.data, owner.st_uid, owner.st_gid)
        self.port = free_port()
        port = int(conninfo_to_dict(primary_url)["port"])
        self.stream = Proxy(lambda: port, speaks_kafka=False)
        source = make_conninfo(primary_url, host="127.0.0.1", port=self.stream.port)
        self._run("pg_basebackup", "-d", source, "-D", str(self.data), "-R", "-X", "stream", "-c", "fast")
        self._log = directory / "standby.log"
        self._log.touch()
        os.chown(self._log, owner.st_uid, owner.st_gid)
        self._control("start", "-o", f"-p {self.port}", "-l", str(self._log))

    def promote(self) -> None:
        self._control("promote")

    def close(self) -> None:
        self._control("stop", "-m", "immediate")
        self.stream.close()
        shutil.rmtree(self.data)

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "-D", str(self.data), "-w", *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        command = [*run_as_owner(self.data), str(binaries() / program), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")


@pytest.fixture
def standby(stack: Stack, site: Site, tmp_path: Path) -> Iterator[Standby]:
    """Relays know both servers and take the one that accepts writes."""
    url = site.settings.database.url
    standby = Standby(stack, tmp_path, url)
    both = f"{conninfo_to_dict(url)['port']},{standby.port}"
    site.environment["BRIDGE_DATABASE_URL"] = make_conninfo(
        site.url("relay"), host="127.0.0.1,127.0.0.1", port=both, target_session_attrs="read-write"
    )
    yield standby
    standby.close()
    stack.postgres.start()


def move(site: Site, standby: Standby) -> None:
    """The test itself looks at the standby from now on."""
    site.use_database(make_conninfo(site.settings.database.url, port=standby.port))


def test_a_standby_that_had_everything(site: Site, stack: Stack, standby: Standby) -> None:
    relay = site.start()
    site.publish(5000)
    eventually(lambda: site.pending() < 4500)
    wait_for(standby, site)
    stack.postgres.stop()  # an orderly one sends all it has before it ends
    standby.promote()
    move(site, standby)
    site.publish(500)
    assert site.assert_exactly_once(relay).published == 5500


def test_a_standby_that_lacks_the_last_commits(site: Site, stack: Stack, standby: Standby) -> None:
    """What was published and is gone cannot be unpublished; it is said, and everything else is exactly once."""
    relay = site.start()
    site.publish(1000)
    eventually(lambda: site.pending() == 0)
    wait_for(standby, site)
    standby.stream.deafen()
    before = set(site.written)
    site.publish(200)
    eventually(lambda: site.pending() == 0)
    gone = site.written - before
    stack.postgres.kill()
    standby.promote()
    move(site, standby)
    site.publish(300)
    eventually(lambda: "has gone back in time" in site.log(relay))
    site.end(relay, code=5)
    site.assert_stops("has gone back in time")
    assert site.bridge("recover", "--yes").returncode == 0
    site.drain()
    audit = site.audit()
    assert set(audit.phantom) == gone
    assert not (set(audit.lost) | set(audit.duplicated) | set(audit.reordered) | set(audit.unsettled))
    assert audit.published == 1500


def test_a_standby_is_behind_and_nothing_is_invented(site: Site, standby: Standby) -> None:
    relay = site.start()
    site.publish(20)
    eventually(lambda: site.pending() == 0)
    wait_for(standby, site)
    standby.stream.deafen()
    site.publish(10)
    eventually(lambda: site.pending() == 0)
    behind = DatabaseSettings(make_conninfo(site.settings.database.url, port=standby.port))
    verdict = verify(replace(site.settings, database=behind))
    assert (verdict.passed, verdict.published, verdict.not_judged) == (True, 20, {"behind": 10})
    assert verify(site.settings).not_judged == {}
    site.end(relay)


def wait_for(standby: Standby, site: Site) -> None:
    """Until the standby has replayed what the primary has now."""
    now = site.scalar("select pg_current_wal_lsn()::text")
    url = make_conninfo(site.settings.database.url, port=standby.port)
    with psycopg.connect(url, autocommit=True) as db:
        replayed = "select pg_last_wal_replay_lsn() >= %s::pg_lsn"
        eventually(lambda: db.execute(replayed, (now,)).fetchone() == (True,))
