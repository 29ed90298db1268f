"""Whatever happens to a keeper, its files or its storage: a row is in the table, or in files that are as written."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from fix_archive import Shelf
from fix_house import keep
from fix_relay import eventually, is_stopped

from bridge.admin.archive import manifests
from bridge.failpoint import ARCHIVING
from bridge.keeping import cold_file, cold_store
from bridge.keeping.cold_row import checksum_of
from bridge.keeping.manifest import read_manifest
from bridge.keeping.step import Outcome
from bridge.postgres.queries import query

TEXT = "(select string_agg(md5(g::text || n::text), '') from generate_series(1, 20) as n)"


@pytest.fixture
def shelf(database: str, tmp_path: Path) -> Iterator[Shelf]:
    with psycopg.connect(database, autocommit=True) as db:
        db.execute("set search_path = pg_catalog")
        yield Shelf(database, db, tmp_path / "cold")


def fill(shelf: Shelf, table: str, rows: int = 200) -> tuple[int, str]:
    """A table, and what it holds."""
    shelf.db.execute(
        f"create table {table} as select g as id, {TEXT} as text from generate_series(1, {rows}) g".encode()
    )
    return shelf.sums(table)


def held(manifest: str) -> tuple[int, str]:
    """What a manifest's files hold, read anew: rows and checksum."""
    known = read_manifest(manifest)
    rows, total = 0, 0
    for file in known.files:
        for stored in cold_file.unpack(known.coder, file, cold_store.read(file.path)):
            rows += 1
            total += checksum_of(stored)
    return rows, str(total)


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def kept(shelf: Shelf, id: int, table: str, before: tuple[int, str]) -> None:
    """Every row is in the table, or it is dropped and they are in its files."""
    if shelf.exists(table):
        assert shelf.sums(table) == before
        assert shelf.of(id, "state") != "dropped"
    else:
        assert shelf.of(id, "state") == "dropped"
        assert held(shelf.of(id, "location")) == before


@pytest.mark.parametrize("name", ARCHIVING)
def test_killed_at(shelf: Shelf, name: str) -> None:
    before = fill(shelf, "public.leaf")
    id = shelf.retire("public.leaf", rows=before[0])
    keeper = shelf.start_keeper(f"{name}:kill")
    assert keeper.wait(60) == -signal.SIGKILL, shelf.log.read_text()
    kept(shelf, id, "public.leaf", before)
    lying = {path: path.read_bytes() for path in shelf.files("*")}
    shelf.keep_well()
    assert not shelf.exists("public.leaf")
    kept(shelf, id, "public.leaf", before)
    assert {path: path.read_bytes() for path in lying} == lying  # none was written over


@pytest.mark.parametrize("name", ["cold_file_written", "cold_file_noted"])
def test_killed_between_files(shelf: Shelf, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The next goes on behind the last file that was noted."""
    monkeypatch.setattr(cold_file, "MAX_BYTES", 50_000)
    monkeypatch.setattr(cold_file, "BLOCK_BYTES", 10_000)
    before = fill(shelf, "public.leaf", 500)
    id = shelf.retire("public.leaf")
    keeper = shelf.start_keeper(f"{name}:kill@2", sizes=(50_000, 10_000))
    assert keeper.wait(60) == -signal.SIGKILL, shelf.log.read_text()
    noted = shelf.db.execute("select path from bridge.cold_file order by number").fetchall()
    assert len(noted) == (1 if name == "cold_file_written" else 2)
    shelf.keep_well()
    kept(shelf, id, "public.leaf", before)
    assert shelf.db.execute("select path from bridge.cold_file order by number").fetchall()[: len(noted)] == noted
    assert len(shelf.files()) == len(read_manifest(shelf.of(id, "location")).files) + (name == "cold_file_written")


@pytest.mark.parametrize("name", ["cold_file_written", "manifest_written"])
def test_thought_dead_and_alive_after_all(shelf: Shelf, name: str) -> None:
    """A keeper that sleeps while another does its work changes nothing of it when it wakes."""
    before = fill(shelf, "public.leaf")
    id = shelf.retire("public.leaf")
    sleeper = shelf.start_keeper(f"{name}:stop", owner="sleeper")
    eventually(lambda: is_stopped(sleeper.pid))
    shelf.keep_well()
    manifest = shelf.of(id, "location")
    sleeper.send_signal(signal.SIGCONT)
    sleeper.wait(60)
    assert shelf.of(id, "location") == manifest
    kept(shelf, id, "public.leaf", before)


def test_two_at_once(shelf: Shelf) -> None:
    """Past the lease: what each does is fenced by the state that it found."""
    sums = {f"public.leaf_{n}": fill(shelf, f"public.leaf_{n}", 300) for n in range(4)}
    ids = {table: shelf.retire(table) for table in sums}
    keepers = [shelf.start_keeper(owner=f"keeper {n}", leased=False) for n in range(2)]
    for keeper in keepers:
        assert keeper.wait(60) == 0, shelf.log.read_text()
    shelf.keep()
    for table, before in sums.items():
        assert not shelf.exists(table)
        kept(shelf, ids[table], table, before)


@pytest.mark.parametrize("pattern", ["*.avro", "manifest-*.json"])
def test_a_flipped_byte_blocks_the_drop(shelf: Shelf, pattern: str) -> None:
    before = fill(shelf, "public.leaf", 5)
    id = shelf.retire("public.leaf")
    keeper = shelf.start_keeper("exported:kill")
    assert keeper.wait(60) == -signal.SIGKILL, shelf.log.read_text()
    (path,) = shelf.files(pattern)
    size = path.stat().st_size
    for at in range(0, size, max(1, size // 40)):
        flip(path, at)
        (step, *more) = [step for step in shelf.keep() if step.outcome is not Outcome.OK]
        assert (step.outcome, more) == (Outcome.ERROR, []), at
        assert path.name in step.detail
        assert shelf.of(id, "trouble") == step.detail
        assert shelf.of(id, "state") == "exported"
        assert shelf.sums("public.leaf") == before
        flip(path, at)
    shelf.keep_well()
    assert (shelf.of(id, "state"), shelf.of(id, "trouble")) == ("dropped", None)


def test_files_that_were_damaged_since_they_were_verified_block_the_drop(shelf: Shelf) -> None:
    """Months may lie between: something needed the table."""
    before = fill(shelf, "public.leaf", 5)
    id = shelf.retire("public.leaf")
    shelf.db.execute("create view public.looks_at_it as select * from public.leaf")
    shelf.keep()
    assert shelf.of(id, "state") == "verified"
    shelf.db.execute("drop view public.looks_at_it")
    (path,) = shelf.files()
    flip(path, 100)
    shelf.keep()
    assert path.name in shelf.of(id, "trouble")
    assert shelf.sums("public.leaf") == before
    flip(path, 100)
    shelf.keep_well()
    kept(shelf, id, "public.leaf", before)


@pytest.mark.parametrize("state", ["exported", "verified"])
def test_a_late_write_is_not_lost(shelf: Shelf, state: str) -> None:
    fill(shelf, "public.leaf", 5)
    id = shelf.retire("public.leaf")
    keeper = shelf.start_keeper(f"{state}:kill")
    assert keeper.wait(60) == -signal.SIGKILL, shelf.log.read_text()
    shelf.db.execute("update public.leaf set text = text || '.' where id = 3")
    if state == "verified":
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="or other ones"):
            shelf.db.execute("select bridge.drop_verified(%s)", (id,))
    (step,) = [step for step in shelf.keep() if step.outcome is not Outcome.OK]
    assert step.outcome is Outcome.ERROR
    assert shelf.exists("public.leaf")
    assert "other ones" in str(shelf.of(id, "trouble"))


def test_a_late_write_is_noticed_before_it_is_verified(shelf: Shelf) -> None:
    fill(shelf, "public.leaf", 5)
    id = shelf.retire("public.leaf")
    keeper = shelf.start_keeper("exported:kill")
    assert keeper.wait(60) == -signal.SIGKILL, shelf.log.read_text()
    shelf.db.execute("insert into public.leaf values (6, 'late')")
    assert [step.outcome for step in shelf.keep()] == [Outcome.OK, Outcome.ERROR]
    assert shelf.of(id, "state") == "exported"


def test_a_file_of_an_export_that_was_begun_anew_counts_no_more(shelf: Shelf) -> None:
    """A keeper sleeps over its second file, while somebody begins anew with smaller ones."""
    before = fill(shelf, "public.leaf", 500)
    id = shelf.retire("public.leaf")
    sleeper = shelf.start_keeper("cold_file_written:stop@2", sizes=(50_000, 10_000), leased=False)
    eventually(lambda: is_stopped(sleeper.pid))
    shelf.db.execute("delete from bridge.cold_file")
    other = shelf.start_keeper("cold_file_noted:kill", sizes=(20_000, 5_000), leased=False)
    assert other.wait(60) == -signal.SIGKILL, shelf.log.read_text()
    sleeper.send_signal(signal.SIGCONT)
    assert sleeper.wait(60) == 0, shelf.log.read_text()
    shelf.keep_well()
    assert not shelf.exists("public.leaf")
    kept(shelf, id, "public.leaf", before)


def test_what_one_meets_stops_no_other(shelf: Shelf) -> None:
    """A view, another table of the name, a table that is gone, a count that differs, no such storage; one is well."""
    tables = [f"public.leaf_{n}" for n in range(6)]
    for table in tables:
        fill(shelf, table, 5)
    ids = [shelf.retire(table, rows=99 if table == tables[3] else None) for table in tables]
    shelf.db.execute("create view public.looks_at_it as select * from public.leaf_0")
    shelf.db.execute("alter table public.leaf_1 rename to former")
    shelf.db.execute("create table public.leaf_1 as select 1 as id")
    shelf.db.execute("drop table public.leaf_2")
    shelf.db.execute("update bridge.retired_partition set location = 'nowhere://x' where id = %s", (ids[4],))
    shelf.keep()
    troubles = [shelf.of(id, "trouble") for id in ids]
    words = ["depend", "is called public.former now", "is gone", "99 rows were counted", "nowhere"]
    assert [word in str(trouble) for word, trouble in zip(words, troubles, strict=False)] == [True] * 5, troubles
    assert [shelf.of(id, "state") for id in ids] == ["verified", *["detached"] * 4, "dropped"]
    assert shelf.exists("public.former")
    assert shelf.exists("public.leaf_1")


@pytest.mark.parametrize(("state", "becomes"), [("detached", 0), ("exported", 1), ("verified", 1)])
def test_a_table_that_somebody_drops_is_noted(shelf: Shelf, state: str, becomes: int) -> None:
    """The keeper does not ask for it for ever; its files count, where there are all of them."""
    before = fill(shelf, "public.leaf", 5)
    id = shelf.retire("public.leaf")
    point = {"detached": "cold_file_noted", "exported": "exported", "verified": "verified"}[state]
    keeper = shelf.start_keeper(f"{point}:kill")
    assert keeper.wait(60) == -signal.SIGKILL, shelf.log.read_text()
    assert shelf.of(id, "state") == state
    shelf.db.execute("drop table public.leaf")
    again = {"id": id, "location": str(shelf.location), "format": None}
    assert shelf.db.execute(query("export_again"), again).fetchall() == [], "its files are all there is"
    assert keep(shelf.url, "cleanup")[0].outcome is Outcome.OK
    assert (shelf.of(id, "state"), shelf.keep()) == ("dropped", [])
    known = manifests(shelf.db, None)
    assert [held(manifest) for manifest in known] == [before] * becomes


def test_a_full_disk(shelf: Shelf) -> None:
    before = fill(shelf, "public.leaf", 5)
    id = shelf.retire("public.leaf")
    full = shelf.start_keeper(file_size=100)
    assert full.wait(60) == 0, shelf.log.read_text()
    assert "File too large" in shelf.of(id, "trouble")
    assert shelf.files("*") == []  # nor half of one
    kept(shelf, id, "public.leaf", before)
    shelf.keep_well()
    kept(shelf, id, "public.leaf", before)


def test_a_copy_of_the_database_touches_no_file_of_the_original(shelf: Shelf) -> None:
    """Not even one with the same identity, to which the same numbers belong."""
    fill(shelf, "public.leaf", 50)
    id = shelf.retire("public.leaf")
    keeper = shelf.start_keeper("exported:kill")
    assert keeper.wait(60) == -signal.SIGKILL, shelf.log.read_text()
    original = {path: path.read_bytes() for path in shelf.files("*")}
    # As a physical copy would find itself that was made before the export.
    shelf.db.execute("delete from bridge.cold_file")
    shelf.db.execute(
        "update bridge.retired_partition set state = 'detached', location = %s where id = %s", (str(shelf.location), id)
    )
    shelf.keep_well()
    assert {path: path.read_bytes() for path in original} == original
    assert len(shelf.files("*")) == 2 * len(original)
    for manifest in shelf.files("manifest-*.json"):
        assert held(str(manifest))[0] == 50
