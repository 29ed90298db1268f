"""Carries a replay out: some events in a transaction, which also says how far it is, until all are parked."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import psycopg
from psycopg import errors

from bridge.admin.replay import Replay
from bridge.errors import ConfigError
from bridge.failpoint import failpoint
from bridge.postgres.queries import query

SLICE_EVENTS = 4000  # that a transaction reads at most: some tens of milliseconds
PAUSE_SECONDS = 0.2  # while too many are still to be published


class Progress(NamedTuple):
    """How far a replay is: up to which number, and in events; and what it waits for, if anything."""

    last_seq: int
    parked: int
    passed: int
    waits_for: str | None = None


def carry_out(
    conn: psycopg.Connection, replay: Replay, routes: Mapping[str, list[str]], max_open: int
) -> Iterator[Progress]:
    """Hand what is left of a replay to the relay; tells after each transaction, and while it waits, how far it is.

    It waits while about `max_open` replayed events, of whatever replay, are still to be published. Raises ConfigError
    where somebody else has finished it, DatabaseRefuses where a shard is stopped, psycopg.Error. Whatever ends it, the
    same replay can go on from where it was.
    """
    now = Progress(replay.last_seq, replay.events_parked, replay.events_passed)
    wanted = {
        "id": replay.id,
        "rules": routes["rules"],
        "topics": routes["routed_topics"],
        "most": SLICE_EVENTS,
    }
    is_last = replay.state == "finished"
    while not is_last:
        for open_ in _too_many(conn, max_open):
            too_many = f"{open_:,} replayed events or more are still to be published. Is a relay running?"
            yield now._replace(waits_for=too_many)
        parked, passed, last_seq, is_last = _slice(conn, wanted)
        now = Progress(last_seq, now.parked + parked, now.passed + passed)
        failpoint("replay_parked")
        yield now


def _slice(conn: psycopg.Connection, wanted: Mapping[str, object]) -> tuple[int, int, int, bool]:
    try:
        row = conn.execute(query("replay_slice"), wanted).fetchone()
    except errors.NoData:
        raise ConfigError(
            f"replay {wanted['id']} was finished by somebody else", hint="See bridge replay --list"
        ) from None
    assert row is not None  # noqa: S101 - the function gives one row
    return row


def _too_many(conn: psycopg.Connection, most: int) -> Iterator[int]:
    """A number each time it is found too large; over once it is not."""
    while (open_ := (conn.execute(query("replays_open"), {"most": most}).fetchone() or (0,))[0]) >= most:
        yield open_
        time.sleep(PAUSE_SECONDS)
