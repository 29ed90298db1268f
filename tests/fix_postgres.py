"""Postgres of other versions than the stack's."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import psycopg
import pytest
from fix_database import renew
from in_memory import in_memory
from ports import free_port
from roles import Roles

from bridge.local.postgres import run_as_owner
from bridge.local.stack import Stack
from bridge.postgres.migrate import migrate

POSTGRES_15 = Path("/usr/lib/postgresql/15/bin")  # Debian's


class Cluster:
    """A Postgres of the test's own, owned by who may run one."""

    def __init__(self, programs: Path, data: Path, owner: os.stat_result, *more: str) -> None:
        self._programs = programs
        self.data = data
        self.data.mkdir(mode=0o700)
        os.chown(self.data, owner.st_uid, owner.st_gid)
        self.port = free_port()
        self.run("initdb", "-D", str(data), "--username=bridge", "--auth=trust", "--encoding=UTF8", "--locale=C", *more)

    @property
    def url(self) -> str:
        return f"postgresql://bridge@127.0.0.1:{self.port}/postgres"

    @contextmanager
    def running(self) -> Iterator[None]:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        self.run("pg_ctl", "-D", str(self.data), "-w", "-l", str(self.data / "log"), "-o", options, "start")
        try:
            yield
        finally:
            self.run("pg_ctl", "-D", str(self.data), "-w", "-m", "fast", "stop")

    def run(self, program: str, *arguments: str) -> None:
        command = [*run_as_owner(self.data), str(self._programs / program), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self.data)


@pytest.fixture(scope="session")
def postgres_15(
    stack: Stack, roles: Roles, template_day: date, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of a migrated database on a server of version 15, to copy from."""
    if not (POSTGRES_15 / "postgres").exists():
        pytest.skip("Postgres 15 is not installed here")
    with in_memory(tmp_path_factory, "postgres_15") as data:
        cluster = Cluster(POSTGRES_15, data, stack.postgres.data.stat())
        with cluster.running():
            with psycopg.connect(cluster.url, autocommit=True) as db:
                db.execute("create database template")
            template = cluster.url.replace("/postgres", "/template")
            migrate(template)
            roles.create(template)
            yield template


@pytest.fixture(params=["the stack's version", "15"])
def either_version(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a fresh, migrated database; the test runs on the oldest version, too."""
    if request.param != "15":
        yield request.getfixturevalue("database")
        return
    template: str = request.getfixturevalue("postgres_15")
    template_day: date = request.getfixturevalue("template_day")
    name = f"bridge_test_{secrets.token_hex(4)}"
    maintenance = template.replace("/template", "/postgres")
    with psycopg.connect(maintenance, autocommit=True) as db:
        db.execute(f"create database {name} template template strategy file_copy".encode())
        url = template.replace("/template", f"/{name}")
        renew(url, template_day)
        yield url
        db.execute(f"drop database {name} with (force)".encode())
