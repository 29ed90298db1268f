"""Which way to Postgres is refused: by what libpq itself would use, wherever it has that from."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from bridge.errors import ConfigError
from bridge.libpq import in_effect, protected
from bridge.postgres.connection import connect, parsed
from bridge.settings import DatabaseSettings
from bridge.transport import exposed_database, hosts, is_local

LOCAL = [
    *("localhost", "LOCALHOST", "127.0.0.1", "127.8.9.1", "::1", "0:0:0:0:0:0:0:1", "::1%lo"),
    *("/var/run/postgresql", "@abstract"),
]
FAR = [
    *("localhost.evil.example", "evil.example", "localhost.", "127.0.0.1.evil.example", "db", ""),
    *("127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1 ", "10.0.0.1", "fe80::1%eth0", "::"),
    *("[::1]", "127.0.0.1:5432", "127.0.0.1%eth0", "localho\u017ft", "./socket"),
]


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for option in psycopg.pq.Conninfo.get_defaults():
        if option.envvar is not None:
            monkeypatch.delenv(option.envvar.decode(), raising=False)
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    (tmp_path / "services").write_text("[far]\nhost=db.example\nsslmode=require\n[near]\nhost=127.0.0.1\n")


@pytest.mark.parametrize("host", LOCAL)
def test_is_this_machine(host: str) -> None:
    assert is_local(host)


@pytest.mark.parametrize("host", FAR)
def test_is_another_machine_or_spelled_as_nobody_does(host: str) -> None:
    assert not is_local(host)


SAFE = [
    "postgresql:///db",
    "postgresql://localhost/db?sslmode=disable",
    "postgresql://[::1]:5432,127.0.0.1/db",
    "postgresql:///db?host=/tmp,localhost",
    "postgresql://db.example/db?sslmode=verify-full",
    "postgresql://db.example/db?sslmode=disable&sslmode=verify-full",
    "postgresql://db.example/db?sslrootcert=system",
    "postgresql://one.example,two.example/db?sslmode=verify-full",
    "postgresql://db.example/db?hostaddr=127.0.0.1",
    "host=/tmp,@abstract, dbname=db",
    "service=near",
]
EXPOSED = {
    "postgresql://db.example/db": "db.example, not on this machine, might not be encrypted (sslmode=prefer)",
    "postgresql://db.example/db?sslmode=disable": "would not be encrypted",
    "postgresql://db.example/db?sslmode=allow": "might not be encrypted",
    "postgresql://db.example/db?sslmode=require": "whoever answers would be believed",
    "postgresql://db.example/db?ssl=true": "sslmode=require",
    "postgresql://db.example/db?sslmode=verify-ca": "any server with a certificate of the same CA would be believed",
    "postgresql://db.example/db?sslmode=verify-full&sslmode=prefer": "sslmode=prefer",
    "postgresql://db.example/db?sslmode=VERIFY-FULL": "not known",
    "postgresql://localhost,db.example/db": "at db.example, not",
    "postgresql:///db?host=/tmp,db.example": "at db.example, not",
    "postgresql://localhost%2Cdb.example/db": "at db.example, not",
    "postgresql://%6cocalhost.evil.example/db": "at localhost.evil.example, not",
    "postgresql://a.example,localhost,b.example/db": "at a.example and 1 more, not",
    "postgresql://localhost/db?hostaddr=10.0.0.1": "at 10.0.0.1, not",
    "postgresql://localhost,localhost/db?hostaddr=,10.0.0.1": "at 10.0.0.1, not",
    "postgresql://[fe80::1%25eth0]/db": "at fe80::1%eth0, not",
    "postgresql://LOCALHOST.evil.example/db": "at LOCALHOST.evil.example, not",
    "postgresql://db.example/db?requirepeer=postgres&channel_binding=require": "might not be encrypted",
    "service=far": "at db.example, not on this machine, would be encrypted",
    "service=near hostaddr=10.0.0.1": "at 10.0.0.1, not",
}


@pytest.mark.parametrize("url", SAFE)
def test_is_let_through(url: str) -> None:
    assert exposed_database(in_effect(parsed(url))) is None


@pytest.mark.parametrize("port", ["0", "65536", "-1", "canary", "5432,canary", "9" * 5000])
def test_a_port_that_is_none(port: str) -> None:
    """Nobody will ever listen there, so nothing is gained by waiting for it."""
    with pytest.raises(ConfigError, match="has a port that is none") as refused:
        parsed(f"host=127.0.0.1 port={port}")
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("url", EXPOSED)
def test_is_refused_with_the_reason_and_what_to_do(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        connect(url)
    assert EXPOSED[url] in refused.value.message
    assert "sslmode=verify-full and sslrootcert=" in str(refused.value.hint)
    assert "database.allow_insecure = true" in str(refused.value.hint)
    allowed = protected(parsed(url), allow_insecure=True)
    assert list(hosts(allowed)) == list(hosts(in_effect(parsed(url))))


def test_the_environment_counts_as_for_libpq(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is given wins over a service, a service over the environment."""
    monkeypatch.setenv("PGHOST", "db.example")
    with pytest.raises(ConfigError, match=r"at db\.example, not on this machine"):
        protected({"dbname": "db"}, allow_insecure=False)
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert protected({"dbname": "db"}, allow_insecure=False) == {
        "dbname": "db",
        "host": "db.example",
        "sslmode": "verify-full",
        "gssencmode": "disable",
    }
    with pytest.raises(ConfigError, match="sslmode=require"):
        protected({"service": "far"}, allow_insecure=False)
    monkeypatch.setenv("PGSERVICE", "far")
    with pytest.raises(ConfigError, match="sslmode=require"):
        protected({"dbname": "db"}, allow_insecure=False)
    protected({"dbname": "db", "sslmode": "verify-full"}, allow_insecure=False)
    monkeypatch.delenv("PGSSLMODE")
    monkeypatch.setenv("PGHOSTADDR", "10.0.0.1")
    with pytest.raises(ConfigError, match=r"at 10\.0\.0\.1"):
        protected({"host": "localhost", "service": "near"}, allow_insecure=False)


def test_what_was_looked_at_is_what_psycopg_connects_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Psycopg takes several hosts of the environment before a service's one, and libpq the service's."""
    monkeypatch.setenv("PGHOST", "a.example,b.example")
    assert protected({"service": "near"}, allow_insecure=False)["host"] == "127.0.0.1"


def test_a_service_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r'definition of service "gone" not found\. Check service in the'):
        in_effect({"service": "gone"})


def test_settings_have_to_spell_it_out() -> None:
    assert not DatabaseSettings().allow_insecure
