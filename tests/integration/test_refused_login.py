"""A login that a server refuses in another language than English; Debian's Postgres speaks some."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from fix_postgres import POSTGRES_15, Cluster
from psycopg.conninfo import make_conninfo

from bridge.errors import DatabaseRefuses
from bridge.local.stack import Stack
from bridge.postgres.connection import connect

LANGUAGE, CATALOG = "de_DE", Path("/usr/share/locale/de/LC_MESSAGES/postgres-15.mo")
HBA = """
host all bridge all trust
host closed all all reject
host all all all scram-sha-256
"""
ROLES = """
create role known login password 'S3CR3T';
create role closed password 'S3CR3T';
"""


@pytest.fixture(scope="module")
def german(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server whose messages are German."""
    if not (POSTGRES_15 / "postgres").exists() or not CATALOG.exists():
        pytest.skip("no Postgres here that speaks German")
    directory = tmp_path_factory.mktemp("german")
    locale = ["localedef", "-i", LANGUAGE, "-f", "UTF-8", str(directory / f"{LANGUAGE}.UTF-8")]
    if shutil.which("localedef") is None or subprocess.run(locale, capture_output=True).returncode:
        pytest.skip("the locale cannot be made here")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCPATH", str(directory))
        cluster = Cluster(POSTGRES_15, directory / "data", stack.postgres.data.stat())
        (cluster.data / "pg_hba.conf").write_text(HBA)
        with (cluster.data / "postgresql.conf").open("a") as file:
            file.write(f"lc_messages = '{LANGUAGE}.UTF-8'\n")
        with cluster.running():
            with psycopg.connect(cluster.url, autocommit=True) as db:
                db.execute(ROLES)
                db.execute("create database closed")
            yield cluster.url


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"user": "known", "password": "another"}, "Passwort-Authentifizierung"),
        ({"user": "nobody", "password": "S3CR3T"}, "Passwort-Authentifizierung"),
        ({"user": "known"}, "no password supplied"),  # libpq's own words
        ({"user": "closed", "password": "S3CR3T"}, "hat keine Berechtigung zum Einloggen"),
        ({"user": "known", "password": "S3CR3T", "dbname": "none"}, "existiert nicht"),
        ({"user": "known", "password": "S3CR3T", "dbname": "closed"}, "pg_hba.conf"),
    ],
)
def test_is_told_as_a_refusal(german: str, given: dict[str, str], words: str) -> None:
    with pytest.raises(DatabaseRefuses, match=words) as refused:
        connect(make_conninfo(german, **given))
    assert "Check that the server runs" not in str(refused.value)
