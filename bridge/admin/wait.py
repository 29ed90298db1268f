"""What `bridge wait` waits for: relays that are ready, an outbox that is empty, an event that is published."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from uuid import UUID

import psycopg

from bridge.errors import BridgeError, ConfigError, KeysBlocked, MigrationError, ShardStopped, Unavailable
from bridge.postgres.connection import connect, look_briefly
from bridge.postgres.explained import explained
from bridge.postgres.migrate import require_current
from bridge.postgres.queries import query
from bridge.settings import DatabaseSettings
from bridge.text import counted

PAUSE_SECONDS = 0.5  # at least; a look at a long backlog takes longer, and then as long as that
LEAST_SECONDS = 1.0  # for a look, though the time is up
HELD = ("topic", "schema", "still")  # waits of single topics, or of what was left behind; else it carries nothing

Look = Callable[[psycopg.Connection], str | None]  # says what is still waited for, None: nothing


class TimedOut(BridgeError):
    """What was waited for has not come in time."""

    exit_code = 7


class EventDead(BridgeError):
    """The event that was waited for is dead, or waits behind a dead one: a person must decide."""

    exit_code = 5


def wait_for(database: DatabaseSettings, look: Look, seconds: float, tell: Callable[[str], None]) -> None:
    """Look again and again; `tell` hears what is missing. Servers that are away, or not migrated, are waited for.

    Raises TimedOut after so many seconds, and whatever else `look` raises, at once.
    """
    until = time.monotonic() + seconds
    while True:
        begun = time.monotonic()
        missing = _look(database, look, max(until - begun, LEAST_SECONDS))
        if missing is None:
            return
        now = time.monotonic()
        if now >= until:
            raise TimedOut(f"not within {seconds:g} s: {missing}")
        tell(missing)
        time.sleep(min(max(PAUSE_SECONDS, now - begun), until - now))


def _look(database: DatabaseSettings, look: Look, seconds: float) -> str | None:
    try:
        with explained(), connect(database, application_name="bridge wait") as conn:
            look_briefly(conn, seconds)
            require_current(conn)
            return look(conn)
    except (Unavailable, MigrationError) as error:
        return str(error)


def ready(conn: psycopg.Connection) -> str | None:
    """Relays hold all shards, and no server is away or refuses what they ask. Raises ShardStopped."""
    shards = conn.execute(query("held_shards")).fetchall()
    _refuse_stopped(shards)
    if free := [str(shard) for shard, is_held, _ in shards if not is_held]:
        return f"no relay holds shard {', '.join(free)}"
    return next((reason for _, _, kind, reason, *_ in _waits(conn) if kind not in HELD), None)


def empty(conn: psycopg.Connection) -> str | None:
    """Nothing is pending. Raises KeysBlocked where all that is waits behind dead events, ShardStopped."""
    _refuse_stopped(conn.execute(query("held_shards")).fetchall())
    pending, behind_dead = conn.execute(query("count_pending")).fetchone() or (0, 0)
    if not pending:
        return None
    if pending == behind_dead:
        raise KeysBlocked(
            f"{counted(pending, 'event', 'wait')} behind dead events of their keys",
            hint="See bridge dead list; then bridge dead retry, or bridge dead skip",
        )
    return "; ".join([counted(pending, "event", "are") + " pending", *(reason for _, _, _, reason, *_ in _waits(conn))])


def published(event_id: UUID) -> Look:
    """This event is published. Raises EventDead, and ConfigError where there is no such event."""
    return partial(_published, event_id)


def _published(event_id: UUID, conn: psycopg.Connection) -> str | None:
    row = conn.execute(query("awaited_event"), {"id": event_id}).fetchone()
    if row is None:
        hint = "Its transaction has not committed, or retention has taken it"
        raise ConfigError(f"there is no event {event_id} in this database", hint=hint)
    status, reason, behind = row
    hint = "See bridge dead show; then bridge dead retry, or bridge dead skip"
    if status == "DEAD":
        raise EventDead(f"{event_id} is dead: {reason}", hint=hint)
    if behind is not None:
        raise EventDead(f"{event_id} waits behind the dead event {behind}", hint=hint)
    return None if status == "PROCESSED" else f"{event_id} is pending"


def _waits(conn: psycopg.Connection) -> list[tuple[int | None, str | None, str, str]]:
    return conn.execute(query("relay_waits")).fetchall()


def _refuse_stopped(shards: list[tuple[int, bool, str | None]]) -> None:
    for _, _, stopped in shards:
        if stopped is not None:
            raise ShardStopped(stopped, hint="See bridge recover --dry-run")
