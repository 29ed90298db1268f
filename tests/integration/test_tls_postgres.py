"""TLS to Postgres on a real server: who is let in, who is believed, what is said otherwise, and what is in effect."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trustme
from fix_postgres_tls import NAMES, TlsPostgres
from fix_relay import Site, eventually, open_site

from bridge.errors import BridgeError, ConfigError, DatabaseUnavailable
from bridge.local.stack import Endpoints
from bridge.postgres.connection import connect
from bridge.settings import DatabaseSettings

LONG_AGO = {"not_before": datetime(2020, 1, 1), "not_after": datetime(2021, 1, 1)}
LOGIN, WRONG = {"password": "canary"}, {"password": "wrong canary"}
MINE = "select ssl, client_dn from pg_stat_ssl where pid = pg_backend_pid()"
SESSIONS = """
select array_agg(s.client_serial::text), bool_and(s.ssl)
  from pg_stat_activity as a join pg_stat_ssl as s using (pid)
 where a.usename = %s and a.application_name like %s"""


@pytest.fixture(scope="module")
def server(tls_postgres: TlsPostgres) -> TlsPostgres:
    """With a role of each kind."""
    tls_postgres.add_role("alice", "by_certificate")
    tls_postgres.add_role("dave", "by_certificate")
    tls_postgres.add_role("bob", "by_password", **LOGIN)
    tls_postgres.add_role("carol", "by_both", **LOGIN)
    return tls_postgres


def said(url: str) -> str:
    """Why a connection is refused."""
    with pytest.raises(BridgeError) as refused:
        connect(url)
    assert isinstance(refused.value, DatabaseUnavailable | ConfigError)
    assert "canary" not in str(refused.value)
    return str(refused.value)


def test_who_is_let_in(server: TlsPostgres) -> None:
    alice, carol = server.identify("alice"), server.identify("carol")
    for url, subject in (
        (server.at("alice", **alice), "/CN=alice"),
        (server.at("alice", **alice, host="db.example", hostaddr="127.0.0.1"), "/CN=alice"),
        (server.at("bob", channel_binding="require", **LOGIN), None),
        (server.at("carol", channel_binding="require", **carol, **LOGIN), "/CN=carol"),
    ):
        with connect(url) as db:
            ((is_encrypted, client),) = db.execute(MINE).fetchall()
        assert is_encrypted
        assert (client or "").endswith(subject or "")

    assert "requires a valid client certificate. Check sslcert" in said(server.at("alice"))
    assert 'failed for user "carol"' in said(server.at("carol", **carol, **WRONG))
    assert 'failed for user "carol"' in said(server.at("carol", **alice, **LOGIN))
    assert "its common name must be the role" in said(server.at("dave", **alice))
    assert "no password supplied. Check the password" in said(server.at("bob"))
    refused = said(server.at("bob", host="127.0.0.1", sslmode="disable", **LOGIN))
    assert "no encryption. The server takes nobody without TLS" in refused
    refused = said(server.at("alice", channel_binding="require", **alice))
    assert "channel_binding=require needs TLS, and a password" in refused
    assert "alert unknown ca. Check sslcert" in said(server.at("alice", **server.identify("alice", trustme.CA())))


def test_a_password_file_is_read_at_each_connection(server: TlsPostgres, tmp_path: Path) -> None:
    """By libpq, so it need not be `BRIDGE_DATABASE_URL_FILE` where only the password is a secret."""
    passwords = tmp_path / "pgpass"
    for content, words in (("", "no password supplied"), ("*:*:*:bob:wrong canary", "password authentication failed")):
        passwords.write_text(content)
        passwords.chmod(0o600)
        assert words in said(server.at("bob", passfile=str(passwords)))
    passwords.write_text("*:*:*:bob:canary\n")
    connect(server.at("bob", passfile=str(passwords))).close()


def test_who_is_believed(server: TlsPostgres, tmp_path: Path) -> None:
    """A wrong authority, a wrong name and a certificate whose time is over are refused."""
    identity = server.identify("alice")
    ca, junk = tmp_path / "ca.pem", tmp_path / "junk.pem"
    trustme.CA().cert_pem.write_to_path(ca)
    junk.write_text("junk")
    for more, words in (
        ({"sslrootcert": str(ca)}, "certificate verify failed. The CA in sslrootcert has not signed"),
        ({"sslrootcert": "system"}, "certificate verify failed"),
        ({"sslrootcert": str(junk)}, "could not read root certificate file"),
        ({"sslrootcert": str(tmp_path / "gone.pem")}, "does not exist. sslrootcert must name a file with the CA"),
        (
            {"host": "other.example", "hostaddr": "127.0.0.1"},
            'does not match host name "other.example". Name the server',
        ),
        ({"sslkey": str(tmp_path / "gone.key")}, "not private key file"),
        (
            {"sslmode": "verify-ca"},
            "any server with a certificate of the same CA would be believed (sslmode=verify-ca)",
        ),
    ):
        assert words in said(server.at("alice", **identity | more))
    with connect(
        DatabaseSettings(server.at("alice", **identity | {"sslmode": "verify-ca"}), allow_insecure=True)
    ) as db:
        assert db.execute(MINE).fetchall()[0][0]

    server.present(server.authority.issue_cert(*NAMES, **LONG_AGO))
    server.reload()
    try:
        eventually(lambda: _is_refused(server.at("alice", **identity)))
        assert "or one of them has expired" in said(server.at("alice", **identity))
    finally:
        server.present(server.authority.issue_cert(*NAMES))
        server.reload()
    eventually(lambda: not _is_refused(server.at("alice", **identity)))
    assert "alert certificate expired. Check sslcert" in said(
        server.at("alice", **server.identify("alice", **LONG_AGO))
    )


def _is_refused(url: str) -> bool:
    try:
        connect(url).close()
    except DatabaseUnavailable:
        return True
    return False


def test_from_migrate_to_a_published_event(
    server: TlsPostgres, servers: Endpoints, unique: str, tmp_path: Path
) -> None:
    """Verified, with a client certificate, which is replaced while the relay runs; a wrong authority is waited for."""
    server.add_role(unique, "by_certificate")
    before = server.identify(unique)
    with psycopg.connect(server.url, autocommit=True) as db:
        db.execute(f"create database {unique} owner {unique}".encode())
    ca = tmp_path / "ca.pem"
    ca.write_bytes(server.ca.read_bytes())
    url = server.at(unique, dbname=unique, sslrootcert=str(ca), **before)
    with open_site(replace(servers, database_url=url), unique, tmp_path) as site:
        assert site.bridge("config", "check").returncode == 0
        migrated = site.bridge("migrate", "--engine-only")
        assert migrated.returncode == 0, migrated.stderr
        relay = site.start()
        site.publish(20)
        eventually(lambda: site.pending() == 0)
        first, is_encrypted = _sessions(server, unique)
        assert is_encrypted

        found = _doctor(site)
        for use in ("client", "ca"):
            assert found[f"postgres {use} certificate"]["level"] == "ok"
        line = found["postgres tls"]
        assert line["level"] == "ok"
        for words in ("TLSv1.3", "proved that it is 127.1 (sslmode=verify-full", "certificate is /O=trustme"):
            assert words in line["text"]

        careless = {
            "BRIDGE_DATABASE_URL": server.at(unique, dbname=unique, sslmode="require", **before),
            "BRIDGE_DATABASE_ALLOW_INSECURE": "true",
        }
        found = _doctor(site, careless)
        assert "the server need not prove that it is 127.1 (sslmode=require)" in found["postgres tls"]["text"]
        assert "whoever answers would be believed" in found["postgres allow_insecure"]["text"]
        assert {found[name]["level"] for name in ("postgres tls", "postgres allow_insecure")} == {"note"}

        server.identify(unique)
        _end(server, unique)
        site.publish(20)
        eventually(lambda: site.pending() == 0)
        eventually(lambda: _sessions(server, unique)[1] and not first & _sessions(server, unique)[0])

        trustme.CA().cert_pem.write_to_path(ca)
        _end(server, unique)
        eventually(lambda: "certificate verify failed" in site.log(relay))
        status = site.bridge("status")
        assert (status.returncode, "certificate verify failed" in status.stderr) == (3, True)
        refused = site.bridge("run", "--wait-seconds", "0")
        assert (refused.returncode, "certificate verify failed" in refused.stderr) == (3, True)
        ca.write_bytes(server.ca.read_bytes())
        site.publish(20)
        site.assert_exactly_once(relay)
        assert site.log(relay).count("Postgres is away") <= 4  # a few for each of both ends, not one for each try


def _doctor(site: Site, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Its checks by name."""
    report = json.loads(site.bridge("doctor", "--json", environment=environment).stdout)
    return {check["name"]: check for check in report["data"]["checks"]}


def _sessions(server: TlsPostgres, role: str) -> tuple[set[str], bool]:
    """The serial numbers of the certificates of the relay's sessions, and whether all are encrypted."""
    with psycopg.connect(server.url) as db:
        serials, is_encrypted = db.execute(SESSIONS, (role, f"{role}%")).fetchone() or ([], False)
    return set(serials), bool(is_encrypted)


def _end(server: TlsPostgres, role: str) -> None:
    with psycopg.connect(server.url) as db:
        db.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", (role,))
