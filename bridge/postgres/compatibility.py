"""Which programs may work with a database, and how a migration that older ones could not work with waits for their end.

`bridge.schema_migration` says of each file the oldest program (`script.program`) that can work with it. A relay tells
its own in its heartbeat, and looks there behind it; `bridge migrate` first tells what it is about to apply, and then
looks who is alive. So who is not seen there sees it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress

import psycopg
from psycopg import errors

from bridge.errors import MigrationError
from bridge.postgres.queries import query
from bridge.postgres.script import Script, program
from bridge.progress import Progress
from bridge.text import counted, printable

END_SECONDS = 30.0  # for a relay to end, once it has seen that it is too old
LOOK_SECONDS = 0.2


def require_compatible(conn: psycopg.Connection) -> None:
    """Raise MigrationError where this program is too old for the database; psycopg.Error."""
    try:
        with conn.transaction():
            row = conn.execute(query("oldest_program")).fetchone()
    except (errors.UndefinedTable, errors.InvalidSchemaName):
        return
    oldest = row[0] if row else 0
    if oldest > program():
        raise MigrationError(
            f"the database {conn.info.dbname} is, or is being, migrated by a newer version of bridge: it needs one "
            f"that knows migration {oldest:04}, and this one knows {program():04}",
            hint="Install the newer version (docs/upgrading.md)",
        )


def keep_out(conn: psycopg.Connection, todo: Sequence[Script], progress: Progress) -> None:
    """Keep every program out that could not work with `todo`, and wait until those at work have ended.

    Raises MigrationError where some do not end; psycopg.Error.
    """
    if exacting := _exacting(todo):
        for script in exacting:
            conn.execute(script.announcement.encode())
        _await_older(conn, max(script.oldest_program for script in exacting), progress)


def let_in(conn: psycopg.Connection) -> None:
    """Let those in again that were kept out for what was not applied. Raises psycopg.Error."""
    with suppress(errors.UndefinedTable, errors.InvalidSchemaName):  # nothing ever was
        conn.execute(query("let_in"))


def keeping_out(todo: Sequence[Script]) -> list[str]:
    """What `keep_out` does, as statements for psql. They wait for nobody: while older relays are at work, they fail."""
    announced = [script.announcement for script in _exacting(todo)]
    return [*announced, query("refuse_older").rstrip()] if announced else []


def _exacting(todo: Sequence[Script]) -> list[Script]:
    is_first = any(script.layer == "engine" and script.is_numbered and not script.number for script in todo)
    return [] if is_first else [script for script in todo if script.oldest_program]


def _await_older(conn: psycopg.Connection, oldest: int, progress: Progress) -> None:
    began = time.monotonic()
    patience = END_SECONDS
    first = 0
    while older := conn.execute(query("older_relays"), {"oldest": oldest}).fetchall():
        if not first:
            first = len(older)
            patience += max(seconds for _, seconds in older)
        if time.monotonic() - began > patience:
            who = ", ".join(printable(relay) for relay, _ in older[:3])
            raise MigrationError(
                f"{counted(len(older), 'relay')} of an older version did not end: {who}",
                hint="End them, and run bridge migrate again. Nothing was applied",
            )
        progress("relays of an older version have ended", max(first - len(older), 0), first)
        time.sleep(LOOK_SECONDS)
