"""Databases for one test each: migrated, by copying a template that was migrated once, or empty."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import psycopg
import pytest
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


@pytest.fixture(scope="session")
def migrated_template(servers: Endpoints, roles: Roles) -> Iterator[str]:
    """The name of a database with every migration applied, to copy from; nobody connects to it."""
    with _database(servers.database_url) as url:
        migrate(url)
        with psycopg.connect(url) as db:
            db.execute("select bridge.set_shard_count(2)")  # what concerns one shard must leave another alone
        roles.create(url)
        yield str(conninfo_to_dict(url)["dbname"])
    roles.drop(servers.database_url)


@pytest.fixture
def database(servers: Endpoints, migrated_template: str) -> Iterator[str]:
    """The URL of a fresh, migrated database, dropped after the test."""
    with _database(servers.database_url, template=migrated_template) as url:
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
