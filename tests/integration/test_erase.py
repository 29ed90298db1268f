"""The right to erasure: nothing of the subject is left where bridge keeps it, and everybody else's data stay."""

from __future__ import annotations

import getpass
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fastavro
import psycopg
import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from fix_command import data_of
from fix_relay import Site, eventually, is_stopped, open_site
from kafka_settings import create
from roles import Roles

from bridge.admin import export as export_module
from bridge.cli.verify_capture import REASONS as NOT_JUDGED
from bridge.errors import BridgeError
from bridge.failpoint import ERASING
from bridge.keeping import cold_file, cold_files
from bridge.keeping.archive import archive
from bridge.keeping.cold_file import ColdFile
from bridge.keeping.manifest import read_manifest
from bridge.keeping.step import House, Outcome
from bridge.local.stack import Endpoints
from bridge.postgres.connection import connect

NAME = "Ada-Lovelace-1815"
ADA = "00000000-0000-0000-0000-00000000ada1"
RETIRE = """
    insert into bridge.retired_partition (parent, leaf, relation, range_from, range_to, expiry, location)
    select %(parent)s, %(leaf)s, %(leaf)s::text::regclass, '2020-01-01', '2020-01-02', 'files', %(location)s
    returning id"""


@pytest.fixture
def site(either_version: str, servers: Endpoints, roles: Roles, unique: str, tmp_path: Path) -> Iterator[Site]:
    """A bridge with a tracked table, one compacted topic of three, and a subject in all of it, published."""
    admin = AdminClient({"bootstrap.servers": servers.kafka_bootstrap_servers})
    things = NewTopic(f"{unique}.things", 3, 1, config={"cleanup.policy": "compact"})
    create(admin, things)
    with open_site(replace(servers, database_url=either_version), unique, tmp_path, roles=roles) as site:
        with site.connect() as db:
            db.execute("create table public.person (id int primary key, email text)")
            db.execute("select bridge.enable_tracking('public.person', activity => true)")
            for name in (NAME, "somebody"):
                change(db, 1 if name == NAME else 2, name)
            db.execute("analyze")  # samples of values are values
        site.drain()
        yield site


def change(db: psycopg.Connection, id: int, name: str) -> None:
    """What an application does with a person, and what it says about it."""
    with db.transaction():
        db.execute("select bridge.set_actor(%s, '192.0.2.1', %s)", (ADA if id == 1 else None, f"agent of {name}"))
        db.execute("insert into public.person values (%s, %s)", (id, name))
        db.execute("update public.person set email = email || '!' where id = %s", (id,))
    payload = {"n": id, "text": name}
    for _ in range(3):
        db.execute(
            "insert into bridge.event_queue (event_type, event_key, payload, headers) values"
            " ('thing.changed', %s, %s, %s)",
            (f"person-{id}", json.dumps(payload), json.dumps({"by": name})),
        )


def erase_all(site: Site, *more: str) -> list[int]:
    """Of own events, and of the entity; exit codes."""
    with site.connect() as db:
        db.execute("delete from public.person where id = 1")
        db.execute("analyze public.person")  # the application's own
    site.drain()
    runs = [
        site.bridge("erase", "person-1", "--yes", *more),
        site.bridge("erase", "1", "--entity", "person", "--yes", *more),
    ]
    return [run.returncode for run in runs]


def begin(site: Site, *arguments: str, failpoint: str) -> subprocess.Popen[str]:
    """A command that goes on beside the test."""
    environment = {**os.environ, **site.as_owner, "BRIDGE_CONFIG": str(site.config), "BRIDGE_FAILPOINT": failpoint}
    command = [sys.executable, "-m", "bridge", *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def found_in(site: Site, secret: str) -> list[str]:
    """Every table, view and statistic of the database that has it in any row."""
    with site.connect() as db:
        relations = db.execute(
            "select oid::regclass::text from pg_class where relkind in ('r', 'v', 'm') and not relispartition"
            " and (relnamespace in (select oid from pg_namespace where nspname ~ '^(bridge|public|crm)')"
            "      or relname = 'pg_statistic') union all"
            " select leaf::text from unnest('{bridge.outbox,bridge.history,bridge.activity_log,"
            "bridge.activity_log_archive}'::regclass[]) as p, lateral bridge.partition_bounds(p)"
        ).fetchall()
        like = f"%{secret}%"
        asked = [(name, f"select 1 from {name} as t where t::text like %s limit 1") for (name,) in relations]
        return [name for name, question in asked if db.execute(question.encode(), (like,)).rowcount]


def others(site: Site) -> list[tuple[object, ...]]:
    """All rows that are not the subject's."""
    with site.connect() as db:
        return db.execute(
            "select o::text from bridge.outbox as o where event_key <> 'person-1' union all"
            " select h::text from bridge.history as h where entity_id <> '1' union all"
            " select a::text from bridge.activity_log as a where entity_id <> '1' order by 1"
        ).fetchall()


def assert_verified(site: Site) -> None:
    for arguments in ((), ("--capture",), ("--json",)):
        verified = site.bridge("verify", *arguments)
        assert verified.returncode == 0, verified.stdout + verified.stderr


def test_nothing_of_the_subject_is_left(site: Site) -> None:
    assert found_in(site, NAME)
    before, numbers = others(site), "select count(*), sum(seq), sum(xid::text::bigint) from bridge.{}"
    counted = [site.scalar(f"select r::text from ({numbers.format(t)}) as r") for t in ("outbox", "history")]
    assert erase_all(site) == [0, 0]
    assert found_in(site, NAME) == []
    assert found_in(site, ADA) == []
    assert others(site) == before
    assert site.scalar(f"select r::text from ({numbers.format('outbox')}) as r") == counted[0]
    assert site.scalar("select count(*) from bridge.entity_events where status <> 'PROCESSED'") == 0
    assert_verified(site)
    records = site.records()
    things = [record for record in records[site.topics[0]] if record.key == b"person-1"]
    assert [bool(record.value) for record in things] == [True] * 3 + [False]
    assert things[-1].headers["ce_source"] == f"/{site.name}/erasure"
    assert all(record.value for record in records[f"{site.name}.entity_events"])  # not compacted


def test_the_certificate_says_what_was_done_and_what_remains(site: Site) -> None:
    assert erase_all(site, "--reason", "ticket 12") == [0, 0]
    with site.connect() as db:
        asked = db.execute("select distinct asked_by, why, os_user, host from bridge.erasure").fetchall()
        assert asked == [(db.info.user, "ticket 12", getpass.getuser(), socket.gethostname())]
        rows = db.execute("select * from bridge.erasure order by begun_at").fetchall()
        (own, entity) = db.execute(
            "select places, array_to_string(remains, '; '), subject, finished_at from bridge.erasure order by begun_at"
        ).fetchall()
    assert "person-1" not in str(rows)
    assert sum(n for n in own[0].values() if isinstance(n, int)) == 3
    assert sum(n for n in entity[0].values() if isinstance(n, int)) == 6  # history and log
    assert list(own[0]["topics"]) == [site.topics[0]]
    assert f"topic {site.name}.entity_events: its records for ever, for it is neither" in entity[1]
    assert own[3] is not None


def test_what_is_still_to_be_published_is_refused(site: Site) -> None:
    with site.connect() as db:
        change(db, 3, NAME)
    refused = site.bridge("erase", "person-3", "--yes")
    assert refused.returncode == 5
    assert "still to be published: 3 unread" in refused.stderr
    assert site.scalar("select count(*) from bridge.outbox where headers ? 'bridge_erased'") == 0
    assert site.bridge("erase", "3", "--entity", "person", "--yes").returncode == 5
    site.drain()
    assert site.bridge("erase", "person-3", "--yes").returncode == 0


def test_a_dead_event_is_refused_until_it_is_given_up(site: Site) -> None:
    with site.connect() as db:
        db.execute(  # what says that it is erased, and is not
            "insert into bridge.event_queue (event_type, event_key, payload, headers)"
            " values ('thing.changed', 'person-1', %s, %s)",
            (json.dumps({"n": 1, "text": NAME}), json.dumps({"bridge_erased": ADA})),
        )
    site.start("--until-empty").wait(60)
    refused = site.bridge("erase", "person-1", "--yes")
    assert (refused.returncode, "1 dead" in refused.stderr) == (5, True), refused.stderr
    assert site.bridge("dead", "skip", "--all", "--yes", "--reason", "erasure").returncode == 0
    site.drain()
    assert site.bridge("erase", "person-1", "--yes").returncode == 0
    assert [name for name in found_in(site, NAME) if "outbox" in name or "event_queue" in name] == []
    assert site.bridge("verify").returncode == 0


def test_the_function_itself_leaves_alone_what_is_to_be_published(site: Site) -> None:
    """An event may come between the command's look and its update."""
    with site.connect() as db:
        change(db, 1001, NAME)
        row = db.execute(
            "insert into bridge.erasure (subject) values (sha256('person-1001')) returning id,"
            " (select tableoid from bridge.outbox where event_key = 'person-1001' limit 1)"
        ).fetchone()
        assert row is not None
        call = "select bridge.erase_rows(%s, %s::oid::regclass, 'bridge.outbox', %s, 10)"
        assert db.execute(call, (*row, "person-1001")).fetchone() == (0,)
        with pytest.raises(psycopg.errors.InvalidParameterValue):
            db.execute(call, (*row, "person-2"))  # another one's certificate
        site.drain()
        assert db.execute(call, (*row, "person-1001")).fetchone() == (3,)
        assert db.execute(call, (*row, "person-1001")).fetchone() == (0,)


def test_a_dry_run_and_a_no_change_nothing(site: Site) -> None:
    dry = site.bridge("erase", "person-1", "--dry-run")
    assert dry.returncode == 0
    assert "3 rows of bridge.outbox" in dry.stdout
    assert f"a tombstone to {site.topics[0]}" in dry.stdout
    assert data_of(site.bridge("erase", "person-1", "--dry-run", "--json").stdout)["pending"] == {}
    assert site.bridge("erase", "person-1", answer="n\n").returncode == 130
    assert site.scalar("select count(*) from bridge.erasure") == 0
    assert found_in(site, NAME)


def test_a_key_that_nobody_knows(site: Site) -> None:
    unknown = site.bridge("erase", "nobody", "--yes")
    assert (unknown.returncode, "--topic" in unknown.stderr) == (1, True), unknown.stderr
    assert "nobody" not in unknown.stderr
    assert site.bridge("erase", "nobody", "--yes", "--topic", site.topics[0]).returncode == 0
    assert site.records()[site.topics[0]][-1].key is not None


@pytest.mark.parametrize("name", ["erased_rows", "tombstoned"])
def test_killed_and_run_again(site: Site, name: str) -> None:
    """Whoever goes on with it need not wait for the lease of who was killed."""
    with site.connect() as db:
        db.execute("delete from public.person where id = 1")
        db.execute("analyze public.person")
    site.drain()
    entity, kill = ("erase", "1", "--entity", "person", "--yes"), {"BRIDGE_FAILPOINT": f"{name}:kill"}
    assert site.bridge(*entity, environment=kill).returncode == -signal.SIGKILL
    assert site.scalar("select count(*) from bridge.erasure where finished_at is null") == 1
    assert site.bridge(*entity).returncode == 0
    assert site.scalar("select array_agg(finished_at is null) from bridge.erasure") == [False]
    assert site.bridge("erase", "person-1", "--yes").returncode == 0
    assert found_in(site, NAME) == []
    assert_verified(site)


def test_an_erased_event_is_never_published(site: Site) -> None:
    """Should the database go back to before it was: it is dead."""
    assert erase_all(site) == [0, 0]
    with site.connect() as db:
        db.execute(
            "insert into bridge.outbox (shard, event_type, event_key, payload, headers)"
            " select shard, event_type, event_key, '{\"n\": 1}', headers from bridge.outbox"
            "  where event_key = 'person-1' limit 1"
        )
    site.start("--until-empty").wait(60)
    assert site.scalar("select reason from bridge.parked where state = 'dead'") == "it was erased"


def test_a_row_that_is_still_there_is_not_judged(site: Site) -> None:
    site.drain()
    assert site.bridge("erase", "1", "--entity", "person", "--yes").returncode == 0
    verified = site.bridge("verify", "--capture", "--json")
    assert verified.returncode == 0, verified.stdout
    (person,) = [t for t in data_of(verified.stdout)["tables"] if t["name"] == "person"]
    assert person["not_judged"] == {"erased": 1}
    assert "erased" in NOT_JUDGED
    with site.connect() as db:
        db.execute("update public.person set email = 'new' where id = 1")
    assert site.bridge("verify", "--capture").returncode == 0


# Cold files


def take_out(site: Site, parent: str, location: Path, *, move: bool) -> int:
    """A table partition with all events so far is taken out for cold files, and moved there. Returns its number."""
    leaf = f"{parent}_taken"
    with site.connect() as db:
        db.execute(f"create table {leaf} (like {parent} including all)".encode())
        db.execute(f"insert into {leaf} select * from {parent}".encode())
        db.execute(f"delete from {parent}".encode())
        row = db.execute(RETIRE, {"parent": parent, "leaf": leaf, "location": str(location)}).fetchone()
        assert row is not None
        if move:
            with connect(site.settings.database.url) as conn:
                steps = list(archive(House(conn, site.settings, lambda _seconds: True)))
            assert [step for step in steps if step.outcome is not Outcome.OK] == []
            assert db.execute("select to_regclass(%s)", (leaf,)).fetchone() == (None,)
        return int(row[0])


def files_with(location: Path, secret: str) -> list[Path]:
    """Read as anybody would."""
    found = []
    for path in location.rglob("*.avro"):
        with path.open("rb") as file:
            if any(secret in str(record) for record in fastavro.reader(file)):
                found.append(path)
    return found


def rows_in(location: Path) -> int:
    (manifest,) = location.rglob("manifest-*.json")
    return read_manifest(str(manifest)).rows


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold_file, "MAX_BYTES", 2_000)
    monkeypatch.setattr(cold_file, "BLOCK_BYTES", 200)


@pytest.mark.parametrize("failpoint", [None, "cold_files_written", "cold_files_replaced"])
@pytest.mark.usefixtures("small_files")
def test_cold_files_are_written_anew(site: Site, tmp_path: Path, failpoint: str | None) -> None:
    location = tmp_path / "cold"
    site.publish(200)
    site.drain()
    id = take_out(site, "bridge.outbox", location, move=True)
    before, files = rows_in(location), set(location.rglob("*.avro"))
    assert files_with(location, NAME)
    assert len(files) > 1
    if failpoint is not None:
        killed = site.bridge("erase", "person-1", "--yes", environment={"BRIDGE_FAILPOINT": f"{failpoint}:kill"})
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert files_with(location, NAME)
    done = site.bridge("erase", "person-1", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    assert files_with(location, NAME) == []
    manifest = read_manifest(site.scalar("select location from bridge.retired_partition where id = %s", id))
    assert manifest.rows == before
    assert manifest.replaces is not None
    assert manifest.replaces["erasure"] == data_of(done.stdout)["id"]
    assert files & set(map(Path, (file.path.removeprefix("file://") for file in manifest.files)))  # not affected
    assert site.bridge("archive", "verify").returncode == 0
    restored = site.bridge("archive", "restore", str(id), "--as", "public.back")
    assert restored.returncode == 0, restored.stderr
    assert site.scalar("select count(*) from public.back") == before
    assert site.scalar("select count(*) from public.back where headers ? 'bridge_erased'") == 3
    assert [name for name in found_in(site, NAME) if "outbox" in name or "event_queue" in name or "back" in name] == []


@pytest.mark.usefixtures("small_files")
def test_another_erasure_in_the_same_files_meanwhile(site: Site, tmp_path: Path) -> None:
    """The first one stands still for longer than its lease: nothing that counts is removed, and nothing comes back."""
    location, other = tmp_path / "cold", "Lord-Byron-1788"
    site.publish(200)
    with site.connect() as db:
        change(db, 3, other)
    site.drain()
    id = take_out(site, "bridge.outbox", location, move=True)
    before = rows_in(location)
    assert not set(files_with(location, NAME)) & set(files_with(location, other))
    first = begin(site, "erase", "person-1", "--yes", failpoint="cold_files_written:stop")
    eventually(lambda: is_stopped(first.pid))
    with site.connect() as db:
        db.execute("update bridge.keeper set lease_until = now() - interval '1 second'")
    done = site.bridge("erase", "person-3", "--yes")
    assert done.returncode == 0, done.stderr
    first.send_signal(signal.SIGCONT)
    _, said = first.communicate(timeout=60)
    assert first.returncode == 1, said
    assert "were replaced by somebody else" in said
    (manifest,) = location.rglob("manifest-*.json")
    assert sorted(Path(file.path).name for file in read_manifest(str(manifest)).files) == sorted(
        path.name for path in location.rglob("*.avro")
    )
    assert files_with(location, other) == []
    assert site.bridge("archive", "verify").returncode == 0
    done = site.bridge("erase", "person-1", "--yes")
    assert done.returncode == 0, done.stderr
    assert files_with(location, NAME) == files_with(location, other) == []
    assert site.bridge("archive", "verify").returncode == 0
    assert site.scalar("select rows from bridge.retired_partition where id = %s", id) == rows_in(location) == before


def test_of_a_table_on_its_way_the_files_are_written_by_the_keeper(site: Site, tmp_path: Path) -> None:
    """It is erased in the table, and what was exported of it before goes, named or not."""
    location = tmp_path / "cold"
    leaf = "bridge.outbox_taken"
    id = take_out(site, "bridge.outbox", location, move=False)
    assert site.bridge("archive", "export", leaf).returncode == 0
    assert site.scalar("select state from bridge.retired_partition where id = %s", id) == "verified"
    assert files_with(location, NAME)
    assert site.bridge("erase", "person-1", "--yes").returncode == 0
    assert list(location.rglob("*.avro")) == []
    assert list(location.rglob("*.json")) == []
    assert site.scalar("select state from bridge.retired_partition where id = %s", id) == "detached"
    with connect(site.settings.database.url) as conn:
        steps = list(archive(House(conn, site.settings, lambda _seconds: True)))
    assert [step for step in steps if step.outcome is not Outcome.OK] == []
    assert site.scalar("select state from bridge.retired_partition where id = %s", id) == "dropped"
    assert files_with(location, NAME) == []
    assert site.bridge("archive", "verify").returncode == 0


def test_the_files_of_a_table_that_somebody_has_dropped_are_all_there_is(site: Site, tmp_path: Path) -> None:
    """They are written anew without the subject; nobody could write those of a table that is gone."""
    location, leaf = tmp_path / "cold", "bridge.outbox_taken"
    id = take_out(site, "bridge.outbox", location, move=False)
    assert site.bridge("archive", "export", leaf).returncode == 0
    with site.connect() as db:
        db.execute(f"drop table {leaf}".encode())
    before = rows_in(location)
    refused = site.bridge("erase", "person-1", "--yes")
    assert (refused.returncode, rows_in(location)) == (1, before)
    assert "is gone" in refused.stderr
    assert "--job cleanup" in refused.stderr
    assert site.bridge("maintain", "--once", "--job", "cleanup").returncode == 0
    assert site.scalar("select state from bridge.retired_partition where id = %s", id) == "dropped"
    assert site.bridge("erase", "person-1", "--yes").returncode == 0
    assert files_with(location, NAME) == []
    assert rows_in(location) == before
    assert site.bridge("archive", "verify").returncode == 0


def test_an_export_that_somebody_made_is_written_anew_too(site: Site, tmp_path: Path) -> None:
    location = tmp_path / "cold"
    with site.connect() as db:
        db.execute("update bridge.partition_policy set location = %s", (str(location),))
    leaf = site.scalar("select tableoid::regclass::text from bridge.history limit 1")
    assert site.bridge("archive", "export", leaf).returncode == 0
    assert files_with(location, NAME)
    assert erase_all(site) == [0, 0]
    assert files_with(location, NAME) == []
    assert site.bridge("archive", "verify", str(location)).returncode == 0


def erasing_before(write: Callable[..., ColdFile], site: Site) -> Callable[..., ColdFile]:
    """Rows are read, and erased before the first file of them is written."""
    is_erased = False

    def written(*arguments: Any) -> ColdFile:
        nonlocal is_erased
        if not is_erased:
            is_erased = True
            done = site.bridge("erase", "person-1", "--yes")
            assert done.returncode == 0, done.stderr
        return write(*arguments)

    return written


def test_what_is_erased_before_its_cold_file_is_written(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = tmp_path / "cold"
    id = take_out(site, "bridge.outbox", location, move=False)
    monkeypatch.setattr(cold_files, "write_file", erasing_before(cold_files.write_file, site))
    with connect(site.settings.database.url) as conn:
        steps = list(archive(House(conn, site.settings, lambda _seconds: True)))
    assert [step for step in steps if step.outcome is not Outcome.OK] == []
    assert site.scalar("select state from bridge.retired_partition where id = %s", id) == "dropped"
    assert files_with(location, NAME) == []
    assert site.bridge("archive", "verify").returncode == 0


def test_what_is_erased_before_its_export_is_written(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = tmp_path / "cold"
    with site.connect() as db:
        db.execute("update bridge.partition_policy set location = %s", (str(location),))
    leaf = site.scalar("select tableoid::regclass::text from bridge.outbox limit 1")
    monkeypatch.setattr(export_module, "write_file", erasing_before(export_module.write_file, site))
    with connect(site.settings.database.url) as conn:
        with pytest.raises(BridgeError, match=rf"rows of (bridge\.)?{leaf} were erased meanwhile"):
            export_module.export(conn, site.settings, leaf, None)
        assert [path for path in location.rglob("*") if path.is_file()] == []
        export_module.export(conn, site.settings, leaf, None)
    assert files_with(location, NAME) == []
    assert site.bridge("archive", "verify", str(location)).returncode == 0


def test_a_damaged_file_stops_it(site: Site, tmp_path: Path) -> None:
    location = tmp_path / "cold"
    take_out(site, "bridge.outbox", location, move=True)
    (file,) = location.rglob("*.avro")
    file.write_bytes(file.read_bytes()[:-20])
    stopped = site.bridge("erase", "person-1", "--yes")
    assert stopped.returncode == 6, stopped.stderr
    assert file.exists()
    assert site.scalar("select count(*) from bridge.erasure where finished_at is not null") == 0


def test_all_failpoints_are_met() -> None:
    assert set(ERASING) == {"erased_rows", "tombstoned", "cold_files_written", "cold_files_replaced"}
