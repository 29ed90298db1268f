"""What leaves when: only what is processed, has had its time, and is parked no more; and it is counted."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from fix_house import all_done, keep, keep_and_die, kept, read_all, troubles
from fix_relay import Site, eventually
from psycopg import errors

from bridge.admin.keeping import read_keeping
from bridge.admin.replay import Wanted, begin_replay
from bridge.keeping.retention import BUSY_TRIES
from bridge.postgres.queries import query

Db = psycopg.Connection[Any]
OLD = """
select bridge.create_partition('{}', d, d + interval '1 day')
  from date_trunc('day', now() - interval '{}', 'UTC') as d"""


@pytest.fixture
def db(either_version: str) -> Iterator[Db]:
    with psycopg.connect(either_version, autocommit=True) as conn:
        conn.execute("set search_path = pg_catalog")
        yield conn


def insert_old(db: Db, age: str, count: int = 10) -> str:
    """Events of that age, in a partition of their own, whose name is returned."""
    db.execute(OLD.format("bridge.outbox", age).encode())
    row = db.execute(
        "insert into bridge.outbox (shard, event_type, event_key, payload, created_at)"
        " select 0, 'a.b', g::text, '{}', now() - %s::interval from generate_series(1, %s) as g"
        " returning tableoid::regclass::text",
        (age, count),
    ).fetchone()
    assert row is not None
    return str(row[0])


def time_passes(db: Db, interval: str) -> None:
    """All ticks are that much older."""
    db.execute("update bridge.tick set at = at - %s::interval", (interval,))


def leaves(db: Db, parent: str = "bridge.outbox") -> set[str]:
    query = "select leaf::text from bridge.partition_bounds(%s) where not is_default"
    return {leaf for (leaf,) in db.execute(query, (parent,)).fetchall()}


def retired(db: Db) -> list[tuple[str, str, int | None]]:
    return db.execute("select leaf, state, rows from bridge.retired_partition order by id").fetchall()


def obstacles(db: Db) -> list[str]:
    """What `bridge status` says of partitions whose time is over, and which stay."""
    return [str(line) for line in read_keeping(db).lines if "may not leave" in line]


def exists(db: Db, table: str) -> bool:
    row = db.execute("select to_regclass(%s) is not null", (table,)).fetchone()
    return row is not None and bool(row[0])


def test_events_leave_a_week_after_they_were_processed(db: Db, either_version: str) -> None:
    leaf = insert_old(db, "30 days")
    keep(either_version, "partitions", "retention")
    assert leaf in leaves(db), "nobody has read them"
    read_all(db)
    keep(either_version, "partitions")
    assert troubles(keep(either_version, "retention")) == []
    assert leaf in leaves(db), "they were processed just now, however old they are"
    time_passes(db, "6 days")
    keep(either_version, "retention")
    assert leaf in leaves(db)
    time_passes(db, "1 day")
    assert troubles(keep(either_version, "retention")) == []
    assert leaf not in leaves(db)
    assert not exists(db, leaf)
    assert retired(db) == [(leaf, "dropped", 10)]


def test_events_leave_though_a_transaction_was_open_when_their_shard_came_to_rest(db: Db, either_version: str) -> None:
    """Its last tick is of then; the ledger has passed them since."""
    leaf = insert_old(db, "30 days")
    db.execute(OLD.format("bridge.outbox", "31 days").encode())
    with psycopg.connect(either_version, options="-c search_path=pg_catalog") as late:
        (late_leaf,) = late.execute(
            "insert into bridge.outbox (shard, event_type, event_key, payload, created_at)"
            " values (0, 'a.b', 'late', '{}', now() - interval '31 days') returning tableoid::regclass::text"
        ).fetchone() or ("",)
        read_all(db)
        db.execute("update bridge.tick set scan_from = 0")
    read_all(db)
    db.execute("delete from bridge.tick where scan_from > 0")
    time_passes(db, "8 days")
    keep(either_version, "partitions")
    assert troubles(keep(either_version, "retention")) == []
    assert leaf not in leaves(db)
    assert late_leaf in leaves(db), "the tick does not have its events"


def test_what_no_relay_has_read_stays_and_is_named(db: Db, either_version: str) -> None:
    leaf = insert_old(db, "30 days")
    db.execute(
        "insert into bridge.tick (shard, batch_no, at, scan_from, cursor, snapshot, event_queue_processed,"
        " entity_events_processed) values (0, 1, now() - interval '9 days', 1000000, 0, '1:1:', 0, 0)"
    )
    keep(either_version, "partitions")
    assert troubles(keep(either_version, "retention")) == []
    assert obstacles(db) == [f"{leaf} may not leave yet: it has, or may have, events that no relay has read"]
    assert leaf in leaves(db)


@pytest.mark.parametrize(("state", "may_leave"), [("dead", False), ("deferred", False), ("skipped", True)])
def test_parked_events_keep_their_partition(db: Db, either_version: str, state: str, may_leave: bool) -> None:
    leaf = insert_old(db, "30 days")
    db.execute(
        f"insert into bridge.parked (seq, source, event_id, at, shard, topic, key_hash, state, blocks)"
        f" select seq, 'event_queue', id, created_at, 0, 't', 0, '{state}', false from {leaf} limit 1".encode()
    )
    read_all(db)
    time_passes(db, "8 days")
    keep(either_version, "partitions")
    assert troubles(keep(either_version, "retention")) == []
    assert (leaf not in leaves(db)) is may_leave
    told = f"{leaf} may not leave yet: 1 of its events are parked: dead, or waiting"
    assert obstacles(db) == ([] if may_leave else [told])
    keep(either_version, "cleanup")
    rows = db.execute("select count(*) from bridge.parked").fetchone()
    assert rows == ((0,) if may_leave else (1,)), "what is done with goes with its event"


def test_what_was_given_up_is_known_when_its_partition_comes_back(db: Db, either_version: str) -> None:
    """By hand, or from cold files: else it would count as published, and be replayed."""
    leaf = insert_old(db, "30 days")
    db.execute(
        f"insert into bridge.parked (seq, source, event_id, at, shard, topic, key_hash, state, blocks)"
        f" select seq, 'event_queue', id, created_at, 0, 't', 0, 'skipped', false from {leaf} limit 1".encode()
    )
    read_all(db)
    time_passes(db, "8 days")
    (bounds,) = (
        db.execute("select pg_get_expr(relpartbound, oid) from pg_class where oid = %s::regclass", (leaf,)).fetchone()
        or ()
    )
    db.execute("update bridge.partition_policy set expiry = 'detach' where parent = 'bridge.outbox'::regclass")
    keep(either_version, "partitions")
    keep(either_version, "retention", "cleanup")
    assert retired(db) == [(leaf, "detached", 10)]
    db.execute(f"alter table bridge.outbox attach partition {leaf} {bounds}".encode())
    states = "select status, count(*) from bridge.event_queue group by 1 order by 1"
    assert db.execute(states).fetchall() == [("DEAD", 1), ("PROCESSED", 9)]
    db.execute("update bridge.retired_partition set state = 'dropped', expiry = 'files'")
    keep(either_version, "cleanup")
    assert db.execute(states).fetchall() == [("DEAD", 1), ("PROCESSED", 9)]


def test_what_a_replay_parks_meanwhile_stays(db: Db, either_version: str) -> None:
    """It has read the partition, and commits while the keeper waits for the table."""
    leaf = insert_old(db, "30 days")
    read_all(db)
    time_passes(db, "8 days")
    keep(either_version, "partitions")
    db.execute("alter function bridge.retire_partition set lock_timeout = '1min'")
    waits = "select count(*) from pg_locks where not granted and mode = 'AccessExclusiveLock'"
    with psycopg.connect(either_version) as other, ThreadPoolExecutor() as pool:
        replay = begin_replay(other, Wanted(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)))
        given = {"id": replay.id, "rules": ["^"], "topics": ["t"], "most": 100}
        assert other.execute(query("replay_slice"), given).fetchone() == (10, 0, replay.until_seq, True)
        keeper = pool.submit(keep, either_version, "retention")
        eventually(lambda: db.execute(waits).fetchone() == (1,))
        other.commit()
        assert troubles(keeper.result()) == []
    assert leaf in leaves(db)
    assert obstacles(db) == [f"{leaf} may not leave yet: 10 of its events are parked: dead, or waiting"]


def test_history_stays_until_somebody_says_otherwise(db: Db, either_version: str) -> None:
    db.execute(OLD.format("bridge.history", "900 days").encode())
    read_all(db)
    time_passes(db, "400 days")
    keep(either_version, "partitions", "retention")
    assert len(leaves(db, "bridge.history")) == 9
    db.execute("select bridge.set_partition_policy('bridge.history', keep_for => '1 year', expiry => 'detach')")
    assert troubles(keep(either_version, "retention")) == []
    ((leaf, state, rows),) = retired(db)
    assert (state, rows, exists(db, leaf)) == ("detached", 0, True)


def test_the_log_leaves_once_it_is_in_its_archive(db: Db, either_version: str) -> None:
    db.execute("insert into bridge.activity_log (action, occurred_at) select 'OLD', now() - interval '200 days'"
               " from generate_series(1, 20)")  # fmt: skip
    keep(either_version, "partitions")
    keep(either_version, "retention")
    assert "its rows are not in the archive table yet" in obstacles(db)[0]
    keep(either_version, "archive")
    assert troubles(keep(either_version, "retention")) == []
    assert db.execute("select count(*) from bridge.activity_log_archive").fetchone() == (20,)
    assert len(leaves(db, "bridge.activity_log")) == 4


def test_who_reads_for_long_is_waited_for_briefly(db: Db, either_version: str) -> None:
    leaf = insert_old(db, "30 days")
    read_all(db)
    time_passes(db, "8 days")
    keep(either_version, "partitions")
    with psycopg.connect(either_version) as reader:
        reader.execute("select count(*) from bridge.outbox")
        (run,) = keep(either_version, "retention")
        assert run.outcome == "busy"
        assert leaf in leaves(db)
    assert troubles(keep(either_version, "retention")) == []
    assert leaf not in leaves(db)


def test_a_busy_table_is_not_asked_again_and_again(db: Db, either_version: str) -> None:
    """Its writers wait behind each try. Others are looked after all the same."""
    first = [insert_old(db, f"{age} days") for age in range(30, 40)]
    db.execute("create table public.visits (at timestamptz) partition by range (at)")
    db.execute(
        "create table public.visits_1 partition of public.visits for values from ('2020-01-01+00') to ('2020-01-02+00')"
    )
    db.execute("select bridge.set_partition_policy('public.visits', step => 'day', keep_for => '30 days')")
    read_all(db)
    time_passes(db, "8 days")
    keep(either_version, "partitions")
    with psycopg.connect(either_version) as reader:
        reader.execute("select count(*) from bridge.outbox")
        (run,) = keep(either_version, "retention")
    assert [step.target for step in run.steps if step.outcome == "busy"] == sorted(first)[:BUSY_TRIES]
    assert not exists(db, "public.visits_1")
    assert troubles(keep(either_version, "retention")) == []
    assert set(first).isdisjoint(leaves(db))


def test_a_view_on_a_partition_stops_its_drop_and_no_other(db: Db, either_version: str) -> None:
    first, second = insert_old(db, "31 days"), insert_old(db, "30 days")
    db.execute(f"create view public.mine as select * from {first}".encode())
    read_all(db)
    time_passes(db, "8 days")
    keep(either_version, "partitions")
    (run,) = keep(either_version, "retention")
    assert run.outcome == "error"
    assert retired(db) == [(first, "detached", 10), (second, "dropped", 10)]
    trouble = db.execute("select trouble from bridge.retired_partition where trouble is not null").fetchone()
    assert trouble is not None
    assert "depend" in trouble[0]
    assert "(view public.mine depends on table" in trouble[0]
    db.execute("drop view public.mine")
    assert troubles(keep(either_version, "retention")) == []
    assert not exists(db, first)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_keeper_that_is_killed_loses_no_row(db: Db, either_version: str, number: int) -> None:
    for age in ("31 days", "30 days"):
        insert_old(db, age)
    read_all(db)
    time_passes(db, "8 days")
    keep(either_version, "partitions")
    assert keep_and_die(either_version, f"keeper_step:kill@{number}", "retention") == -9
    assert kept(db, "bridge.outbox") == 20
    db.execute("update bridge.keeper set lease_until = now() - interval '1 second'")
    assert troubles(keep(either_version, "retention")) == []
    assert [(state, rows) for _, state, rows in retired(db)] == [("dropped", 10)] * 2
    assert kept(db, "bridge.outbox") == 20


def test_a_foreign_key_that_stops_it_is_named_without_its_values(db: Db, either_version: str) -> None:
    """A user's table; the values of its key are nobody's business."""
    db.execute("create table public.visits (at timestamptz primary key) partition by range (at)")
    db.execute(
        "create table public.visits_1 partition of public.visits for values from ('2020-01-01+00') to ('2020-01-02+00')"
    )
    db.execute("create table public.notes (at timestamptz references public.visits)")
    db.execute("insert into public.visits values ('2020-01-01 12:34:56+00')")
    db.execute("insert into public.notes values ('2020-01-01 12:34:56+00')")
    db.execute("select bridge.set_partition_policy('public.visits', step => 'day', keep_for => '30 days')")
    (trouble,) = [trouble for trouble in troubles(keep(either_version, "retention")) if "visits" in trouble]
    assert "(the constraint notes_at_fkey" in trouble
    assert "of public.notes)" in trouble
    assert "12:34:56" not in trouble


def test_a_table_that_took_the_name_of_a_retired_one_is_not_dropped(db: Db, either_version: str) -> None:
    leaf = insert_old(db, "30 days")
    db.execute("update bridge.partition_policy set expiry = 'detach' where keep_for is not null")
    read_all(db)
    time_passes(db, "8 days")
    keep(either_version, "partitions", "retention")
    db.execute(f"drop table {leaf}".encode())
    db.execute(f"create table {leaf} (mine integer)".encode())
    db.execute("update bridge.retired_partition set expiry = 'drop'")
    assert troubles(keep(either_version, "retention")) != []
    assert exists(db, leaf)


def test_a_retired_table_whose_number_is_anothers_is_not_dropped(db: Db, either_version: str) -> None:
    """As after a restore, of a table that had been dropped by hand: a dump has a bare number of it."""
    insert_old(db, "30 days")
    db.execute("create table public.mine as select g from generate_series(1, 10) as g")
    db.execute("update bridge.partition_policy set expiry = 'detach' where keep_for is not null")
    read_all(db)
    time_passes(db, "8 days")
    keep(either_version, "partitions", "retention")
    db.execute("update bridge.retired_partition set expiry = 'drop', relation = 'public.mine'::regclass")
    (trouble,) = troubles(keep(either_version, "retention"))
    assert "has another name" in trouble
    assert exists(db, "public.mine")


def test_what_is_written_to_a_retired_table_is_not_dropped(db: Db, either_version: str) -> None:
    leaf = insert_old(db, "30 days")
    db.execute("update bridge.partition_policy set expiry = 'detach' where keep_for is not null")
    read_all(db)
    time_passes(db, "8 days")
    keep(either_version, "partitions", "retention")
    db.execute("update bridge.retired_partition set expiry = 'drop'")
    db.execute(f"insert into {leaf} (shard, event_type, event_key, payload) values (0, 'a.b', 'k', '{{}}')".encode())
    (trouble,) = troubles(keep(either_version, "retention"))
    assert "it holds 11 rows, and held 10 when it was taken out" in trouble
    assert exists(db, leaf)


def test_what_a_person_did_with_a_retired_table_is_noted(db: Db, either_version: str) -> None:
    first, second = insert_old(db, "31 days"), insert_old(db, "30 days")
    db.execute("update bridge.partition_policy set expiry = 'detach' where keep_for is not null")
    read_all(db)
    time_passes(db, "8 days")
    keep(either_version, "partitions", "retention")
    db.execute(f"drop table {first}".encode())
    db.execute(f"alter table bridge.outbox attach partition {second} for values from ('2001-01-01') to (now())"
               .replace("now()", "'" + str(db.execute("select now()::date - 20").fetchone()[0]) + "'").encode())  # type: ignore[index] # fmt: skip
    keep(either_version, "cleanup")
    assert [state for _, state, _ in retired(db)] == ["dropped", "restored"]


def test_a_partition_with_subpartitions_leaves(db: Db, either_version: str) -> None:
    db.execute("create table public.t (at date, n integer) partition by range (at)")
    db.execute("create table public.old partition of public.t for values from ('2001-01-01') to ('2001-01-02')"
               " partition by hash (n)")  # fmt: skip
    db.execute("create table public.old_0 partition of public.old for values with (modulus 1, remainder 0)")
    db.execute("insert into public.t values ('2001-01-01', 1)")
    db.execute("select bridge.set_partition_policy('public.t', step => 'day', keep_for => '1 year')")
    db.execute("update bridge.partition_policy set expiry = 'files', location = '/srv/cold' where keep_for = '1 year'")
    assert troubles(keep(either_version, "retention")) == []
    assert retired(db) == [], "nobody could write its cold files"
    assert obstacles(db) == [
        "public.old may not leave yet: it has partitions itself, and cold files are written of plain tables"
    ]
    db.execute("update bridge.partition_policy set expiry = 'drop'")
    assert troubles(keep(either_version, "retention")) == []
    assert retired(db) == [("public.old", "dropped", 1)]


def test_a_partition_that_somebody_has_begun_to_detach_is_told(db: Db, either_version: str) -> None:
    """Postgres detaches it no more but with FINALIZE: the job would fail for ever, without a reason."""
    db.execute("create table public.t (at date) partition by range (at)")
    db.execute("create table public.old partition of public.t for values from ('2001-01-01') to ('2001-01-02')")
    db.execute("create table public.older partition of public.t for values from ('2000-01-01') to ('2000-01-02')")
    db.execute("select bridge.set_partition_policy('public.t', step => 'day', keep_for => '1 year')")
    with psycopg.connect(either_version) as reader:
        reader.execute("select from public.t")
        db.execute("set lock_timeout = '100ms'")
        with pytest.raises(errors.LockNotAvailable):
            db.execute("alter table public.t detach partition public.old concurrently")
    db.execute("reset lock_timeout")
    assert troubles(keep(either_version, "retention")) == []
    assert retired(db) == [("public.older", "dropped", 0)]
    assert [line.partition(":")[0] for line in obstacles(db)] == ["public.old may not leave yet"]
    db.execute("alter table public.t detach partition public.old finalize")
    assert obstacles(db) == []


def test_a_transaction_with_one_snapshot_is_refused(db: Db, either_version: str) -> None:
    """It would not see an event that was committed while it waited for the lock."""
    leaf = insert_old(db, "30 days")
    read_all(db)
    time_passes(db, "8 days")
    keep(either_version, "partitions")
    db.execute("set default_transaction_isolation = 'repeatable read'")
    with pytest.raises(errors.ObjectNotInPrerequisiteState):
        db.execute("select bridge.retire_partition(%s::regclass)", (leaf,))
    assert leaf in leaves(db)


def test_nobodys_lock_stops_the_keeper(db: Db, either_version: str) -> None:
    db.execute("insert into bridge.activity_log (action, occurred_at) values ('OLD', now() - interval '200 days')")
    keep(either_version, "partitions")
    with psycopg.connect(either_version) as holder:
        holder.execute("select * from bridge.activity_log for update")
        (run,) = keep(either_version, "archive")
        assert run.outcome == "busy"
    assert troubles(keep(either_version, "archive")) == []


def test_a_relay_keeps_house(site: Site) -> None:
    """Events that are old are published first; a week later they leave; a dead one keeps its partition."""
    with site.connect() as db:
        db.execute("set search_path = pg_catalog")
        db.execute(OLD.format("bridge.outbox", "30 days").encode())
        db.execute(
            "insert into bridge.outbox (shard, event_type, event_key, payload, created_at)"
            " select bridge.shard_of(g::text), 'thing.changed', g::text, jsonb_build_object('n', g),"
            " now() - interval '30 days' from generate_series(1, 50) as g"
        )
        relay = site.start()
        eventually(lambda: site.pending() == 0)
        (leaf,) = (name for name in leaves(db) if exists(db, name) and
                   db.execute(f"select count(*) from {name}".encode()).fetchone() == (50,))  # fmt: skip
        eventually(lambda: db.execute("select count(distinct shard) from bridge.tick").fetchone() == (2,))
        # A transaction that another test has open holds that up, and the shards say it a minute later. In the middle of
        # the keeper's first round, what leaves would be looked for before the events count as read.
        passed = "select min(s.scan_from) >= (select max(o.seq) from bridge.outbox as o) from bridge.shard as s"
        eventually(lambda: db.execute(passed).fetchone() == (True,), 180)
        eventually(lambda: all_done(db))
        time_passes(db, "8 days")
        db.execute("update bridge.policy set started_at = null")
        eventually(lambda: not exists(db, leaf), 90, lambda: str(obstacles(db)))
        assert retired(db) == [(leaf, "dropped", 50)]
        well = "select count(*) from bridge.policy where job in ('partitions', 'retention') and outcome = 'ok'"
        eventually(lambda: db.execute(well).fetchone() == (2,))
    site.publish(20)
    eventually(lambda: site.pending() == 0)
    site.end(relay)
