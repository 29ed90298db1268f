"""Whether relays are at work, and what they wait for."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from bridge.admin.checks.check import Check, Level, note, ok, problem
from bridge.admin.event_wait import moment, read_waits
from bridge.postgres.queries import query
from bridge.settings import Settings


def check_relays(conn: psycopg.Connection, settings: Settings) -> Iterator[Check]:
    """Raises psycopg.Error."""
    shards = conn.execute(query("list_shards"), {"lease_seconds": settings.relay.lease_seconds}).fetchall()
    alive = shards[0][4] if shards else 0
    if alive:
        yield ok("relays", f"{alive} at work, for {len(shards)} shards")
    else:
        last = conn.execute(query("doctor_last_relay")).fetchone()
        seen = f"; the last sign of life of {last[0]} counted until {moment(last[1])}" if last else ""
        mend = "Start one: bridge run" + (
            "; or look at that process, if it should be at work: paused, killed, or cut off from Postgres?"
            if last
            else ""
        )
        yield problem("relays", f"none is at work{seen}", mend)
    for shard, _, _, stopped, _ in shards:
        if stopped is not None:
            yield problem(f"relays shard {shard}", f"stopped: {stopped}", "bridge recover --dry-run")
    for wait in read_waits(conn):
        level = Level.NOTE if wait.kind == "server" else Level.PROBLEM
        where = " ".join(filter(None, (None if wait.shard is None else f"shard {wait.shard}", wait.topic)))
        yield Check(f"relays {where or wait.kind}", level, f"{wait.kind} since {moment(wait.since)}: {wait.reason}")
    dead, blocking = conn.execute(query("count_dead")).fetchone() or (0, 0)
    if dead:
        text = f"{dead} dead events, {blocking} of them hold back later ones of their key or topic"
        yield (problem if blocking else note)("relays dead", text, "bridge dead list")
