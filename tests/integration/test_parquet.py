"""Cold files in Parquet: what `test_archive.py` says of Avro."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
import pytest
from fix_archive import Shelf, bridge, done, in_binary, plain
from fix_command import data_of
from hostile_table import hostile

from bridge.admin.archive import manifests, verify
from bridge.errors import ConfigError
from bridge.keeping import cold_file, parquet_file
from bridge.keeping.step import Outcome
from bridge.postgres.connection import connect


@pytest.fixture
def shelf(database: str, tmp_path: Path) -> Iterator[Shelf]:
    with psycopg.connect(database, autocommit=True) as db:
        db.execute("set search_path = pg_catalog")
        yield Shelf(database, db, tmp_path / "cold", "parquet")


def test_the_restore_drill(shelf: Shelf) -> None:
    """Exported, dropped and restored, it is what it was, column by column, in Postgres' binary form."""
    table = 'public."Odd ""t é"'
    hostile(shelf, table)
    shelf.db.execute(f"alter table {table} add number serial not null".encode())
    before = in_binary(shelf, table, "number")
    id = shelf.retire(table, rows=shelf.sums(table)[0])
    shelf.keep_well()
    assert not shelf.exists(table)
    assert len(shelf.files()) == 1
    done(shelf, "verify", str(id))
    done(shelf, "restore", str(id))
    assert in_binary(shelf, table, "number") == before


def test_others_can_read_a_file(shelf: Shelf) -> None:
    """Times that have no number stand beside."""
    plain(shelf, "public.leaf", 3)
    shelf.db.execute("alter table public.leaf add moment timestamptz default '2020-01-02 03:04:05.678901+00'")
    shelf.db.execute("update public.leaf set moment = 'infinity' where id = 3")
    shelf.retire("public.leaf")
    shelf.keep_well()
    (path,) = shelf.files()
    file = pq.ParquetFile(path)
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    moment = datetime(2020, 1, 2, 3, 4, 5, 678901, UTC)
    assert file.read().to_pylist() == [
        {"id": 1, "text": "x" * 20, "moment": moment, "moment_text": None},
        {"id": 2, "text": "x" * 20, "moment": moment, "moment_text": None},
        {"id": 3, "text": "x" * 20, "moment": None, "moment_text": "infinity"},
    ]
    assert file.schema_arrow.field("moment").metadata[b"postgresType"] == b"timestamp with time zone"


def test_a_table_goes_into_several_files(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold_file, "MAX_BYTES", 300_000)
    monkeypatch.setattr(cold_file, "BLOCK_BYTES", 10_000)
    random = "(select string_agg(md5(g::text || n::text), '') from generate_series(1, 20) as n)"
    plain(shelf, "public.leaf", 2000, random)
    before = shelf.sums("public.leaf")
    id = shelf.retire("public.leaf")
    shelf.keep_well()
    assert len(shelf.files()) > 2
    assert max(file.stat().st_size for file in shelf.files()) < 500_000
    assert (shelf.of(id, "rows"), shelf.of(id, "checksum")) == before
    done(shelf, "restore", str(id))
    assert shelf.sums("public.leaf") == before


def test_an_empty_table_and_one_without_columns(shelf: Shelf) -> None:
    plain(shelf, "public.empty", 0)
    shelf.db.execute("create table public.bare ()")
    shelf.db.execute("insert into public.bare default values")
    first, second = shelf.retire("public.empty"), shelf.retire("public.bare")
    shelf.keep_well()
    assert [shelf.of(id, "rows") for id in (first, second)] == [0, 1]
    done(shelf, "restore", str(second))
    assert shelf.sums("public.bare")[0] == 1


def test_columns_whose_names_meet_the_second_ones(shelf: Shelf) -> None:
    shelf.db.execute("create table public.leaf (at timestamp, at_text text, at_text_ timestamp)")
    shelf.db.execute("insert into public.leaf values ('infinity', 'own', '-infinity'), ('2020-01-01', null, null)")
    before = shelf.sums("public.leaf")
    id = shelf.retire("public.leaf")
    shelf.keep_well()
    done(shelf, "restore", str(id))
    assert shelf.sums("public.leaf") == before


def test_a_flipped_byte_blocks_the_drop(shelf: Shelf) -> None:
    plain(shelf, "public.leaf")
    before = shelf.sums("public.leaf")
    id = shelf.retire("public.leaf")
    shelf.start_keeper("exported:kill").wait(60)
    (path,) = shelf.files()
    good = path.read_bytes()
    for at in range(0, len(good), max(1, len(good) // 20)):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        (step,) = [step for step in shelf.keep() if step.outcome is not Outcome.OK]
        assert path.name in step.detail
        assert shelf.sums("public.leaf") == before
        with connect(shelf.url) as conn:
            assert [verdict.trouble is None for verdict in verify(manifests(conn, str(id)))] == [False]
    assert bridge(shelf, "verify", str(id)).returncode == 6
    path.write_bytes(good)
    shelf.keep_well()
    assert shelf.of(id, "state") == "dropped"


def test_by_policy_and_by_hand(shelf: Shelf) -> None:
    """Retention takes the format from the policy; what is exported again may have another."""
    shelf.db.execute("create table public.reading (id int, at timestamptz not null) partition by range (at)")
    bounds = "for values from ('2020-01-01 00:00+00') to ('2020-01-02 00:00+00')"
    shelf.db.execute(f"create table public.reading_old partition of public.reading {bounds}".encode())
    shelf.db.execute("insert into public.reading select g, '2020-01-01 12:00+00' from generate_series(1, 100) as g")
    before = shelf.sums("public.reading_old")
    policy = "select (bridge.set_partition_policy(%s, step => 'day', keep_for => '30 days', expiry => 'files'," \
        " location => %s, format => %s)).format"  # fmt: skip
    made = shelf.db.execute(policy, ("public.reading", str(shelf.location), "parquet")).fetchone()
    assert made == ("parquet",)
    assert shelf.db.execute(policy, ("public.reading", None, None)).fetchone() == ("parquet",)
    done(shelf, "export", "public.reading_old")
    assert len(shelf.files()) == 1
    done(shelf, "export", "public.reading_old", "--format", "avro")
    assert len(shelf.files("*.avro")) == 1
    shelf.db.execute("select bridge.retire_partition('public.reading_old')")
    shelf.keep_well()
    (known,) = data_of(done(shelf, "list", "--json"))
    assert (known["state"], known["rows"], known["format"]) == ("dropped", 100, "parquet")
    assert len(shelf.files()) == 2
    done(shelf, "restore", str(known["id"]))
    assert shelf.sums("public.reading_old") == before


def test_without_pyarrow(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told what to install, and nothing is lost."""
    plain(shelf, "public.leaf")
    id = shelf.retire("public.leaf")

    with monkeypatch.context() as without:
        without.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(ConfigError, match="need pyarrow") as told:
            parquet_file.read_parquet(b"")
        assert "bridge-cdc[parquet]" in str(told.value)
        assert [step.outcome for step in shelf.keep()] == [Outcome.ERROR]
    assert "bridge-cdc[parquet]" in shelf.of(id, "trouble")
    assert shelf.exists("public.leaf")
    shelf.keep_well()
    assert shelf.of(id, "trouble") is None
