"""Sessions and snapshots that hold something up: transactions that are open for long, and who keeps old rows alive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row

from bridge.admin.checks.check import Check, Level, note, ok, problem
from bridge.admin.event_gone import OpenTransaction, open_transactions
from bridge.admin.event_wait import moment
from bridge.postgres.queries import query

NOTED, TOO_LONG = 300.0, 1800.0  # seconds: half an hour costs the relay a second of delay (docs/benchmarks/pinned)
LOCKED = 5.0  # seconds, for which a migration or the keeper may keep one
MANY = 10_000_000  # transactions, where no time is known
END = "select pg_terminate_backend(%s)"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds back the snapshot horizon: a session, a prepared transaction, a replication slot or a standby."""

    kind: str
    pid: int | None
    name: str | None
    role: str | None
    transactions: int
    since: datetime | None
    seconds: float | None

    def __str__(self) -> str:
        who = f"{self.kind} {self.name or 'without a name'}" + (f", process {self.pid}" if self.pid else "")
        since = f", since {moment(self.since)}" if self.since else ""
        return f"{who}{since} ({self.transactions:,} transactions behind)"


def check_locks(conn: psycopg.Connection) -> Iterator[Check]:
    """Who keeps a lock on a table of bridge's, so that nothing is written, or nothing read. Raises psycopg.Error."""
    found = conn.execute(query("doctor_locks"), {"seconds": LOCKED}, binary=True).fetchone()
    if found is None:
        yield ok("postgres locks", "nobody keeps bridge's tables locked")
        return
    pid, application, relation, mode, since, seconds = found
    text = f"process {pid} ({application or 'without a name'}) keeps {mode} on bridge.{relation}"
    if since is None:
        text = f"{text}, for how long our role is not told: writers and relays may wait for it"
        yield note("postgres locks", text, f"grant pg_read_all_stats to {conn.info.user}, or look again: {END % pid}")
        return
    text = f"{text} since {moment(since)}"
    yield problem("postgres locks", f"{text}, {seconds:.0f} s: writers and relays wait for it", END % pid)


def check_sessions(conn: psycopg.Connection) -> Iterator[Check]:
    """Long transactions, prepared ones, and the horizon. Raises psycopg.Error."""
    name = "postgres transactions"
    found = [one for one in open_transactions(conn, 50) if (one.seconds or 0) > NOTED]
    for one in found[:5]:
        yield long_transaction(one)
    if not found:
        yield ok(name, "none that writes has been open for five minutes")
    if not _sees_others(conn):
        text = "other roles' sessions are shown without their transactions"
        yield note(name, text, f"grant pg_read_all_stats to {conn.info.user}")
    with conn.cursor(row_factory=class_row(Holder), binary=True) as cursor:
        holder = cursor.execute(query("doctor_horizon")).fetchone()
    yield ok("postgres horizon", "nobody holds an old snapshot") if holder is None else horizon(holder)


def long_transaction(one: OpenTransaction) -> Check:
    """Its own events cannot be seen before it ends; all others flow."""
    level = Level.PROBLEM if (one.seconds or 0) > TOO_LONG else Level.NOTE
    text = f"{one}: its own events are published once it commits, all others flow"
    if one.gid is not None:
        return Check("postgres transactions", level, text, "commit prepared or rollback prepared, as its manager says")
    return Check("postgres transactions", level, text, f"{END % one.pid}, or idle_in_transaction_session_timeout")


def horizon(holder: Holder) -> Check:
    """Since then every former version of the shards' rows is kept, and each batch reads past them."""
    level = Level.OK
    if (holder.seconds or 0) > NOTED or (holder.seconds is None and holder.transactions > MANY):
        level = Level.PROBLEM if (holder.seconds or 0) > TOO_LONG else Level.NOTE
    if level is Level.OK:
        return ok("postgres horizon", f"held by {holder}")
    mend = {
        "session": f"{END % holder.pid}, or idle_in_transaction_session_timeout",
        "prepared transaction": "commit prepared or rollback prepared, as its manager says",
        "replication slot": "Let its consumer go on, or pg_drop_replication_slot",
        "standby": "Look for a long query there, or hot_standby_feedback = off",
    }
    return Check("postgres horizon", level, f"held by {holder}: old row versions stay", mend.get(holder.kind))


def _sees_others(conn: psycopg.Connection) -> bool:
    return conn.execute("select pg_has_role('pg_read_all_stats', 'usage')").fetchone() == (True,)
