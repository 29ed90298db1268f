"""Years of months with whatever happens in them: nobody fails or waits for long, and every row is accounted for."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from at_length import at_length
from fix_house import Db, Writers, keep, keep_and_die, kept, read_all, set_clock, simulate_clock
from fix_relay import eventually

STATEMENTS = {
    "bridge.outbox": "select bridge.publish_event('a.b', pg_backend_pid()::text, '{}'), pg_sleep(0.02)",
    "bridge.history": "update public.thing set v = v + 1 where id = 1 + pg_backend_pid() % 100",
    "bridge.activity_log": "insert into bridge.activity_log (action) values ('SEEN')",
}
JOBS = ("partitions", "retention", "archive", "cleanup")
STRAYS = """
insert into bridge.outbox (shard, event_type, event_key, payload, created_at)
select 0, 'a.b', g::text, '{}', sim.now() + make_interval(days => %s) from generate_series(1, %s) as g
"""
BOUND = 40  # partitions of a table: a week or a month ahead, and what is kept


@pytest.mark.parametrize("months", [6, *at_length(120)])
def test_years_pass(either_version: str, months: int) -> None:
    """Daylight saving, clocks that jump, strays, somebody who keeps a lock, kill -9, four writers."""
    rng = random.Random(months)
    with psycopg.connect(either_version, autocommit=True) as db:
        db.execute("set search_path = pg_catalog")
        simulate_clock(db)
        db.execute("create table public.thing (id integer primary key, v integer)")
        db.execute("insert into public.thing select g, 0 from generate_series(1, 100) as g")
        db.execute("select bridge.enable_tracking('public.thing')")
        db.execute("select bridge.set_partition_policy('bridge.history', keep_for => '20 days')")
        db.execute("update bridge.partition_policy set max_move_rows = 300, keep_for = '20 days'"
                   " where parent = 'bridge.outbox'::regclass")  # fmt: skip
        writers = Writers(either_version, STATEMENTS)
        strays = 0
        moment = datetime.now(UTC)
        with writers.at_work(4):
            for month in range(months):
                moment += timedelta(days=30.4, minutes=rng.randrange(-3000, 3000))
                set_clock(db, str(moment))
                _let_it_happen(db, either_version, rng, month)
                if rng.random() < 0.3:
                    count = rng.choice((5, 500))
                    db.execute(STRAYS, (rng.choice((-400, -40, -1, 0, 3, 5000)), count))
                    strays += count
                read_all(db)
                before = dict(writers.written)
                for _ in range(2):
                    keep(either_version, *JOBS, owner="test")
                for parent in ("bridge.outbox", "bridge.history"):
                    extra = strays if parent == "bridge.outbox" else 0
                    assert kept(db, parent) >= before.get(parent, 0) + extra, f"month {month}"
                assert writers.errors == []
        eventually(lambda: all(not run.steps for run in keep(either_version, "partitions")))
        assert writers.errors == []
        assert kept(db, "bridge.outbox") == writers.written["bridge.outbox"] + strays
        assert kept(db, "bridge.history") == writers.written["bridge.history"]
        for table, count, in_default in db.execute(
            "select bridge.qualified_name(parent), leaves, default_rows from bridge.partition_status"
        ).fetchall():
            assert count < BOUND + (strays > 0) * months, table
            assert in_default == 0, table


def _let_it_happen(db: Db, url: str, rng: random.Random, month: int) -> None:
    """One of the things that happen."""
    match month % 4:
        case 0:
            step = rng.randint(1, 12)
            keep_and_die(url, f"keeper_step:kill@{step}", *JOBS)
            db.execute("update bridge.keeper set lease_until = now() - interval '1 second'")
        case 1:
            with psycopg.connect(url) as holder:
                holder.execute("select count(*) from bridge.outbox")
                keep(url, *JOBS)
        case 2:
            db.execute("set timezone = 'America/St_Johns'")
            db.execute("update sim.clock set at = at - interval '2 hours'")
        case _:
            db.execute("set timezone = 'UTC'")
