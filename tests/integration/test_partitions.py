"""Table partitions made ahead, strays, the archive of the log, materialised views, and the number of shards."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from fix_database import unstamped
from fix_relay import eventually
from psycopg import errors

from bridge.postgres.migrate import migrate

Db = psycopg.Connection[Any]
pytestmark = pytest.mark.usefixtures("same_day")
PARENTS = ["activity_log", "activity_log_archive", "history", "outbox"]


@pytest.fixture
def db(database: str) -> Iterator[Db]:
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("set search_path = pg_catalog")  # names are shown in full
        yield conn


def run(db: Db, *statements: str) -> None:
    for statement in statements:
        db.execute(statement.encode())


def value(db: Db, query: str) -> Any:
    row = db.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def bounds(db: Db, parent: str) -> list[tuple[str, str, str]]:
    """Name and bounds (UTC) of each leaf, without the default one."""
    query = """
        select leaf::text, to_char(range_from at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'),
               to_char(range_to at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')
          from bridge.partition_bounds(%s) where not is_default order by range_from"""
    return db.execute(query, (f"bridge.{parent}",)).fetchall()


def status(db: Db, parent: str) -> tuple[int, int]:
    """Number of leaves, rows in the default partition."""
    query = "select leaves, default_rows from bridge.partition_status where parent = %s::regclass"
    row = db.execute(query, (f"bridge.{parent}",)).fetchone()
    assert row is not None
    return row


def log(db: Db, *moments: str) -> None:
    for moment in moments:
        run(db, f"insert into bridge.activity_log (action, occurred_at) values ('SEEN', {moment})")


# Ahead of time


def test_partitions_exist_before_rows_do(db: Db) -> None:
    query = "select parent::text, step, leaves, runway > interval '1 day', default_rows from bridge.partition_status"
    assert sorted(db.execute(query).fetchall()) == [
        ("bridge.activity_log", "month", 4, True, 0),
        ("bridge.activity_log_archive", "month", 2, True, 0),
        ("bridge.history", "day", 8, True, 0),
        ("bridge.outbox", "day", 8, True, 0),
    ]
    run(db, "select bridge.publish_event('a.b', 'k', '{}')")
    leaf = value(db, "select tableoid::regclass::text from bridge.outbox")
    assert leaf == value(db, 'select to_char(now() at time zone \'UTC\', \'"bridge.outbox_y"YYYY"m"MM"d"DD\')')
    assert value(db, "select bridge.ensure_partitions()") == 0


ZONES = ["UTC", "America/St_Johns", "Europe/Berlin", "Pacific/Apia", "Asia/Kathmandu"]


@pytest.mark.parametrize("zone", ZONES)
def test_bounds_are_utc_whatever_the_sessions_zone(empty_database: str, zone: str) -> None:

    name = psycopg.conninfo.conninfo_to_dict(empty_database)["dbname"]
    with psycopg.connect(empty_database, autocommit=True) as db:
        run(db, f"alter database {name} set timezone = '{zone}'", f"alter database {name} set datestyle = 'SQL, DMY'")
    migrate(empty_database, engine_only=True)
    with psycopg.connect(empty_database, autocommit=True) as db:
        # Strays on both sides of every change of clocks in the zones above, and around leap day and year's end.
        for day in ("2023-12-31", "2024-02-29", "2024-03-10", "2024-03-31", "2024-10-27", "2024-11-03"):
            log(db, *(f"'{day} {hour:02}:30Z'" for hour in range(0, 24, 3)))
        run(db, "select bridge.ensure_partitions()", "set timezone = 'Asia/Tokyo'")
        for parent in PARENTS:
            for leaf, start, end in bounds(db, parent):
                step = "1 day" if parent in ("outbox", "history") else "1 month"
                assert start.endswith(" 00:00:00.000000"), leaf
                assert value(db, f"select timestamp '{start}' + interval '{step}' = timestamp '{end}'") is True
                assert ("_y" + start[:10].replace("-", "m", 1).replace("-", "d"))[: len(leaf)] in leaf + "d01"
        assert status(db, "activity_log") == (9, 0)
        assert value(db, "select count(*) from bridge.activity_log") == 48


def test_leaves_have_what_the_parent_has(db: Db) -> None:
    run(db, "set timezone = 'UTC'")
    for parent in ("outbox", "history"):
        leaves = [leaf for leaf, *_ in bounds(db, parent)]
        for leaf in [*leaves, f"bridge.{parent}_default"]:
            options = value(db, f"select reloptions from pg_class where oid = '{leaf}'::regclass")
            assert not [option for option in options or () if option.startswith("fillfactor")], "room for updates"
            for what in ("count(*) from pg_index where indrelid", "count(*) from pg_attrdef where adrelid"):
                assert value(db, f"select {what} = '{leaf}'::regclass") == value(
                    db, f"select {what} = 'bridge.{parent}'::regclass"
                )
            checks = "array_agg(conname::text order by conname) from pg_constraint where contype = 'c' and conrelid"
            assert value(db, f"select {checks} = '{leaf}'::regclass") == value(
                db, f"select {checks} = 'bridge.{parent}'::regclass"
            )
        assert "autovacuum_vacuum_insert_scale_factor=0.1" in value(
            db, f"select reloptions from pg_class where oid = '{leaves[0]}'::regclass"
        )


def test_writers_and_readers_go_on_meanwhile(db: Db, database: str) -> None:
    """ATTACH lets them; CREATE TABLE ... PARTITION OF would wait for this writer, and all others behind it."""
    run(db, "update bridge.partition_policy set premake = premake + 2")
    with psycopg.connect(database) as writer:
        run(writer, "select bridge.publish_event('a.b', 'k', '{}')")
        assert value(db, "select bridge.ensure_partitions('bridge.outbox')") == 2
        run(writer, "select bridge.publish_event('a.b', 'k', '{}')")
    assert value(db, "select count(*) from bridge.event_queue") == 2


def test_a_lock_that_is_not_to_be_had_is_recorded_and_tried_again(db: Db, database: str) -> None:
    run(db, "update bridge.partition_policy set premake = premake + 1")
    with psycopg.connect(database) as reader:
        run(reader, "lock table bridge.outbox_default in access share mode")
        notices: list[str] = []
        db.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
        assert value(db, "select bridge.ensure_partitions()") == 3
    query = "select target, outcome, detail from bridge.maintenance_log where outcome <> 'ok'"
    ((target, outcome, detail),) = db.execute(query).fetchall()
    assert (target, outcome) == ("bridge.outbox", "busy")
    assert "lock timeout" in detail
    assert [notice for notice in notices if "no partition of bridge.outbox" in notice]
    assert value(db, "select bridge.ensure_partitions()") == 1


def test_two_calls_at_once(db: Db, database: str) -> None:
    run(db, "update bridge.partition_policy set premake = premake + 1")
    with psycopg.connect(database) as first:
        assert value(first, "select bridge.ensure_partitions()") == 4
        assert value(db, "select bridge.ensure_partitions()") == 0
    assert value(db, "select bridge.ensure_partitions()") == 0


def test_one_tables_trouble_does_not_stop_the_others(db: Db) -> None:
    run(db, "update bridge.partition_policy set premake = premake + 1")
    run(
        db,
        "update bridge.partition_policy set storage = 'none_such = 1' where parent = 'bridge.activity_log'::regclass",
    )
    assert value(db, "select bridge.ensure_partitions()") == 3
    query = (
        "select outcome, detail from bridge.maintenance_log where target = 'bridge.activity_log' and outcome <> 'ok'"
    )
    ((outcome, detail),) = db.execute(query).fetchall()
    assert outcome == "error"
    assert "none_such" in detail


# Rows that no partition was there for


def test_a_stray_lands_is_seen_and_finds_its_partition(db: Db) -> None:
    log(db, "now()", "'2021-05-05 05:05Z'", "'2021-05-31 23:59:59.999999Z'", "'2021-06-01 00:00Z'", "'2199-01-01'")
    assert status(db, "activity_log") == (4, 4)
    assert value(db, "select count(*) from bridge.activity_log") == 5
    # The default partition does not stop partitions from being made, nor is it in their way.
    assert value(db, "select bridge.ensure_partitions()") == 3
    assert status(db, "activity_log") == (7, 0)
    query = (
        "select tableoid::regclass::text, count(*) from bridge.activity_log where occurred_at < '2022-01-01' group by 1"
    )
    assert sorted(db.execute(query.encode()).fetchall()) == [
        ("bridge.activity_log_y2021m05", 2),
        ("bridge.activity_log_y2021m06", 1),
    ]


def test_strays_of_the_outbox_keep_everything_but_their_place(db: Db) -> None:
    with unstamped(db):
        run(
            db,
            "insert into bridge.outbox (id, seq, xid, shard, event_type, event_key, payload, headers, created_at) "
            "select bridge.new_event_id(), g, '7', bridge.shard_of('k' || g), 'a.b', 'k' || g, '{\"n\": 1}', "
            "'{\"h\": \"v\"}', '2021-05-05Z' from generate_series(1, 50) as g",
        )
    query = "select array_agg(o order by seq) from bridge.outbox as o"
    before = value(db, query)
    assert value(db, "select bridge.ensure_partitions()") == 1
    assert value(db, query) == before
    assert status(db, "outbox") == (9, 0)
    assert value(db, "select distinct tableoid::regclass::text from bridge.outbox") == "bridge.outbox_y2021m05d05"


def test_many_strays_move_in_bounded_numbers_and_are_never_invisible(db: Db) -> None:
    run(db, "update bridge.partition_policy set max_move_rows = 100 where parent = 'bridge.activity_log'::regclass")
    run(db, "insert into bridge.activity_log (action, occurred_at) "
        "select 'SEEN', '2021-05-05Z'::timestamptz + g * interval '1 h' from generate_series(1, 450) as g")  # fmt: skip
    left = 450
    while left:
        run(db, "select bridge.ensure_partitions()")
        now_left = status(db, "activity_log")[1]
        assert left - 100 <= now_left < left
        assert value(db, "select count(*) from bridge.activity_log where occurred_at < '2022-01-01'") == 450
        left = now_left
    covered = "select range_agg(tstzrange(range_from, range_to)) from bridge.partition_bounds('bridge.activity_log')"
    assert value(db, f"select ({covered} where not is_default) @> tstzrange('2021-05-01Z', '2021-06-01Z')") is True
    assert value(db, "select bridge.ensure_partitions()") == 0


def test_more_strays_of_one_moment_than_move_at_once(db: Db) -> None:
    run(db, "update bridge.partition_policy set max_move_rows = 10 where parent = 'bridge.activity_log'::regclass")
    for moment, count in (("2021-05-05Z", 25), ("2021-05-06Z", 25), ("2021-05-07Z", 1)):
        log(db, *[f"'{moment}'"] * count)
    for left in (50, 25, 0):
        run(db, "select bridge.ensure_partitions()")
        assert status(db, "activity_log")[1] == left
    assert value(db, "select count(*) from bridge.activity_log") == 51


def test_rows_at_infinity_stay_and_harm_nothing(db: Db) -> None:
    log(db, "'infinity'", "'-infinity'")
    assert value(db, "select bridge.ensure_partitions()") == 0
    assert status(db, "activity_log") == (4, 0)
    query = "select timeless_rows from bridge.partition_status where parent = 'bridge.activity_log'::regclass"
    assert value(db, query) == 2


def test_now_has_a_partition_again_after_a_long_time_without_maintenance(db: Db) -> None:
    for leaf, *_ in bounds(db, "outbox"):
        run(db, f"drop table {leaf}")
    run(db, "select bridge.publish_event('a.b', 'k', '{}')")
    query = "select covered_until, default_rows from bridge.partition_status where parent = 'bridge.outbox'::regclass"
    assert db.execute(query.encode()).fetchall() == [(None, 1)]
    assert value(db, "select bridge.ensure_partitions()") == 8
    assert status(db, "outbox") == (8, 0)


# Archive


def test_old_activity_goes_to_the_archive(db: Db) -> None:
    log(
        db,
        "now()",
        "now() - interval '80 days'",
        "now() - interval '100 days'",
        "now() - interval '2 years'",
        "'-infinity'",
    )
    run(db, "update bridge.activity_log set meta = '{\"a\": 1}', ip_address = '::1'")
    columns = (
        "id, user_id, entity_id, entity_type, action, occurred_at, actor_status, ip_address, user_agent, "
        "device, geo, meta"
    )
    everything = f"select array_agg(t order by id) from (select {columns} from {{}}) as t"
    before = value(db, everything.format("bridge.activity_log"))

    assert value(db, "select crm.archive_old_activity_logs()") == 3

    assert value(db, "select count(*) from bridge.activity_log") == 2
    both = (
        f"(select {columns} from bridge.activity_log union all select {columns} from bridge.activity_log_archive) as u"
    )
    assert value(db, everything.format(both)) == before
    assert (
        value(db, "select bool_and(archived_at > now() - interval '1 hour') from bridge.activity_log_archive") is True
    )
    assert status(db, "activity_log_archive") == (4, 0)  # what is at -infinity belongs into no partition
    query = "select source, target, rows_moved, older_than < now() - interval '3 months' from bridge.archive_job"
    assert db.execute(query).fetchall() == [("bridge.activity_log", "bridge.activity_log_archive", 3, True)]
    assert value(db, "select bridge.archive_old_activity_logs(interval '1 month')") == 1
    assert value(db, "select bridge.archive_old_activity_logs(interval '1 month')") == 0


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_the_archives_day_is_utc(db: Db, zone: str) -> None:
    run(db, f"set timezone = '{zone}'")
    day = "date_trunc('day', clock_timestamp(), 'UTC') - interval '1 month' * 3"
    log(db, f"({day})", f"({day}) - interval '1 microsecond'")
    run(db, "set timezone = 'UTC'")
    run(db, "delete from bridge.activity_log")
    log(db, f"({day})", f"({day}) - interval '1 microsecond'")
    run(db, f"set timezone = '{zone}'")
    assert value(db, "select bridge.archive_old_activity_logs()") == 1


def test_nothing_is_lost_that_is_written_while_the_archive_runs(db: Db, database: str) -> None:
    """Two statements, first copying and then deleting, would delete what was committed between them."""
    run(db, "create function public.wait() returns trigger language plpgsql as "
        "'begin perform pg_advisory_xact_lock_shared(77); return null; end'")  # fmt: skip
    run(
        db,
        "create trigger wait after insert on bridge.activity_log_archive for each statement "
        "execute function public.wait()",
    )
    log(db, "now() - interval '1 year'")
    with psycopg.connect(database, autocommit=True) as archiver:
        run(db, "select pg_advisory_lock(77)")
        thread = threading.Thread(target=run, args=(archiver, "select bridge.archive_old_activity_logs()"), daemon=True)
        thread.start()
        waits = "select exists (select from pg_stat_activity where wait_event = 'advisory' and pid = %s)"
        eventually(lambda: db.execute(waits, (archiver.info.backend_pid,)).fetchone() == (True,))
        log(db, "now() - interval '1 year'")
        run(db, "select pg_advisory_unlock(77)")
        thread.join(30)
        assert not thread.is_alive()
    counts = "select (select count(*) from bridge.activity_log), (select count(*) from bridge.activity_log_archive)"
    assert db.execute(counts).fetchone() == (1, 1)


def test_two_archivers_take_turns(db: Db, database: str) -> None:
    """Otherwise the second deletes the rows and waits for the first one's partition, and the first for those rows."""
    run(
        db,
        "create function public.wait() returns trigger language plpgsql as "
        "$$ begin if current_setting('application_name') = 'first' then perform pg_advisory_xact_lock_shared(77); "
        "end if; return null; end $$",
        "create trigger wait before delete on bridge.activity_log for each statement execute function public.wait()",
        "insert into bridge.activity_log (action, occurred_at) "
        "select 'SEEN', now() - interval '1 year' from generate_series(1, 500)",
        "select pg_advisory_lock(77)",
    )
    moved: list[int] = []

    def archive(name: str) -> None:
        with psycopg.connect(database, autocommit=True, application_name=name) as conn:
            moved.append(value(conn, "select bridge.archive_old_activity_logs()"))

    threads = []
    for name in ("first", "second"):
        threads.append(threading.Thread(target=archive, args=(name,)))
        threads[-1].start()
        waits = "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and application_name = %s)"
        eventually(lambda waits=waits, name=name: db.execute(waits, (name,)).fetchone() == (True,))
    run(db, "select pg_advisory_unlock(77)")
    for thread in threads:
        thread.join(30)
    assert sorted(moved) == [0, 500]
    assert value(db, "select count(*) from bridge.activity_log_archive") == 500


def test_the_archive_refuses_a_time_that_is_not_past(db: Db) -> None:
    for older_than in ("interval '0'", "interval '-1 day'", "null"):
        with pytest.raises(errors.InvalidParameterValue, match="older_than must be positive"):
            run(db, f"select bridge.archive_old_activity_logs({older_than})")


def test_the_archive_moves_in_slices(db: Db) -> None:
    """From the default partition and from others; a slice locks no partition that it takes nothing from."""
    log(db, *(f"now() - interval '{days} days'" for days in (400, 401, 402)))
    run(db, "select bridge.ensure_partitions()")
    log(db, *(f"now() - interval '{days} days'" for days in (400, 500, 501)), "now()")
    moved = "select bridge.archive_activity_slice('3 months', 2)"
    assert [value(db, moved) for _ in range(4)] == [2, 2, 2, 0]
    assert value(db, "select array_agg(rows_moved order by id) from bridge.archive_job") == [2, 2, 2]
    assert value(db, "select count(*) from bridge.activity_log_archive") == 6
    assert value(db, "select count(*) from bridge.activity_log") == 1
    log(db, "now() - interval '400 days'")
    with db.transaction():
        assert value(db, moved) == 1
        locked = "select array_agg(distinct relation::regclass::text) from pg_locks where mode = 'RowExclusiveLock'"
        current = value(db, "select tableoid::regclass::text from bridge.activity_log")
        assert current not in value(db, f"{locked} and pid = pg_backend_pid() and relation is not null")
    for most in ("0", "-1", "null"):
        with pytest.raises(errors.InvalidParameterValue, match="most must be positive"):
            run(db, f"select bridge.archive_activity_slice('3 months', {most})")


# Views


SEED_COLUMNS = [
    *["entity_id", "entity_status", "contact_id", "first_name", "last_name", "email"],
    *["address_id", "street", "city", "state", "postal_code", "touchpoint_count", "last_touchpoint_date"],
]
VIEWS = ["crm.contact_management_view", "crm.sales_opportunity_view", "crm.territory_management_view"]


def test_views_show_what_was_written_once_refreshed(db: Db) -> None:
    run(
        db,
        'select crm.fn_create_entity(id, \'{"first_name": "Ada", "last_name": "L"}\') from crm.entity_types, '
        "generate_series(1, 2) where display_name = 'Contact'",
        'select crm.fn_create_entity(id, \'{"street": "S", "city": "C"}\') from crm.entity_types, '
        "generate_series(1, 2) where display_name = 'Address'",
        'select crm.fn_create_entity(id, \'{"name": "O", "amount": 100, "probability": 25}\') from crm.entity_types, '
        "generate_series(1, 2) where display_name = 'Opportunity'",
        "select crm.fn_create_entity(id, '{\"name\": \"T\"}') from crm.entity_types where display_name = 'Territory'",
        "select crm.fn_link_entities(c.id, a.id, 'HOME') from (select id "
        "from crm.contacts limit 1) as c, crm.addresses as a",
        "select crm.fn_link_entities(o.id, x.id, 'IN') from crm.opportunities as o, "
        "(select id from crm.territories union all (select contact_id from crm.address_contacts limit 1)) as x",
        "select crm.fn_add_touchpoint(id, channel) "
        "from crm.entities, unnest(array['CALL', 'EMAIL', 'VISIT']) as channel",
    )
    for view in VIEWS:
        assert value(db, f"select count(*) from {view}") == 0
    assert value(db, "select bridge.refresh_views()") == 3

    cursor = db.execute("select * from crm.contact_management_view")
    assert [column.name for column in cursor.description or []] == SEED_COLUMNS
    rows = cursor.fetchall()
    assert len(rows) == 3  # one contact with two addresses, one with none
    assert [row[6] is None for row in rows].count(True) == 1
    assert {row[11] for row in rows} == {3}
    query = (
        "select count(*), min(weighted_amount), count(contact_id), min(touchpoint_count) "
        "from crm.sales_opportunity_view"
    )
    assert db.execute(query.encode()).fetchone() == (2, 25, 2, 3)
    query = (
        "select opportunity_count, open_amount_usd, contact_count, touchpoint_count from crm.territory_management_view"
    )
    assert db.execute(query.encode()).fetchall() == [(2, 200, 0, 3)]

    run(db, 'select crm.fn_update_entity(id, \'{"last_name": "K"}\') from crm.contacts')
    assert value(db, "select bridge.refresh_views()") == 3
    assert value(db, "select count(*) from crm.contact_management_view where last_name = 'K'") == 3
    query = "select count(*), bool_and(is_concurrent), count(error_message) from bridge.matview_refresh"
    assert db.execute(query).fetchone() == (6, True, 0)


def test_readers_go_on_while_views_are_refreshed(db: Db, database: str) -> None:
    with psycopg.connect(database) as reader:
        for view in VIEWS:
            run(reader, f"select * from {view}")
        assert value(db, "select bridge.refresh_views()") == 3


def test_a_view_that_fails_stops_no_other(db: Db) -> None:
    run(
        db,
        "create table public.divisor as select 0 as n",
        "create materialized view public.bad as select 1 / n as x from public.divisor with no data",
        "create materialized view public.plain as select 1 as x with no data",
        "insert into bridge.matview_policy "
        "values ('public.bad', 1), ('public.gone', 2), ('public.plain', 3), ('public.off', 4)",
        "update bridge.matview_policy set enabled = false where matview = 'public.off'",
    )
    assert value(db, "select bridge.refresh_views()") == 4
    query = (
        "select matview, is_concurrent, error_message from bridge.matview_refresh "
        "where matview like 'public%' order by id"
    )
    assert db.execute(query.encode()).fetchall() == [
        ("public.bad", False, "division by zero"),
        ("public.gone", False, 'relation "public.gone" does not exist'),
        ("public.plain", False, None),
    ]


# Shards


LAST = "(select last_value from bridge.event_seq)"
READ = f"update bridge.shard set scan_from = {LAST}, cursor = {LAST}, snapshot = pg_current_snapshot()"


def test_the_number_of_shards(db: Db) -> None:
    run(db, "select bridge.set_shard_count(4)", "update bridge.shard set batch_no = 10 + shard")
    run(db, "insert into bridge.event_queue (event_type, event_key, payload) "
        "select 'a.b', 'k' || g, '{}' from generate_series(1, 200) as g",
        "insert into bridge.entity_events (entity_type, entity_id, action, new_state) "
        "select 't', g::text, 'INSERT', '{}' from generate_series(1, 100) as g",
        READ,
        "insert into bridge.parked (seq, source, event_id, at, shard, topic, key_hash, state, blocks) "
        "select seq, 'event_queue', id, created_at, shard, 'x', hashtextextended(event_key, 0), 'dead', true "
        "from bridge.event_queue where seq % 2 = 0 union all "
        "select seq, 'entity_events', id, occurred_at, shard, 'x', "
        "hashtextextended(entity_type || ':' || entity_id, 0), 'dead', true from bridge.entity_events")  # fmt: skip
    told = "select status, count(*) from bridge.{} group by 1 order by 1"
    for shards in (7, 1, 3):
        run(db, f"select bridge.set_shard_count({shards})")
        assert value(db, "select bridge.shard_count()") == shards
        assert value(db, "select array_agg(shard order by shard) from bridge.shard") == list(range(shards))
        assert value(db, "select bool_and(scan_from = 300) from bridge.shard") is True
        for key, source in (("event_key", "event_queue"), ("entity_type || ':' || entity_id", "entity_events")):
            dead = (
                f"select count(*), count(distinct p.shard), bool_and(p.shard = bridge.shard_of({key}))"
                f" from bridge.parked as p join bridge.{source} as e on e.id = p.event_id"
            )
            assert db.execute(dead.encode()).fetchone() == (100, shards, True)
            # Wherever their shards are now, what was published stays so.
            expected = [("DEAD", 100), ("PROCESSED", 100)] if source == "event_queue" else [("DEAD", 100)]
            assert db.execute(told.format(source).encode()).fetchall() == expected
        assert value(db, "select count(*) from bridge.unread") == 0
        run(db, "select bridge.publish_event('a.b', 'k' || g, '{}') from generate_series(1, 100) as g")
        fits = "select bool_and(shard = bridge.shard_of(event_key)), count(distinct shard) from bridge.event_queue"
        assert db.execute(f"{fits} where status = 'PENDING'".encode()).fetchone() == (True, shards)
        assert value(db, "select count(*) from bridge.unread") == 100
        run(db, "delete from bridge.outbox where seq > 300", "select setval('bridge.event_seq', 300)")
    # Shards that come back go on where they were: Kafka still knows their last batch.
    assert value(db, "select array_agg(batch_no order by shard) from bridge.shard") == [10, 11, 12]
    assert value(db, "select array_agg(shard order by shard) from bridge.retired_shard") == [3, 4, 5, 6]


def test_the_number_of_shards_changes_only_at_rest(db: Db, database: str) -> None:
    for shards in ("0", "-1", "1025", "null"):
        with pytest.raises(errors.InvalidParameterValue, match="must be from 1 to 1024"):
            run(db, f"select bridge.set_shard_count({shards})")
    run(db, "select bridge.publish_event('a.b', 'k', '{}')")
    with pytest.raises(errors.ObjectInUse, match="1 events are still to be published"):
        run(db, "select bridge.set_shard_count(1)")
    run(
        db,
        "select bridge.set_shard_count(2)",
        READ,
    )
    for state in ("waiting", "deferred", "retried"):
        run(
            db,
            "insert into bridge.parked (seq, source, event_id, at, shard, topic, key_hash, state, blocks) "
            f"select seq, 'event_queue', id, created_at, shard, 'x', 0, '{state}', false from bridge.outbox",
        )
        with pytest.raises(errors.ObjectInUse, match="1 events are still to be published"):
            run(db, "select bridge.set_shard_count(1)")
        run(db, "delete from bridge.parked")
    run(db, "update bridge.shard set owner = 'me', lease_until = now() + interval '1 h' where shard = 1")
    with pytest.raises(errors.ObjectInUse, match="the relay me holds shard 1"):
        run(db, "select bridge.set_shard_count(1)")
    run(db, "update bridge.shard set lease_until = now() - interval '1 h' where shard = 1")
    with psycopg.connect(database) as writer:
        run(writer, "select bridge.publish_event('a.b', 'k', '{}')")
        run(db, "alter function bridge.set_shard_count set lock_timeout = '50ms'")
        with pytest.raises(errors.LockNotAvailable):
            run(db, "select bridge.set_shard_count(1)")
        writer.rollback()
    run(db, "select bridge.set_shard_count(1)")
    assert value(db, "select count(*) from bridge.shard") == 1


@pytest.mark.parametrize("is_prepared", [False, True])
def test_who_waits_for_a_change_of_the_number_of_shards_writes_by_the_new_one(
    db: Db, database: str, *, is_prepared: bool
) -> None:
    """Though it began before, and the number stands in what its statement is rewritten to, and in plans."""
    insert = "insert into bridge.event_queue (event_type, event_key, payload) values ('a.b', 'k' || %s, '{}')"
    publish = "select bridge.publish_event('a.b', 'k' || %s, '{}')"
    run(db, "select bridge.set_shard_count(1)")
    with ExitStack() as opened:
        connections = [opened.enter_context(psycopg.connect(database, autocommit=True)) for _ in range(4)]
        holder, changer, *writers = connections
        statements = list(zip(writers, (insert, publish), strict=True))
        for writer, statement in statements:
            writer.execute(statement.encode(), ["before"], prepare=is_prepared)
        run(db, READ, "update bridge.shard set all_to = cursor")
        workers = opened.enter_context(ThreadPoolExecutor())
        with holder.transaction():
            run(holder, "lock table bridge.outbox in row exclusive mode")  # a writer
            changed = workers.submit(changer.execute, b"select bridge.set_shard_count(5)")
            wait_for_lock(db, changer)
            written = [
                workers.submit(writer.execute, statement.encode(), [number], prepare=is_prepared)
                for number in range(8)
                for writer, statement in statements
            ]
            for writer in writers:
                wait_for_lock(db, writer)
        for done in (changed, *written):
            done.result(30)
    fits = (
        "select bool_and(shard = bridge.shard_of(event_key)), count(*) from bridge.event_queue where status = 'PENDING'"
    )
    assert db.execute(fits.encode()).fetchone() == (True, 16)


def wait_for_lock(db: Db, waiter: Db) -> None:
    waits = f"select wait_event_type = 'Lock' from pg_stat_activity where pid = {waiter.info.backend_pid}"
    eventually(lambda: value(db, waits))
