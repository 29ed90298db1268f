"""Cold files in an object store, found by AWS' own variables: archived, verified, restored and erased."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from fix_archive import Shelf, bridge, done, plain
from fix_database import unstamped
from fix_s3 import Bucket, open_bucket

from bridge.keeping.cold_erasure import erase_in, folders, look
from bridge.keeping.cold_file import records
from bridge.keeping.cold_store import read
from bridge.keeping.manifest import read_manifest
from bridge.keeping.step import Outcome
from bridge.keeping.subject import Subject
from bridge.postgres.connection import connect


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    """One server for all tests here, for it takes seconds to start; each has a folder of its own."""
    with open_bucket() as bucket, pytest.MonkeyPatch.context() as patch:
        for name, value in bucket.environment.items():
            patch.setenv(name, value)
        bucket.create()
        yield bucket


@pytest.fixture
def shelf(database: str, tmp_path: Path) -> Iterator[Shelf]:
    with psycopg.connect(database, autocommit=True) as db:
        db.execute("set search_path = pg_catalog")
        yield Shelf(database, db, tmp_path / "cold")


def retire(shelf: Shelf, folder: str, leaf: str, parent: str = "public.parent") -> int:
    id = shelf.retire(leaf, parent=parent)
    shelf.db.execute("update bridge.retired_partition set location = %s where id = %s", (folder, id))
    return id


def test_archived_and_restored(shelf: Shelf, bucket: Bucket) -> None:
    folder = bucket.folder()
    plain(shelf, "public.leaf", 1000)
    before = shelf.sums("public.leaf")
    id = retire(shelf, folder, "public.leaf")
    shelf.keep_well()
    assert not shelf.exists("public.leaf")
    manifest = shelf.of(id, "location")
    assert manifest.startswith(folder)
    assert bucket.files(folder, "manifest-*.json") == [manifest]
    assert json.loads(read(manifest))["rows"] == 1000
    assert "1,000 rows in 1 file" in done(shelf, "verify", folder)
    done(shelf, "restore", str(id))
    assert shelf.sums("public.leaf") == before


def test_a_flipped_byte_blocks_the_drop(shelf: Shelf, bucket: Bucket) -> None:
    folder = bucket.folder()
    plain(shelf, "public.leaf")
    before = shelf.sums("public.leaf")
    id = retire(shelf, folder, "public.leaf")
    shelf.start_keeper("exported:kill").wait(60)
    assert shelf.of(id, "state") == "exported", shelf.log.read_text()
    (path,) = bucket.files(folder, "part-*")
    good = read(path)
    bucket.write(path, good[:99] + bytes([good[99] ^ 1]) + good[100:])
    (step,) = [step for step in shelf.keep() if step.outcome is not Outcome.OK]
    assert "is not what was written" in step.detail
    assert shelf.sums("public.leaf") == before
    assert bridge(shelf, "verify", folder).returncode == 6
    bucket.write(path, good)
    shelf.keep_well()
    assert shelf.of(id, "state") == "dropped"


@pytest.mark.parametrize("format", ["avro", "parquet"])
def test_a_subject_is_erased(shelf: Shelf, bucket: Bucket, format: str) -> None:
    folder, shelf = bucket.folder(), replace(shelf, format=format)
    shelf.db.execute("create table bridge.outbox_taken (like bridge.outbox including all)")
    with unstamped(shelf.db):
        shelf.db.execute("""
            insert into bridge.outbox_taken (seq, shard, event_type, event_key, payload)
            select g, 0, 'thing.changed', 'k' || g, '{"secret": "Ada"}' from generate_series(1, 10) as g""")
    id = retire(shelf, folder, "bridge.outbox_taken", "bridge.outbox")
    shelf.keep_well()
    (former,) = bucket.files(folder, "part-*")
    subject = Subject("k3")
    with connect(shelf.url) as conn:
        ((found,), others) = folders(conn, subject)
        held = look(found, subject, lambda: None)
        assert (held.rows, held.files, others) == (1, (former,), [])
        erase_in(conn, found, subject, held, str(uuid.uuid4()), lambda: None)
        ((found,), _) = folders(conn, subject)
        assert look(found, subject, lambda: None).rows == 0
    (path,) = bucket.files(folder, "part-*")
    assert path != former
    assert path.endswith(f".{format}")
    assert [row["event_key"] for row in records(path, read(path)) if "Ada" not in str(row["payload"])] == ["k3"]
    assert read_manifest(shelf.of(id, "location")).rows == 10
    done(shelf, "verify", str(id))


def test_a_store_that_is_away(shelf: Shelf, bucket: Bucket) -> None:
    """Nothing is lost, and it is told where it could not be written."""
    plain(shelf, "public.leaf")
    id = retire(shelf, "s3://no-such-bucket/x", "public.leaf")
    assert [step.outcome for step in shelf.keep()] == [Outcome.ERROR]
    assert "s3://no-such-bucket/x" in shelf.of(id, "trouble")
    assert shelf.exists("public.leaf")
