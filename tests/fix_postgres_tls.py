"""A Postgres with TLS: it asks for a certificate, or a password, and nobody comes in without encryption."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import psycopg
import pytest
import trustme
from fix_postgres import POSTGRES_15, Cluster
from psycopg.conninfo import make_conninfo

from bridge.local.stack import Stack

NAMES = ("db.example", "127.0.0.1")  # in its certificate
# A role logs in as the group says that it is in; the superuser is the tests' own.
HBA = """
hostnossl all bridge 127.0.0.1/32 trust
hostssl all +by_certificate 127.0.0.1/32 cert
hostssl all +by_password 127.0.0.1/32 scram-sha-256
hostssl all +by_both 127.0.0.1/32 scram-sha-256 clientcert=verify-full
"""
KINDS = ("by_certificate", "by_password", "by_both")
SETTINGS = """
ssl = on
ssl_cert_file = 'server.pem'
ssl_key_file = 'server.key'
ssl_ca_file = 'clients.pem'
password_encryption = 'scram-sha-256'
"""


class TlsPostgres(Cluster):
    """Its `url` is the superuser's, without TLS; `files` is where clients have what they need."""

    def __init__(self, directory: Path, owner: os.stat_result) -> None:
        # The wheel's Postgres 18 was built without TLS.
        super().__init__(POSTGRES_15, directory / "data", owner)
        self._owner = owner
        self.files = directory
        self.authority = trustme.CA()
        self.ca = directory / "ca.pem"
        self.authority.cert_pem.write_to_path(self.ca)
        self._write("clients.pem", self.ca.read_bytes())
        self._write("pg_hba.conf", HBA.encode())
        with (self.data / "postgresql.conf").open("a") as settings:
            settings.write(SETTINGS)
        self.present(self.authority.issue_cert(*NAMES))

    def present(self, leaf: trustme.LeafCert) -> None:
        """From the next start, or `reload()`, on the server has this certificate."""
        self._write("server.pem", b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
        self._write("server.key", leaf.private_key_pem.bytes())

    def reload(self) -> None:
        self.run("pg_ctl", "-D", str(self.data), "reload")

    def add_role(self, name: str, kind: str, *, password: str | None = None) -> None:
        """`kind`: how it logs in, one of KINDS. It may do everything."""
        with psycopg.connect(self.url, autocommit=True) as db:
            db.execute(f"create role {name} login superuser in role {kind}".encode())
            if password:
                db.execute(f"alter role {name} password '{password}'".encode())

    def identify(self, role: str, authority: trustme.CA | None = None, **times: datetime) -> dict[str, str]:
        """The parameters of a client with a new certificate for a role, in files that stand where others did."""
        leaf = (authority or self.authority).issue_cert(f"{role}@example.org", common_name=role, **times)
        names = {"sslcert": f"{role}.pem", "sslkey": f"{role}.key"}
        for name, pem in zip(names.values(), (leaf.cert_chain_pems[0], leaf.private_key_pem), strict=True):
            fresh = self.files / f"{name}.new"
            pem.write_to_path(fresh)
            fresh.chmod(0o600)
            fresh.rename(self.files / name)
        return {name: str(self.files / file) for name, file in names.items()}

    def at(self, role: str, **more: str) -> str:
        """As keywords, verified and reached by a host that is not spelled like this machine; `more` wins."""
        usual = {"host": "127.1", "port": str(self.port), "dbname": "postgres", "user": role}
        return make_conninfo("", **{**usual, "sslmode": "verify-full", "sslrootcert": str(self.ca), **more})

    def _write(self, name: str, content: bytes) -> None:
        path = self.data / name
        path.write_bytes(content)
        path.chmod(0o600)
        os.chown(path, self._owner.st_uid, self._owner.st_gid)


@pytest.fixture(scope="session")
def tls_postgres(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsPostgres]:
    """One server for the session; a test that changes it puts it back."""
    if not (POSTGRES_15 / "postgres").exists():
        pytest.skip("Postgres 15 is not installed here")
    server = TlsPostgres(tmp_path_factory.mktemp("tls_postgres"), stack.postgres.data.stat())
    with server.running():
        with psycopg.connect(server.url, autocommit=True) as db:
            for kind in KINDS:
                db.execute(f"create role {kind}".encode())
        yield server
