"""pgbouncer in transaction mode, between a site's relays and Postgres."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from fix_relay import Site, eventually
from ports import free_port
from psycopg.conninfo import conninfo_to_dict, make_conninfo

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={port} user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
server_check_delay = 0
server_login_retry = 1
logfile = {directory}/pgbouncer.log
"""


@pytest.fixture
def pgbouncer(site: Site) -> Iterator[None]:
    """Between the relays and Postgres, with fewer sessions than the relays have connections."""
    if PROGRAM is None:
        pytest.skip("pgbouncer is not installed")
    with tempfile.TemporaryDirectory() as name:
        directory, listen_port = Path(name), free_port()
        real = conninfo_to_dict(site.url("relay"))
        configuration = directory / "pgbouncer.ini"
        configuration.write_text(CONFIGURATION.format(**real, listen_port=listen_port, directory=directory))
        as_user = []
        if os.geteuid() == 0:  # it refuses to run as root
            nobody = pwd.getpwnam("nobody")
            for path in (directory, configuration):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
            as_user = ["-u", "nobody"]
        process = subprocess.Popen([PROGRAM, "-q", *as_user, str(configuration)])
        url = make_conninfo(site.url("relay"), host="127.0.0.1", port=listen_port)
        eventually(lambda: answers(url))
        site.environment["BRIDGE_DATABASE_URL"] = url
        yield
        process.terminate()
        process.wait(10)


def answers(url: str) -> bool:
    """Whether the pooler does, and Postgres behind it."""
    try:
        with psycopg.connect(url, connect_timeout=5) as db:
            db.execute("select")
            return True
    except psycopg.OperationalError:
        return False
