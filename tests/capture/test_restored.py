"""A dump that was restored: columns have other numbers, tables other oids. Masked stays masked."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from bridge.local.postgres import binaries
from capture.history import actions, events, hidden, problems, run

MADE = (
    "create table public.t (gone int, id int primary key, email text, note text, n int)",
    "alter table public.t drop gone",
    "select bridge.enable_tracking('public.t', 't', mask => '{email}', exclude => '{note}')",
    "insert into public.t values (1, 'SECRET', 'SECRET', 0)",
)
CHANGE = "update public.t set n = n + 1, {mask} = 'SECRET' || n, {exclude} = 'SECRET' || n"


@pytest.fixture
def copy_url(database: str) -> Iterator[str]:
    """The URL of an empty database beside the one that is dumped."""
    name = f"bridge_test_{secrets.token_hex(4)}"
    with psycopg.connect(database, autocommit=True) as db:
        db.execute(sql.SQL("create database {} template template0").format(sql.Identifier(name)))
        yield database.rsplit("/", 1)[0] + f"/{name}"
        db.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def restore(database: str, copy_url: str) -> None:
    dump = subprocess.run([binaries() / "pg_dump", database], check=True, capture_output=True).stdout
    command = [binaries() / "psql", "-q", "-v", "ON_ERROR_STOP=1", copy_url]
    subprocess.run(command, input=dump, check=True, stdout=subprocess.DEVNULL)


def test_what_was_masked_and_excluded_stays_so(database: str, copy_url: str) -> None:
    with psycopg.connect(database, autocommit=True) as db:
        run(db, *MADE)
    restore(database, copy_url)
    with psycopg.connect(copy_url, autocommit=True) as db:
        run(db, CHANGE.format(mask="email", exclude="note"))
        assert db.execute("select bridge.refresh_tracking() > 0").fetchone() == (True,)
        run(db, CHANGE.format(mask="email", exclude="note"), "alter table public.t rename email to mail")
        run(db, CHANGE.format(mask="mail", exclude="note"))
        assert actions(db) == [("INSERT", "1"), *[("UPDATE", "1")] * 3]
        assert hidden(db)
        assert events(db)[-1][3] == {"id": 1, "mail": "[masked]", "n": 3}
        assert db.execute("select finding from bridge.tracking_report() where is_problem").fetchall() == []


def test_a_column_that_was_renamed_just_before_the_dump(database: str, copy_url: str) -> None:
    """Nobody knows which column it is now: what nobody knows is masked until somebody says."""
    with psycopg.connect(database, autocommit=True) as db:
        run(db, *MADE, "alter table public.t rename email to mail")
    restore(database, copy_url)
    with psycopg.connect(copy_url, autocommit=True) as db:
        run(db, CHANGE.format(mask="mail", exclude="note"), "select bridge.refresh_tracking()")
        run(db, CHANGE.format(mask="mail", exclude="note"))
        assert hidden(db)
        findings = str(db.execute("select finding from bridge.tracking_report() where is_problem").fetchall())
        assert "column email was renamed before a dump" in findings
        run(db, "select bridge.enable_tracking('public.t', 't', mask => '{mail}', exclude => '{note}')")
        assert "renamed" not in str(db.execute("select finding from bridge.tracking_report()").fetchall())


def test_columns_that_were_exchanged_just_before_the_dump(database: str, copy_url: str) -> None:
    """A dump keeps the columns' order: where the names have another, nobody knows which is which."""
    with psycopg.connect(database, autocommit=True) as db:
        run(db, *MADE, "alter table public.t rename email to x", "alter table public.t rename note to email")
        run(db, "alter table public.t rename x to note")
    restore(database, copy_url)
    with psycopg.connect(copy_url, autocommit=True) as db:
        run(db, CHANGE.format(mask="note", exclude="email"), "select bridge.refresh_tracking()")
        run(db, CHANGE.format(mask="note", exclude="email"))
        assert hidden(db)
        assert [f for f in problems(db) if "renamed before a dump" in f]
        assert actions(db)[-1] == ("UPDATE", "1")


def test_a_database_that_was_restored_where_the_roles_are_not(database: str) -> None:
    """All owners and rights are gone; the next look, when the roles are there, gives them back."""
    roles = "bridge_capture, bridge_reader"
    with psycopg.connect(database, autocommit=True) as db:
        run(db, *MADE)
        for (routine,) in db.execute(
            "select oid::regprocedure::text from pg_proc"
            " where proowner in ('bridge_capture'::regrole, 'bridge_reader'::regrole)"
        ).fetchall():
            run(db, f"alter function {routine} owner to current_user")
        run(db, f"revoke all on all tables in schema bridge, public from {roles}")
        run(db, f"revoke all on all sequences in schema bridge from {roles}")
        run(db, f"revoke all on all functions in schema bridge, bridge_tracking from {roles}")
        run(db, f"revoke all on schema bridge, bridge_tracking, public from {roles}")
        run(db, CHANGE.format(mask="email", exclude="note"))
        assert [f for f in problems(db) if "runs with its rights" in f]
        run(db, "select bridge.refresh_tracking()", CHANGE.format(mask="email", exclude="note"))
        assert problems(db) == []
        run(db, "truncate public.t")
        assert actions(db)[-2:] == [("DELETE", "1"), ("TRUNCATE", "*")]
        assert hidden(db)
        owners = "select distinct proowner::regrole::text from pg_proc where proowner <> 'bridge_capture'::regrole"
        assert ("bridge_reader",) in db.execute(owners).fetchall()
