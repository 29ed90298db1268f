"""Every command that may take long shows on a terminal how far it is, on standard error alone."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

from fix_relay import Site

TABLE = "create table public.item as select n::integer as id, n as v from generate_series(1, 1000) as n"


def on_terminal(site: Site, *command: str, **environment: str) -> str:
    """What a terminal gets as standard error."""
    controller, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "bridge", *command],
        env={**os.environ, "TERM": "xterm", "BRIDGE_CONFIG": str(site.config), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=terminal,
    ) as process:
        os.close(terminal)
        written = b""
        try:
            while part := os.read(controller, 65536):
                written += part
        except OSError:  # the other side has ended
            pass
        os.close(controller)
        assert process.stdout is not None
        assert b"\x1b" not in process.stdout.read(), command
        assert process.wait(60) == 0, written.decode()
    return written.decode()


def test_every_command_that_may_take_long(site: Site, empty_database: str, tmp_path: Path) -> None:
    site.publish(20)
    with site.connect() as db:
        db.execute("select bridge.publish_event('thing.changed', 'dead', '{\"n\": \"no number\"}')")
        db.execute(TABLE)
        db.execute("alter table public.item add primary key (id)")
        db.execute("select bridge.enable_tracking('public.item')")
    site.drain()

    def shows(what: str, *command: str, **environment: str) -> None:
        assert what in on_terminal(site, *command, **environment), command

    shows("files", "migrate", BRIDGE_DATABASE_URL=empty_database)
    shows("public.item", "snapshot", "public.item", "--rows-per-second", "0")
    shows("keys of public.item", "verify", "--capture")
    shows("records", "verify")
    shows("replay 1", "replay", "--from", "1d", "--type", "thing.changed")
    shows("dead events", "dead", "export", str(tmp_path / "dead.jsonl"), "--all")
    shows("retried", "dead", "retry", "--all")
    shows("rows", "archive", "export", "public.item", "--to", str(tmp_path / "cold"))
    shows("files of public.item", "archive", "verify", str(tmp_path / "cold"))
    shows("rows", "archive", "restore", str(tmp_path / "cold"), "--as", "public.again")
    with site.connect() as db:
        db.execute("update bridge.shard set stopped = 'shard 0 is stopped' where shard = 0")
    shows("records", "recover", "--dry-run")
