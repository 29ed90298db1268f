"""Databases for one test each: migrated, by copying a template that was migrated once, or empty."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from urllib.parse import urlsplit

import psycopg
import pytest
from fix_relay import eventually
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from roles import Roles
from sessions import NAME

from bridge.local.stack import Endpoints
from bridge.postgres.migrate import migrate


@pytest.fixture(scope="session")
def roles() -> Roles:
    """Roles with exactly the rights of their kinds, in every database that is copied from a template."""
    return Roles()


PAST = """
select b.leaf::text from bridge.partition_policy as p, lateral bridge.partition_bounds(p.parent) as b
 where b.range_to <= now()"""


def minutes_left() -> float:
    """Of today, in UTC."""
    now = datetime.now(UTC)
    return 60 * (23 - now.hour) + 60 - now.minute - now.second / 60


@pytest.fixture
def same_day() -> None:
    """The test ends on the day on which it begins."""
    eventually(lambda: minutes_left() > 2, 180)


@pytest.fixture(scope="session")
def template_day() -> date:
    """When the templates were migrated, in UTC; before they are."""
    return datetime.now(UTC).date()


def renew(url: str, template_day: date) -> None:
    """Give a copy of a template the table partitions that it would have if it had been migrated today."""
    if datetime.now(UTC).date() == template_day:
        return
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("select bridge.ensure_partitions()")
        for (leaf,) in db.execute(PAST).fetchall():
            db.execute(f"drop table {leaf}".encode())
        db.execute("delete from bridge.maintenance_log")


@pytest.fixture(scope="session")
def migrated_template(servers: Endpoints, roles: Roles, template_day: date) -> Iterator[str]:
    """The name of a database with every migration applied, to copy from; nobody connects to it."""
    with _database(servers.database_url) as url:
        migrate(url)
        with psycopg.connect(url) as db:
            db.execute("select bridge.set_shard_count(2)")  # what concerns one shard must leave another alone
        roles.create(url)
        yield str(conninfo_to_dict(url)["dbname"])
    roles.drop(servers.database_url)


@pytest.fixture
def database(servers: Endpoints, migrated_template: str, template_day: date) -> Iterator[str]:
    """The URL of a fresh, migrated database, dropped after the test."""
    with _database(servers.database_url, template=migrated_template) as url:
        renew(url, template_day)
        yield url


@pytest.fixture
def empty_database(servers: Endpoints) -> Iterator[str]:
    """The URL of a fresh database without any migration, dropped after the test."""
    with _database(servers.database_url) as url:
        yield url


@contextmanager
def _database(server_url: str, template: str = "template1") -> Iterator[str]:
    name = f"bridge_test_{secrets.token_hex(4)}"
    create = sql.SQL("create database {} template {} strategy file_copy")
    _administer(server_url, create.format(sql.Identifier(name), sql.Identifier(template)))
    try:
        yield urlsplit(server_url)._replace(path=f"/{name}").geturl()
    finally:
        _administer(server_url, sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


@dataclass(frozen=True)
class Backup:
    """A copy of a database as it was."""

    original: str  # URLs
    copy: str

    def restore(self) -> None:
        """Put the database back to what it was; sessions are ended."""
        database, copy = (sql.Identifier(str(conninfo_to_dict(url)["dbname"])) for url in (self.original, self.copy))
        maintenance = urlsplit(self.original)._replace(path="/postgres").geturl()
        _administer(maintenance, sql.SQL("drop database {} with (force)").format(database))
        _administer(maintenance, sql.SQL("create database {} template {}").format(database, copy))


@contextmanager
def copy_of(url: str) -> Iterator[Backup]:
    """A backup of a database to which nobody is connected, but for the test itself."""
    maintenance = urlsplit(url)._replace(path="/postgres").geturl()
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity"
            " where datname = current_database() and application_name = %s",
            (NAME,),
        )
    with _database(maintenance, template=str(conninfo_to_dict(url)["dbname"])) as copy:
        yield Backup(url, copy)


@contextmanager
def unstamped(db: psycopg.Connection) -> Iterator[None]:
    """Rows are kept as they are inserted, as in a restore: numbers, transaction ids and times are the test's own.

    Only in tables: into the views nothing is inserted meanwhile.
    """
    db.execute("set session_replication_role = replica")
    yield
    db.execute("reset session_replication_role")


def _administer(url: str, statement: sql.Composed) -> None:
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(statement)
