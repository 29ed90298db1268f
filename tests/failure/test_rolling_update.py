"""Relays of two versions side by side, and a database that is migrated beneath them: no event is lost, or comes twice.

The version before is of git; the one after is this one with a migration more (tests/fix_version.py).
"""

from __future__ import annotations

import os
import re
import signal
import statistics
import subprocess
import sys
import threading
from pathlib import Path

import psycopg
import pytest
from fix_relay import Site, beside, eventually, of_version, stop
from fix_version import version_after
from forked import Process
from reaction import assert_all_is_well
from steady import delays, owners, steady_writer

LEASE_SECONDS = 30  # far above what a hand-over takes
EXPAND = "-- oldest program: 0005\nalter table bridge.outbox add column made_up text;\n"
CONTRACT = "-- oldest program: 9001\nalter table bridge.relay rename column host to machine;\n"
IN_THE_PROGRAM = {"bridge/postgres/queries/heartbeat_relay.sql": ("relay_id, host,", "relay_id, machine,")}
ALIVE = "select relay_id from bridge.relay where seen_until > clock_timestamp()"
WAITING = "select count(*) from bridge.parked where state = 'waiting'"
FILES = "select md5(string_agg(file || checksum, '' order by file)) from bridge.schema_migration"


def alive(site: Site) -> set[str]:
    return {relay for (relay,) in site.rows(ALIVE)}


def replace(site: Site, relays: list[Process], version: Path | None, *arguments: str) -> None:
    """Each relay by one of that version, which is there before the old one is asked to end."""
    for number, old in enumerate(relays):
        known = alive(site)
        relays[number] = site.start(*arguments, version=version)
        eventually(lambda known=known: alive(site) - known)
        site.end(old)
        eventually(lambda: owners(site) == 2)


def longest_wait(site: Site, waits: list[float], relays: list[Process], version: Path | None, *arguments: str) -> float:
    """Of an event, while relays are replaced."""
    waits.clear()
    replace(site, relays, version, *arguments)
    so_far = len(waits)
    eventually(lambda: len(waits) > so_far + 100)
    return max(waits)


def test_an_update_and_back_cost_what_a_restart_costs(
    site: Site, version_before: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRIDGE_RELAY_LEASE_SECONDS", str(LEASE_SECONDS))
    relays = [site.start(version=version_before), site.start(version=version_before)]
    eventually(lambda: owners(site) == 2)
    with delays(site) as waits, steady_writer(site):
        eventually(lambda: len(waits) > 100)
        restart = longest_wait(site, waits, relays, version_before)
        update = longest_wait(site, waits, relays, None, "--workers", "2")
        back = longest_wait(site, waits, relays, version_before)
    print(f"longest wait of an event: restart {restart:.3f} s, update {update:.3f} s, back {back:.3f} s")
    # What a machine has to do beside is in each of them; far from waiting for a lease to run out.
    assert statistics.median([update, back]) < max(3 * restart, LEASE_SECONDS / 3)
    site.assert_exactly_once(*relays)
    assert site.bridge("verify").returncode == 0
    assert site.bridge("verify", version=version_before).returncode == 0


@pytest.mark.relay("batch_rows = 150")
def test_what_one_version_left_in_flight_the_other_settles(site: Site, version_before: Path) -> None:
    """Claimed and not published, or published and not settled, with what it parks: killed, and taken over."""
    with site.connect() as db:
        db.execute(
            "select bridge.publish_event('thing.changed', 'k' || g, '{\"n\": \"x\"}') from generate_series(1, 3) g"
        )
    for point in ("claimed", "published"):
        for version, other in ((version_before, None), (None, version_before)):
            site.publish(600)
            killed = site.start(failpoint=f"{point}:kill@2", version=version)
            assert killed.wait(60) == -signal.SIGKILL, site.log(killed)
            relay = site.start(version=other)
            eventually(lambda: site.pending() <= site.scalar(WAITING))
            site.end(relay)
    assert site.bridge("dead", "skip", "--all", "--yes", "--reason", "test").returncode == 0
    site.assert_exactly_once(site.start())


def test_a_batch_in_flight_that_says_more_than_this_version_knows_is_left_alone(site: Site) -> None:
    """It is for a relay of the version that wrote it; nothing is guessed, and the other shard goes on."""
    site.publish(200)
    killed = site.start(failpoint="claimed:kill@2")
    assert killed.wait(60) == -signal.SIGKILL, site.log(killed)
    changed = site.scalar(
        "update bridge.shard set in_flight = in_flight || '{\"more\": 1}'"
        " where shard = (select min(shard) from bridge.shard where in_flight is not null) returning shard"
    )
    relay = site.start()
    eventually(lambda: "was written by another version of bridge" in site.log(relay))
    eventually(lambda: site.scalar("select count(*) from bridge.unread where shard <> %s", changed) == 0)
    assert site.scalar("select in_flight ? 'more' from bridge.shard where shard = %s", changed)
    site.scalar("update bridge.shard set in_flight = in_flight - 'more' where shard = %s returning shard", changed)
    site.assert_exactly_once(relay)


def migrating(site: Site, version: Path) -> Process:
    command = [sys.executable, "-m", "bridge", "migrate"]
    environment = {**os.environ, **of_version(version), "BRIDGE_CONFIG": str(site.config)}
    return subprocess.Popen(
        command, env=environment, cwd=version, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_relays_go_on_while_a_newer_version_migrates(site: Site, tmp_path: Path) -> None:
    """It replaces every function and view under them, is killed half-way, and two others end its work."""
    after = version_after(tmp_path / "after", EXPAND)
    relays = [site.start(), site.start()]
    with steady_writer(site):
        eventually(lambda: owners(site) == 2)
        early = site.bridge("run", version=after)
        assert (early.returncode, "lacks engine/migrations/9001_made_up.sql" in early.stderr) == (4, True)
        assert "bridge migrate" in early.stderr

        with site.connect() as db, db.transaction(force_rollback=True):
            db.execute("alter function bridge.publish_event cost 100")  # here it cannot get past that one
            killed = migrating(site, after)
            eventually(lambda: site.scalar("select count(*) from bridge.schema_migration where file ~ '9001'"))
            killed.kill()
            killed.communicate()
        relays[0].kill()  # so that one of the old version starts in the newer database
        relays[0].wait()
        relays[0] = site.start()
        two = [migrating(site, after) for _ in range(2)]
        said = [migration.communicate(timeout=60) for migration in two]
        assert [migration.returncode for migration in two] == [0, 0], said
        assert sum("the database is up to date" in out for out, _ in said) == 1
        theirs = site.scalar(FILES)
        mine = site.bridge("migrate")
        assert (mine.returncode, site.scalar(FILES)) == (0, theirs), mine.stderr
        assert_all_is_well(site)
        eventually(lambda: owners(site) == 2)
        replace(site, relays, after)
        replace(site, relays, None)
    site.assert_exactly_once(*relays)
    assert site.bridge("verify").returncode == 0
    assert site.bridge("verify", version=after).returncode == 0
    assert not [relay for relay in site.processes if "unforeseen" in site.log(relay)]


def test_relays_hand_over_before_a_migration_that_they_could_not_work_with(site: Site, tmp_path: Path) -> None:
    """One is stopped meanwhile, and goes on in a database that it does not know."""
    after = version_after(tmp_path / "after", CONTRACT, IN_THE_PROGRAM)
    paused, relay = site.start(), site.start()
    with steady_writer(site):
        eventually(lambda: owners(site) == 2)
        stop(paused)
        migration = migrating(site, after)
        assert relay.wait(60) == 4, site.log(relay)
        assert "newer version of bridge: it needs one that knows migration 9001" in site.log(relay)
        assert re.search(r" stopped; \d+ events published", site.log(relay))  # in good order
        assert migration.communicate(timeout=60)[1] == ""
        assert migration.returncode == 0
        paused.send_signal(signal.SIGCONT)
        assert paused.wait(60) == 4, site.log(paused)
        for command in (["run"], ["migrate"], ["status"]):
            refused = site.bridge(*command)
            assert (refused.returncode, "docs/upgrading.md" in refused.stderr) == (4, True), refused.stderr
        late = site.start(version=after)
        eventually(lambda: owners(site) == 1)
    site.assert_exactly_once(late)
    assert site.bridge("verify", version=after).returncode == 0


def test_a_relay_that_was_stopped_claims_nothing_once_it_is_too_old(site: Site, tmp_path: Path) -> None:
    """Nobody has taken its shards over since, and its statements would still be understood."""
    after = version_after(tmp_path / "after", CONTRACT.splitlines()[0] + "\n")
    relay = site.start()
    site.publish(100)
    eventually(lambda: site.pending() == 0)
    stop(relay)
    site.publish(100)
    done = "select sum(batch_no) from bridge.shard"
    before = site.scalar(done)
    migrated = site.bridge("migrate", version=after)
    assert migrated.returncode == 0, migrated.stderr
    relay.send_signal(signal.SIGCONT)
    assert relay.wait(60) == 4, site.log(relay)
    assert site.scalar(done) == before
    site.assert_exactly_once(site.start(version=after))


def test_a_backup_of_before_the_migration_is_restored_under_a_relay(site: Site, tmp_path: Path) -> None:
    """As by recovery to a point in time: the same cluster, and nothing was published since."""
    after = version_after(tmp_path / "after", EXPAND)
    assert site.bridge("migrate", version=after).returncode == 0
    relay = site.start(version=after)
    site.publish(100)
    eventually(lambda: site.pending() == 0)
    with site.connect() as db, db.transaction():
        db.execute("alter table bridge.outbox drop column made_up")
        db.execute("delete from bridge.schema_migration where file ~ '9001'")
    with site.connect() as db:
        db.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
    site.publish(100)
    assert relay.wait(60) == 4, site.log(relay)
    assert "lacks engine/migrations/9001_made_up.sql. Run: bridge migrate" in site.log(relay)
    assert site.bridge("migrate", version=after).returncode == 0
    site.assert_exactly_once(site.start(version=after))


def test_a_migration_does_not_begin_while_an_older_relay_stays(site: Site, tmp_path: Path) -> None:
    patience = {"bridge/postgres/compatibility.py": ("END_SECONDS = 30.0", "END_SECONDS = 0.5")}
    after = version_after(tmp_path / "after", CONTRACT, patience)
    ending = threading.Event()

    def stay() -> None:
        with site.connect() as db:
            db.execute("insert into bridge.relay (relay_id, host, pid, seen_until) values ('deaf', 'h', 1, now())")
            while not ending.wait(0.05):
                db.execute("update bridge.relay set seen_until = clock_timestamp() + interval '3 s'")

    with beside(stay, ending):
        eventually(lambda: alive(site))
        refused = site.bridge("migrate", version=after)
        printed = site.bridge("migrate", "--dry-run", version=after).stdout
        with (
            site.connect() as db,
            pytest.raises(psycopg.errors.RaiseException, match="older version are still"),
        ):
            db.execute(printed.encode())
    assert refused.returncode == 4
    assert "1 relay of an older version did not end: deaf" in refused.stderr
    assert site.scalar("select count(*) from bridge.schema_migration where file ~ '9001'") == 0
    site.publish(10)
    site.drain()
    eventually(lambda: not alive(site))
    with site.connect() as db:
        db.execute(printed.encode())
    assert site.bridge("migrate", version=after).stdout == "the database is up to date\n"
