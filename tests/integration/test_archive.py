"""Cold files: every value comes back as it was, and nothing is dropped that is not in them."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import fastavro
import orjson
import psycopg
import pytest
from fix_archive import Shelf, bridge, done, in_binary, plain
from fix_command import data_of
from fix_database import unstamped
from hostile_table import hostile
from psycopg import errors

from bridge.admin.archive import manifests, verify
from bridge.admin.restore import restore
from bridge.keeping import cold_file, cold_store
from bridge.keeping.archive import archive
from bridge.keeping.keeper import Keeper
from bridge.keeping.step import House, Outcome
from bridge.postgres.connection import connect
from bridge.settings import Settings


@pytest.fixture
def shelf(either_version: str, tmp_path: Path) -> Iterator[Shelf]:
    with psycopg.connect(either_version, autocommit=True) as db:
        db.execute("set search_path = pg_catalog")
        yield Shelf(either_version, db, tmp_path / "cold")


def test_hostile_values_are_archived(shelf: Shelf) -> None:
    table = 'public."Odd ""t é"'
    hostile(shelf, table)
    before = shelf.sums(table)
    id = shelf.retire(table, rows=before[0])
    steps = shelf.keep_well()
    assert [step.action for step in steps] == [
        *("write_cold_file", "write_manifest", "verify_cold_file", "verify_cold_files", "drop_table"),
    ]
    assert not shelf.exists(table)
    assert (shelf.of(id, "state"), shelf.of(id, "rows"), shelf.of(id, "checksum")) == ("dropped", *before)


def test_others_can_read_a_file(shelf: Shelf) -> None:
    plain(shelf, "public.leaf", 3)
    shelf.db.execute("alter table public.leaf add moment timestamptz default '2020-01-02 03:04:05.678901+00'")
    shelf.retire("public.leaf")
    shelf.keep_well()
    (file,) = shelf.files()
    with file.open("rb") as stream:
        reader = fastavro.reader(stream)
        rows = [(row["id"], row["text"], row["moment"].isoformat()) for row in reader]
    assert rows == [(n, "x" * 20, "2020-01-02T03:04:05.678901+00:00") for n in (1, 2, 3)]
    assert reader.codec == "zstandard"
    (manifest,) = shelf.files("manifest-*.json")
    document = json.loads(manifest.read_text())
    assert document["rows"] == 3
    assert document["table"]["leaf"] == "public.leaf"
    assert [column["type"] for column in document["columns"]] == ["integer", "text", "timestamp with time zone"]
    assert document["source"]["system_identifier"] == str(
        shelf.db.execute("select system_identifier from pg_control_system()").fetchone()[0]  # type: ignore[index]
    )


def test_a_table_goes_into_several_files(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold_file, "MAX_BYTES", 300_000)
    monkeypatch.setattr(cold_file, "BLOCK_BYTES", 50_000)
    random = "(select string_agg(md5(g::text || n::text), '') from generate_series(1, 20) as n)"
    plain(shelf, "public.leaf", 2000, random)
    before = shelf.sums("public.leaf")
    id = shelf.retire("public.leaf")
    shelf.keep_well()
    assert len(shelf.files()) > 2
    assert max(file.stat().st_size for file in shelf.files()) < 400_000
    assert (shelf.of(id, "rows"), shelf.of(id, "checksum")) == before


def test_an_empty_table_and_one_without_columns(shelf: Shelf) -> None:
    plain(shelf, "public.empty", 0)
    shelf.db.execute("create table public.bare ()")
    shelf.db.execute("insert into public.bare default values")
    first, second = shelf.retire("public.empty"), shelf.retire("public.bare")
    shelf.keep_well()
    assert [shelf.of(id, "state") for id in (first, second)] == ["dropped", "dropped"]
    assert [shelf.of(id, "rows") for id in (first, second)] == [0, 1]


def test_the_restore_drill(shelf: Shelf) -> None:
    """Exported, dropped and restored, it is what it was, column by column, in Postgres' binary form."""
    table = 'public."Odd ""t é"'
    hostile(shelf, table)
    shelf.db.execute(f"alter table {table} add number serial not null".encode())
    shelf.db.execute(f"alter table {table} drop column whole".encode())
    before = in_binary(shelf, table, "number")
    types = "select name, type, is_not_null from bridge.cold_columns(%s::regclass)"
    columns = shelf.db.execute(types, (table,)).fetchall()
    id = shelf.retire(table)
    shelf.keep_well()
    assert not shelf.exists(table)
    assert done(shelf, "restore", str(id)).endswith(f" rows are in {table}\n")
    assert in_binary(shelf, table, "number") == before
    assert shelf.db.execute(types, (table,)).fetchall() == columns
    again = bridge(shelf, "restore", str(id))
    assert (again.returncode, f"{table} already" in again.stderr, "--as" in again.stderr) == (4, True, True)
    assert ' public."Other"\n' in done(shelf, "restore", shelf.of(id, "location"), "--as", '"Other"')
    assert in_binary(shelf, 'public."Other"', "number") == before


def test_large_rows(shelf: Shelf) -> None:
    plain(shelf, "public.leaf", 40, "(select string_agg(md5(g::text || n::text), '') from generate_series(1, 32768) n)")
    before = shelf.sums("public.leaf")
    id = shelf.retire("public.leaf")
    shelf.keep_well()
    assert max(file.stat().st_size for file in shelf.files()) < cold_file.MAX_BYTES + 2_000_000
    done(shelf, "restore", str(id))
    assert shelf.sums("public.leaf") == before


def test_a_partition_of_the_outbox(shelf: Shelf) -> None:
    bounds = "for values from ('2020-01-01') to ('2020-01-02')"
    shelf.db.execute(f"create table bridge.outbox_old partition of bridge.outbox {bounds}".encode())
    with unstamped(shelf.db):
        shelf.db.execute("""
            insert into bridge.outbox (seq, shard, event_type, event_key, payload, created_at)
            select g, 0, 'thing.changed', 'k' || g, jsonb_build_object('n', g), '2020-01-01 12:00+00'
              from generate_series(1, 1000) as g""")
    shelf.db.execute("alter table bridge.outbox detach partition bridge.outbox_old")
    before = in_binary(shelf, "bridge.outbox_old", "seq")
    id = shelf.retire("bridge.outbox_old", parent="bridge.outbox", rows=1000)
    shelf.keep_well()
    done(shelf, "restore", str(id))
    assert in_binary(shelf, "bridge.outbox_old", "seq") == before
    # By hand it can be a table partition again.
    shelf.db.execute(f"alter table bridge.outbox attach partition bridge.outbox_old {bounds}".encode())


def test_what_retention_takes_out_by_its_policy(shelf: Shelf) -> None:
    shelf.db.execute("create table public.reading (id int, at timestamptz not null) partition by range (at)")
    bounds = "for values from ('2020-01-01 00:00+00') to ('2020-01-02 00:00+00')"
    shelf.db.execute(f"create table public.reading_old partition of public.reading {bounds}".encode())
    shelf.db.execute("insert into public.reading select g, '2020-01-01 12:00+00' from generate_series(1, 100) as g")
    before = shelf.sums("public.reading_old")
    policy = """
        insert into bridge.partition_policy (parent, control, step, premake, keep_for, expiry, location)
        values ('public.reading', 'at', 'day', 1, '30 days', 'files', %s)"""
    shelf.db.execute(policy, (str(shelf.location),))
    with connect(shelf.url) as conn:
        runs = Keeper("test").keep(
            House(conn, Settings(), lambda _seconds: True), ["retention", "archive"], at_once=True
        )
    assert runs is not None
    assert [step for run in runs for step in run.steps if step.outcome is not Outcome.OK] == []
    shelf.keep_well()  # whichever of the two came first
    assert not shelf.exists("public.reading_old")
    (known,) = data_of(done(shelf, "list", "--json"))
    assert (known["parent"], known["state"], known["rows"]) == ("public.reading", "dropped", 100)
    assert known["range_from"].startswith("2020-01-01")
    done(shelf, "restore", str(known["id"]))
    assert shelf.sums("public.reading_old") == before


def test_list(shelf: Shelf) -> None:
    assert "Nothing" in bridge(shelf, "list").stderr
    plain(shelf, "public.leaf")
    id = shelf.retire("public.leaf")
    assert data_of(done(shelf, "list", "--json"))[0]["state"] == "detached"
    shelf.keep_well()
    (known,) = data_of(done(shelf, "list", "--json"))
    assert (known["id"], known["state"], known["rows"], known["files"]) == (id, "dropped", 10, 1)
    assert "public.leaf  dropped, 10 rows, 1 files" in done(shelf, "list")


def test_verify(shelf: Shelf) -> None:
    for table in ("public.one", "public.two"):
        plain(shelf, table)
        shelf.retire(table)
    shelf.keep_well()
    assert done(shelf, "verify").count("10 rows in 1 file") == 2
    assert done(shelf, "verify", str(shelf.location)).count("10 rows in 1 file") == 2
    assert done(shelf, "verify", "1").count("public.one") == 1
    path = shelf.files()[0]
    good = path.read_bytes()
    path.write_bytes(good[:-1])
    for arguments in ([], [str(shelf.location)], ["1"]):
        damaged = bridge(shelf, "verify", *arguments)
        assert damaged.returncode == 6, damaged
        assert path.name in damaged.stdout
    assert bridge(shelf, "restore", "1").returncode == 6
    assert not shelf.exists("public.one")
    assert bridge(shelf, "verify", "2").returncode == 0
    path.unlink()
    assert "is not there" in bridge(shelf, "verify", "1").stdout
    assert bridge(shelf, "verify", "3").returncode == 4


def test_export_of_a_table_that_is_in_use(shelf: Shelf) -> None:
    shelf.db.execute("create table public.parent (id int, at timestamptz) partition by range (at)")
    bounds = "for values from ('2020-01-01') to ('2020-02-01')"
    shelf.db.execute(f"create table public.leaf partition of public.parent {bounds}".encode())
    shelf.db.execute("insert into public.parent select g, '2020-01-02' from generate_series(1, 100) as g")
    assert bridge(shelf, "export", "public.leaf").returncode == 4  # where to?
    assert bridge(shelf, "export", "public.parent", "--to", str(shelf.location)).returncode == 4
    manifest = done(shelf, "export", "public.leaf", "--to", str(shelf.location)).strip()
    assert shelf.sums("public.leaf")[0] == 100
    done(shelf, "restore", manifest, "--as", "public.copy")
    assert shelf.sums("public.copy") == shelf.sums("public.leaf")


def test_a_table_with_anothers_code_is_not_exported(shelf: Shelf) -> None:
    """What is constant in its indexes would be computed with the rights of whoever exports it."""
    role = f"owner_{secrets.token_hex(4)}"
    plain(shelf, "public.leaf")
    shelf.db.execute(f"create role {role}; alter table public.leaf owner to {role}".encode())
    try:
        done(shelf, "export", "public.leaf", "--to", str(shelf.location))
        shelf.db.execute(
            "create function public.evil() returns int immutable language plpgsql as 'begin return 1; end';"
            " create index on public.leaf (id) where public.evil() = 1"
        )
        shelf.db.execute(f"alter function public.evil owner to {role}".encode())
        shelf.db.execute("create or replace function public.evil() returns int immutable language plpgsql"
                         " as 'begin raise exception ''it ran''; end'")  # fmt: skip
        refused = bridge(shelf, "export", "public.leaf", "--to", str(shelf.location))
        assert refused.returncode == 3
        assert f"function public.evil() of {role} in index public.leaf" in refused.stderr
    finally:
        shelf.db.execute("drop function public.evil cascade")
        shelf.db.execute(f"drop owned by {role} cascade; drop role {role}".encode())


def test_export_again_where_a_file_is_damaged(shelf: Shelf) -> None:
    plain(shelf, "public.leaf")
    id = shelf.retire("public.leaf")
    keeper = shelf.start_keeper("exported:kill")
    keeper.wait(60)
    (path,) = shelf.files()
    path.write_bytes(b"")
    assert [step.outcome for step in shelf.keep()] == [Outcome.ERROR]
    manifest = done(shelf, "export", "public.leaf").strip()
    assert (shelf.of(id, "state"), shelf.of(id, "location"), shelf.of(id, "trouble")) == ("verified", manifest, None)
    assert path.read_bytes() == b""  # it is in nobody's way
    shelf.keep_well()
    done(shelf, "verify", str(id))


def test_a_manifest_of_somebody_elses_is_no_sql(shelf: Shelf) -> None:
    """Its checksum keeps nobody from writing another one."""
    plain(shelf, "public.leaf")
    shelf.retire("public.leaf")
    shelf.keep_well()
    (path,) = shelf.files("manifest-*.json")
    for bad in ("int); drop table bridge.outbox cascade; --", "int default pg_sleep(1)", "int, more text", "int -- "):
        document = json.loads(path.read_text())
        del document["sha256"]
        document["columns"][0]["type"] = bad
        document["sha256"] = hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()
        path.write_bytes(orjson.dumps(document))
        result = bridge(shelf, "restore", str(path))
        assert result.returncode in ((0,) if bad == "int -- " else (4, 6)), result
    assert shelf.exists("bridge.outbox")


def test_another_store_than_a_directory(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold_store, "STORES", cold_store.STORES | {"memory"})
    plain(shelf, "public.leaf")
    before = shelf.sums("public.leaf")
    id = shelf.retire("public.leaf")
    bucket = f"memory:///{secrets.token_hex(4)}"
    shelf.db.execute("update bridge.retired_partition set location = %s where id = %s", (f"{bucket}/cold", id))
    shelf.keep_well()
    location = shelf.of(id, "location")
    assert location.startswith(bucket)
    with connect(shelf.url) as conn:
        assert [verdict.trouble for verdict in verify(manifests(conn, bucket))] == [None]
        restore(conn, location, None)
    assert shelf.sums("public.leaf") == before


def test_the_documented_rights_are_enough(shelf: Shelf) -> None:
    """And a table of another's making, of the name or with code in it, is left alone."""
    role = f"keeper_{secrets.token_hex(4)}"
    shelf.db.execute(f"create role {role}".encode())
    try:
        shelf.db.execute("select bridge.grant_relay(%s)", (role,))
        plain(shelf, "public.leaf")
        plain(shelf, "public.trap")
        shelf.db.execute(
            "create function public.evil(int) returns int immutable language plpgsql as 'begin return 1; end'"
        )
        shelf.db.execute("create index on public.trap (public.evil(id))")
        shelf.db.execute(f"alter function public.evil owner to {role}".encode())
        leaf, trap = shelf.retire("public.leaf"), shelf.retire("public.trap")
        with connect(shelf.url) as conn:
            conn.execute(f"set role {role}".encode())
            steps = list(archive(House(conn, Settings(), lambda _seconds: True)))
            with pytest.raises(errors.InsufficientPrivilege):
                conn.execute("update bridge.retired_partition set relation = 'bridge.outbox'::regclass")
            with pytest.raises(errors.ObjectNotInPrerequisiteState):
                conn.execute("select bridge.drop_verified(%s)", (leaf,))
        assert [step.detail for step in steps if step.outcome is not Outcome.OK] == [shelf.of(trap, "trouble")]
        assert f"function public.evil(integer) of {role} in index public.trap" in shelf.of(trap, "trouble")
        assert shelf.of(leaf, "state") == "dropped"
    finally:
        shelf.db.execute(f"drop owned by {role} cascade".encode())
        shelf.db.execute(f"drop role {role}".encode())
