"""Passwords that change while relays run: no restart, no event lost or doubled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fix_relay import Site, eventually
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

ENDED = "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = %s"
SESSIONS = "select array_agg(distinct application_name) from pg_stat_activity where usename = %s"


@pytest.fixture
def role(site: Site, unique: str) -> Iterator[str]:
    """Of the relays; it owns nothing."""
    with site.connect() as db:
        db.execute(sql.SQL("create role {} login superuser").format(sql.Identifier(unique)))
        yield unique
        db.execute(ENDED, (unique,))
        db.execute(sql.SQL("drop role {}").format(sql.Identifier(unique)))


def test_a_password_changes_while_a_relay_runs(site: Site, role: str, tmp_path: Path) -> None:
    """In the server, and in the file; then the server ends all sessions. A file that is gone is waited for."""
    file = tmp_path / "url"
    site.environment["BRIDGE_DATABASE_URL_FILE"] = str(file)

    def change(password: str) -> None:
        statement = sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(password))
        with site.connect() as db:
            db.execute(statement)
        own = conninfo_to_dict(site.settings.database.url) | {"user": role, "password": password}
        fresh = tmp_path / "fresh"
        fresh.write_text(make_conninfo("", **own) + "\n")
        fresh.rename(file)

    def carries(count: int) -> None:
        site.publish(count)
        eventually(lambda: site.pending() == 0)

    change("canary one")
    site.plant("from bridge.relay import house\nhouse.LOOK_SECONDS = 0.5")  # each time in a session of its own
    relay = site.start("--http", "127.0.0.1:0")
    carries(50)
    lasting = {f"{site.name} {of}" for of in ("relay", "shard 0", "shard 1")}
    assert lasting <= set(site.scalar(SESSIONS, role))
    change("canary two")
    carries(50)  # in the sessions that there are
    assert site.scalar(ENDED, role) >= 3
    carries(50)
    eventually(lambda: lasting <= set(site.scalar(SESSIONS, role)))

    file.rename(tmp_path / "gone")
    assert site.scalar(ENDED, role) >= 3
    # The keeper says it; the relay has said before that its sessions were ended.
    eventually(lambda: "cannot be read from" in site.log(relay))
    site.publish(50)
    change("canary three")
    assert site.assert_exactly_once(relay)
    log = site.log(relay)
    said = [line.split(maxsplit=2)[2] for line in log.splitlines() if "database.url cannot be read from" in line]
    assert len(said) == len(set(said))  # by each of them once
    assert "canary" not in log
