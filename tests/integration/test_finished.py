"""Reads leave out table partitions that are finished, and nothing that is written there all the same is lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from fix_database import unstamped
from fix_relay import eventually
from psycopg import errors

from bridge.postgres.connection import connect
from bridge.postgres.finished import Finished
from bridge.postgres.store import Store
from bridge.settings import RelaySettings
from bridge.shard.ledger import InFlight
from bridge.shard.position import Scanner

Db = psycopg.Connection[Any]
pytestmark = pytest.mark.usefixtures("same_day")
DAYS = 20
OUTBOX = "insert into bridge.outbox (shard, event_type, event_key, payload, created_at) values (0, 't', 'k', '{}', %s)"
HISTORY = (
    "insert into bridge.history (id, seq, xid, shard, entity_type, entity_id, action, occurred_at) values"
    " (bridge.new_event_id(), nextval('bridge.event_seq'), pg_current_xact_id(), 0, 't', 'k', 'INSERT', %s)"
)
IN_A_LEAF, IN_NONE = "now() - interval '5 days 1 hour'", "now() - interval '90 days'"
DAY_OF_NONE = f"date_trunc('day', {IN_NONE})"


@pytest.fixture
def db(database: str) -> Iterator[Db]:
    """One shard, and table partitions of the last days."""
    with connect(database) as db:
        db.execute("select bridge.set_shard_count(1)")
        db.execute("update bridge.finished set up_to = '-infinity'")  # as if migrated before these days
        db.execute(
            "select bridge.create_partition(p, d, d + interval '1 day') from generate_series("
            f"  date_trunc('day', now()) - interval '{DAYS} days', now() - interval '1 day', '1 day') as d,"
            " (values ('bridge.outbox'::regclass), ('bridge.history')) as v (p)"
        )
        yield db


class Carrier:
    """Reads and settles as a relay does, without Kafka."""

    def __init__(self, database: str) -> None:
        self.conn = connect(database)
        self._store = Store(self.conn, 0, "test", RelaySettings(batch_rows=1000))
        self._held = self._store.take()
        self._scanner = Scanner(self._held.position)

    def carry(self) -> int:
        """Until a taker would have to look at nothing again, which transactions of other tests may hold up."""
        carried, empty, deadline = 0, 0, time.monotonic() + 60
        while empty < 3 or self._scanner.position.scan_from < self._scanner.position.cursor:
            assert time.monotonic() < deadline, self._scanner.position
            before, read = self._scanner.position, self._store.reader.read(self._scanner.start(), None)
            new = self._held.claimed(uuid4(), before, InFlight(self._scanner.scanned(read.scan), 0, 0, ()))
            self._scanner.claimed(read.scan.drawn, self._store.write(self._held, new, self._held.in_flight))
            self._store.write(new, new.settled(), new.in_flight)
            self._held = new.settled()
            carried, empty = carried + len(read.events), 0 if read.events else empty + 1
        return carried


@pytest.fixture
def carrier(db: Db, database: str) -> Iterator[Carrier]:
    carrier = Carrier(database)
    with carrier.conn:
        yield carrier


def write(db: Db, moment: str, statement: str = OUTBOX) -> None:
    db.execute(statement.replace("%s", moment).encode())


def finish(db: Db) -> str:
    """The moment up to which partitions are finished."""
    found = db.execute("select bridge.finish_partitions()::text").fetchone()
    assert found == db.execute("select up_to::text from bridge.finished").fetchone()
    return str(found[0])


def day(db: Db, moment: str = "now() - interval '1 day'") -> str:
    return str(db.execute(f"select date_trunc('day', {moment})::text".encode()).fetchone()[0])


def test_what_is_finished_is_not_looked_at(db: Db, carrier: Carrier) -> None:
    write(db, IN_A_LEAF)
    assert carrier.carry() == 1
    assert finish(db) == day(db)
    write(db, "now()")
    assert carrier.carry() == 1
    (up_to,) = db.execute("select up_to::text from bridge.finished").fetchone()
    assert carrier._store.reader._finished.up_to == up_to
    names = ("shard", "rows", "bytes", "cut", "headers_cut", "type_cut", "whole_below", "cursor", "read_to", "pass")
    given = dict.fromkeys(names, 1) | {"next_floor": 1, "last": 1, "next_xid": "9", "xids": "{}", "floors": "{}"}
    given |= {"snapshot": "1:1:", "late_snapshot": "1:1:", "topics": "{}", "with_xid": False}
    takers = Finished(db)  # before its first read
    for statement in (takers.read_pending, takers.numbers):
        plan = "\n".join(line for (line,) in db.execute(b"explain " + statement, given).fetchall())
        assert 0 < plan.count(" on outbox_y") < DAYS / 2, plan
        assert 0 < plan.count(" on history_y") < DAYS / 2, plan


def test_a_pooled_session_may_write_times_otherwise(db: Db) -> None:
    assert finish(db) == day(db)
    db.prepare_threshold = None  # as behind a pooler, whose sessions cannot be pinned
    db.execute("set datestyle = 'German'")
    up_to = Finished(db).up_to
    db.execute("set datestyle = 'ISO, YMD'")
    assert up_to == day(db)


@pytest.mark.parametrize("statement", [OUTBOX, HISTORY], ids=["outbox", "history"])
def test_what_is_unread_is_not_finished(db: Db, carrier: Carrier, statement: str) -> None:
    with unstamped(db):
        write(db, IN_A_LEAF, statement)
        assert finish(db) == day(db, IN_A_LEAF)
        assert carrier.carry() == 1
        assert finish(db) == day(db)


def test_what_is_unread_and_has_no_partition_is_not_finished(db: Db, carrier: Carrier) -> None:
    write(db, IN_NONE)
    assert finish(db)[:10] == day(db, IN_NONE)[:10]
    assert carrier.carry() == 1
    assert finish(db) == day(db)


def test_an_open_transaction_has_not_finished(db: Db, database: str) -> None:
    with psycopg.connect(database) as other:
        write(other, IN_A_LEAF)
        assert finish(db) == day(db, IN_A_LEAF)
        write(other, IN_NONE)
        with pytest.raises(errors.LockNotAvailable):
            finish(db)
        assert db.execute("select bridge.ensure_partitions()").fetchone() == (0,)
        noted = "select outcome from bridge.maintenance_log where action = 'finish_partitions'"
        assert db.execute(noted).fetchall() == [("busy",)]
    assert finish(db)[:10] == day(db, IN_NONE)[:10]


def test_what_is_written_behind_it_meanwhile_counts(db: Db, carrier: Carrier, database: str) -> None:
    """A transaction has moved the moment back, and commits while the next one is being found out."""
    assert finish(db) == day(db)
    db.execute("update bridge.finished set up_to = up_to - interval '1 day'")
    waits = "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and query ~ 'finish_part')"
    with connect(database) as other, ThreadPoolExecutor(1) as pool, unstamped(other):
        with other.transaction():
            write(other, IN_A_LEAF)
            found = pool.submit(finish, db)
            eventually(lambda: found.done() or other.execute(waits).fetchone() == (True,))
        found.result()
    assert carrier.carry() == 1


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
def test_an_old_snapshot_finishes_nothing(db: Db, isolation: str) -> None:
    """It would not see what was written before a partition's lock was had."""
    db.execute(f"set default_transaction_isolation = '{isolation}'".encode())
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match="cannot be finished"):
        finish(db)
    db.execute("select bridge.ensure_partitions()")
    noted = "select outcome from bridge.maintenance_log where action = 'finish_partitions'"
    assert db.execute(noted).fetchall() == [("error",)]


def test_an_old_snapshot_makes_no_partition_at_all(db: Db, carrier: Carrier, database: str) -> None:
    with psycopg.connect(database) as other:
        other.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        other.execute("select")
        assert finish(db) == day(db)
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
            other.execute(
                f"select bridge.create_partition('bridge.outbox', {DAY_OF_NONE}, {DAY_OF_NONE} + '1 day')".encode()
            )
    write(db, IN_NONE)
    assert carrier.carry() == 1


@pytest.mark.parametrize("parent", ["outbox", "history"])
def test_a_partition_that_was_attached_by_hand_is_guarded_and_read(db: Db, carrier: Carrier, parent: str) -> None:
    assert finish(db) == day(db)
    statement = OUTBOX if parent == "outbox" else HISTORY
    db.execute(f"create table public.leaf (like bridge.{parent} including all)".encode())
    (bounds,) = db.execute(
        f"select format('from (%L) to (%L)', {DAY_OF_NONE}, {DAY_OF_NONE} + '1 day')".encode()
    ).fetchone()
    db.execute(f"alter table bridge.{parent} attach partition public.leaf for values {bounds}".encode())
    with unstamped(db):
        write(db, IN_NONE, statement)
    assert finish(db)[:10] == day(db, IN_NONE)[:10]
    assert carrier.carry() == 1
    assert finish(db) == day(db)
    with unstamped(db):
        write(db, IN_NONE, statement)
    assert carrier.carry() == 1


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read"])
@pytest.mark.parametrize(
    ("moment", "statement"),
    [(IN_A_LEAF, OUTBOX), (IN_A_LEAF, HISTORY), (IN_NONE, OUTBOX), (IN_NONE, HISTORY)],
    ids=["outbox", "history", "no partition", "no partition of the history"],
)
def test_what_is_written_behind_it_is_read(
    db: Db, carrier: Carrier, moment: str, statement: str, isolation: str
) -> None:
    """By a relay that goes on, and would look at newer partitions only."""
    write(db, "now()")
    assert finish(db) == day(db)
    assert carrier.carry() == 1
    with unstamped(db), db.transaction():
        db.execute(f"set transaction isolation level {isolation}".encode())
        write(db, moment, statement)
    write(db, "now()")
    assert carrier.carry() == 2
    assert finish(db) == day(db)


def test_what_is_written_to_a_partition_that_was_made_behind_it_is_read(db: Db, carrier: Carrier) -> None:
    write(db, IN_NONE)
    assert carrier.carry() == 1
    assert finish(db) == day(db)
    assert db.execute("select bridge.ensure_partitions()").fetchone() == (1,)
    assert carrier.carry() == 0
    write(db, IN_NONE)
    write(db, "now()")
    assert carrier.carry() == 2


def test_a_snapshot_from_before_it_was_finished_is_not_believed(db: Db, carrier: Carrier, database: str) -> None:
    with psycopg.connect(database) as other:
        other.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        other.execute("select")
        assert finish(db) == day(db)
        assert carrier.carry() == 0
        with pytest.raises(errors.SerializationFailure):
            write(other, IN_A_LEAF)
