"""What the keeper reads of a user's table is that table, whoever's view has its name by then, and runs no code of his.

The lock of a table keeps its name, and not that of its schema: its owner may give that to another one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from fix_archive import RETIRE

from bridge.admin.export import export
from bridge.keeping.manifest import read_manifest
from bridge.keeping.retired import fetched, open_retired
from bridge.postgres.connection import connect
from bridge.settings import DatabaseSettings, Settings

Db = psycopg.Connection[Any]
# Of a role whose function says as whom it ran; and the exchange, as soon as anybody has made a view.
SCENE: LiteralString = """
    create schema here; create schema trap;
    create table here.leaf as select g as id, now() as at from generate_series(1, 10) as g;
    create table here.p (id int, at timestamptz) partition by range (at);
    create table here.p_d partition of here.p default;
    insert into here.p values (1, now());
    create function trap.f() returns int immutable language plpgsql as
        $$ begin raise exception 'ran as %', current_user; end $$;
    create view trap.leaf as select 1 as id, now() as at where trap.f() = 1;
    create view trap.p_d as select 1 as id, now() as at where trap.f() = 1"""
SWAP: LiteralString = """
    create function public.swap() returns event_trigger language plpgsql as $$ begin
        if to_regnamespace('trap') is not null then
            alter schema here rename to there;
            alter schema trap rename to here;
        end if;
    end $$;
    create event trigger swapping on ddl_command_end when tag in ('CREATE VIEW') execute function public.swap()"""


@pytest.fixture
def db(either_version: str, unique: str) -> Iterator[Db]:
    with psycopg.connect(either_version, autocommit=True) as conn:
        conn.execute(f"create role {unique}; grant create on database {conn.info.dbname} to {unique}".encode())
        try:
            conn.execute(f"set role {unique}".encode())
            conn.execute(SCENE)
            conn.execute("reset role")
            conn.execute("select bridge.set_partition_policy('here.p', step => 'day')")
            yield conn
        finally:
            conn.execute("drop event trigger if exists swapping")
            conn.execute(f"drop owned by {unique} cascade; drop role {unique}".encode())


def retired(db: Db, expiry: str, state: str = "detached") -> int:
    """The table as one that was taken out, counted and, if it goes by files, summed up; the exchange is to come."""
    (id,) = db.execute(RETIRE, ("here.p", "here.leaf", "here.leaf", "/nowhere", "avro", 10)).fetchone() or (0,)
    (checksum,) = db.execute("select checksum from bridge.sum_rows('here.leaf'::regclass)").fetchone() or ("",)
    change = "update bridge.retired_partition set expiry = %s, state = %s, checksum = %s where id = %s"
    db.execute(change, (expiry, state, checksum, id))
    db.execute("insert into bridge.cold_file (partition, number, path, rows, bytes, sha256, checksum, last_place)"
               " values (%s, 1, 'x', 10, 1, 'x', %s, '(0,10)')", (id, checksum))  # fmt: skip
    db.execute(SWAP)
    return int(id)


def swapped(db: Db) -> bool:
    return db.execute("select to_regnamespace('there') is not null").fetchone() == (True,)


@pytest.mark.parametrize(
    ("statement", "expiry", "state", "is_dropped"),
    [
        ("select bridge.count_retired(%s)", "drop", "detached", False),
        ("select bridge.drop_retired(%s)", "drop", "detached", True),
        ("select rows from bridge.sum_retired(%s)", "files", "exported", False),
        ("select bridge.drop_verified(%s)", "files", "verified", True),
    ],
)
def test_a_table_that_was_taken_out(
    db: Db, statement: LiteralString, expiry: str, state: str, *, is_dropped: bool
) -> None:
    id = retired(db, expiry, state)
    found = db.execute(statement, (id,)).fetchone()
    assert found == (("",) if is_dropped else (10,))
    assert swapped(db)
    assert db.execute("select to_regclass('there.leaf') is null").fetchone() == (is_dropped,)
    assert db.execute("select count(*) from pg_views where schemaname = 'bridge_tracking'").fetchone() == (0,)


def test_a_default_partition(db: Db) -> None:
    db.execute(SWAP)
    (told,) = db.execute("select bridge.adopt_default('here.p')").fetchone() or ("",)
    assert swapped(db)
    assert told.startswith("the default partition is there.")


def test_rows_for_cold_files(db: Db, either_version: str) -> None:
    id = retired(db, "files")
    with connect(either_version) as conn, conn.transaction(force_rollback=True):
        open_retired(conn, id, "(0,0)")
        rows = list(fetched(conn))
        assert swapped(conn)
    assert [stored[0] for _, stored in rows] == [str(number) for number in range(1, 11)]


def test_a_table_that_a_person_exports(db: Db, either_version: str, tmp_path: Path) -> None:
    db.execute(SWAP)
    settings = Settings(database=DatabaseSettings(either_version))
    with connect(either_version) as conn:
        manifest = export(conn, settings, "here.leaf", str(tmp_path))
    assert read_manifest(manifest).rows == 10


def test_status_reads_no_table_in_a_schema_of_others(db: Db) -> None:
    """It is asked by readers, and makes no view."""
    db.execute(f"alter table here.p owner to {db.info.user}; alter table here.p_d owner to {db.info.user}".encode())
    locked = "select count(*) from pg_locks where pid = pg_backend_pid() and relation = 'here.p_d'::regclass"
    with db.transaction():
        db.execute("select from bridge.partition_status where parent = 'here.p'::regclass")
        assert db.execute(locked).fetchone() == (0,)
