"""Table partitions that are on their way into cold files."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from forked import run
from psycopg import sql

from bridge.keeping import cold_file
from bridge.keeping.archive import archive
from bridge.keeping.step import House, Outcome, Step
from bridge.postgres.connection import connect
from bridge.settings import Settings

Db = psycopg.Connection[Any]
KEEPER = """
import resource, signal, sys
from bridge.keeping import cold_file
from bridge.keeping.archive import archive
from bridge.keeping.keeper import Keeper
from bridge.keeping.step import House
from bridge.postgres.connection import connect
from bridge.settings import Settings
url, owner, leased, max_bytes, block_bytes, file_size = sys.argv[1:]
cold_file.MAX_BYTES, cold_file.BLOCK_BYTES = int(max_bytes), int(block_bytes)
if int(file_size):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(file_size), int(file_size)))
with connect(url) as conn:
    house = House(conn, Settings(), lambda _seconds: True)
    if leased == "True":
        Keeper(owner).keep(house, ["archive"], at_once=True)
    else:
        list(archive(house))
"""
RETIRE = """
    insert into bridge.retired_partition (parent, leaf, relation, range_from, range_to, expiry, location, format, rows)
    values (%s, %s, %s::regclass, '2020-01-01', '2020-01-02', 'files', %s, %s, %s) returning id"""


@dataclass(frozen=True)
class Shelf:
    """A database, and where its cold files go."""

    url: str
    db: Db
    location: Path
    format: str = "avro"

    @property
    def log(self) -> Path:
        """What keepers in processes of their own have said."""
        return Path(f"{self.location}.log")

    def retire(self, leaf: str, *, parent: str = "public.parent", rows: int | None = None) -> int:
        """Write a table down as a partition that was taken out; returns its number."""
        row = self.db.execute(RETIRE, (parent, leaf, leaf, str(self.location), self.format, rows)).fetchone()
        assert row is not None
        return int(row[0])

    def keep(self) -> list[Step]:
        """Run the job to its end."""
        with connect(self.url) as conn:
            return list(archive(House(conn, Settings(), lambda _seconds: True)))

    def keep_well(self) -> list[Step]:
        """Run it; nothing fails."""
        steps = self.keep()
        assert [step for step in steps if step.outcome is not Outcome.OK] == []
        return steps

    def start_keeper(
        self,
        failpoint: str | None = None,
        *,
        owner: str = "test",
        leased: bool = True,
        sizes: tuple[int, int] = (cold_file.MAX_BYTES, cold_file.BLOCK_BYTES),
        file_size: int = 0,
    ) -> subprocess.Popen[bytes]:
        """A keeper in a process of its own, for this job alone; `file_size` is the most that it may write to one."""
        environment = {**os.environ, **({"BRIDGE_FAILPOINT": failpoint} if failpoint else {})}
        command = [sys.executable, "-c", KEEPER, self.url, owner, *map(str, (leased, *sizes, file_size))]
        with self.log.open("a") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def of(self, id: int, column: str) -> Any:
        """A column of its row."""
        query = f"select {column} from bridge.retired_partition where id = %s"
        row = self.db.execute(query.encode(), (id,)).fetchone()
        assert row is not None
        return row[0]

    def files(self, pattern: str = "") -> list[Path]:
        """What lies in the location, by name: the files with rows, if no pattern is given."""
        return sorted(path for path in self.location.rglob(pattern or f"*.{self.format}") if path.is_file())

    def sums(self, table: str) -> tuple[int, str]:
        """Rows and checksum of a table, as the database computes them."""
        row = self.db.execute("select * from bridge.sum_rows(%s::regclass)", (table,)).fetchone()
        assert row is not None
        return row

    def exists(self, table: str) -> bool:
        """Whether there is such a table."""
        row = self.db.execute("select to_regclass(%s) is not null", (table,)).fetchone()
        assert row is not None
        return bool(row[0])


def plain(shelf: Shelf, table: str, rows: int = 10, text: str = "repeat('x', 20)") -> None:
    shelf.db.execute(
        f"create table {table} as select g as id, {text} as text from generate_series(1, {rows}) g".encode()
    )


def bridge(shelf: Shelf, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(["archive", *arguments], {**os.environ, "BRIDGE_DATABASE_URL": shelf.url})


def done(shelf: Shelf, *arguments: str) -> str:
    result = bridge(shelf, *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


def in_binary(shelf: Shelf, table: str, order: str) -> bytes:
    """A table as Postgres sends it in binary form, which no output function has made text of."""
    names = [name for (name,) in shelf.db.execute("select name from bridge.cold_columns(%s::regclass)", (table,))]
    query = sql.SQL("copy (select {} from {} order by {}) to stdout (format binary)").format(
        sql.SQL(", ").join(map(sql.Identifier, names)), sql.SQL(table), sql.Identifier(order)
    )
    with shelf.db.cursor() as cursor, cursor.copy(query) as copy:
        return b"".join(bytes(data) for data in copy)
