"""bridge.enable_tracking: what each kind of statement records, by whom, and that nothing around it changes that."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from capture.history import Db, run
from fix_relay import eventually
from psycopg import errors

Change = tuple[str, str, Any, Any, Any]
MINE = "create table public.item (id int primary key, name text, price numeric, note text)"


@pytest.fixture
def db(database: str) -> Iterator[Db]:
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("set search_path = public")
        yield conn


def changes(db: Db, entity_type: str = "item") -> list[Change]:
    """Action, key, old and new state and changed fields of each event, in the order of seq."""
    query = """
        select action, entity_id, previous_state, new_state, changed_fields
          from bridge.entity_events where entity_type = %s order by seq"""
    return db.execute(query, (entity_type,)).fetchall()


def actions(db: Db, entity_type: str = "item") -> list[tuple[str, str]]:
    return [(action, key) for action, key, *_ in changes(db, entity_type)]


def replayed(db: Db, entity_type: str = "item") -> dict[str, Any]:
    """The table as a consumer knows it who applies the events in order; checks that each fits the one before."""
    rows: dict[str, Any] = {}
    for action, key, before, after, fields in changes(db, entity_type):
        if action == "TRUNCATE":
            continue
        assert rows.get(key) == before, (action, key)
        if action == "UPDATE":
            assert set(fields) == {name for name in after if before[name] != after[name]}
        rows[key] = after
        if after is None:
            del rows[key]
    return rows


def table(db: Db, name: str = "public.item", key: str = "id") -> dict[str, Any]:
    return dict(db.execute(f"select {key}::text, to_jsonb(t) from {name} as t".encode()).fetchall())  # type: ignore[arg-type]


# The reference application's tables


TRACKED = {
    "entities": "status = case status when 'ACTIVE' then 'INACTIVE' else 'ACTIVE' end",
    "contacts": "company = coalesce(company, '') || 'x'",
    "addresses": "city = city || 'x'",
    "opportunities": "amount = coalesce(amount, 0) + 1",
    "territories": "region = coalesce(region, '') || 'x'",
    "entity_touchpoints": "summary = coalesce(summary, '') || 'x'",
    "address_contacts": "relationship_type = relationship_type || 'x'",
}
FILL = """
with made as (
    select gen_random_uuid() as id, t.id as type_id, t.table_name, n
      from crm.entity_types as t, generate_series(1, 20) as n
), entity as (
    insert into crm.entities (id, entity_type_id) select id, type_id from made
), contact as (
    insert into crm.contacts (id, first_name, last_name)
    select id, 'a' || n, 'b' from made where table_name = 'contacts'
), address as (
    insert into crm.addresses (id, street, city) select id, 'a' || n, 'b' from made where table_name = 'addresses'
), opportunity as (
    insert into crm.opportunities (id, name) select id, 'a' || n from made where table_name = 'opportunities'
), territory as (
    insert into crm.territories (id, name) select id, 'a' || n from made where table_name = 'territories'
), touchpoint as (
    insert into crm.entity_touchpoints (entity_id, channel) select id, 'CALL' from made where n <= 5
)
insert into crm.address_contacts (address_id, contact_id)
select a.id, c.id from made as a join made as c using (n) where a.table_name = 'addresses' and c.table_name = 'contacts'
"""
KEYS = {"address_contacts": "jsonb_build_array(address_id, contact_id)"}


def test_the_seven_tables(db: Db) -> None:
    run(db, FILL)
    counts = {"entities": 80, **dict.fromkeys(list(TRACKED)[1:5], 20), "entity_touchpoints": 20, "address_contacts": 20}
    for name, count in counts.items():
        state = table(db, f"crm.{name}", KEYS.get(name, "id"))
        assert [action for action, _ in actions(db, name)] == ["INSERT"] * count
        assert replayed(db, name) == state

    for name, change in TRACKED.items():
        run(db, f"update crm.{name} set {change}")
        run(db, f"update crm.{name} set {change} where ctid = (select min(ctid) from crm.{name})")
        assert replayed(db, name) == table(db, f"crm.{name}", KEYS.get(name, "id"))
        updates = [change for change in changes(db, name) if change[0] == "UPDATE"]
        assert len(updates) == counts[name] + 1
        assert {field for *_, fields in updates for field in fields} >= {change.split()[0]}

    run(db, "delete from crm.entity_touchpoints where ctid = (select min(ctid) from crm.entity_touchpoints)")
    run(db, "delete from crm.entities where entity_type_id = (select id from crm.entity_types limit 1)")
    run(db, "delete from crm.entities")
    for name, count in counts.items():
        assert replayed(db, name) == {}
        assert len(changes(db, name)) == 3 * count + 1
    log = "select entity_type, action, count(*) from {} group by 1, 2 order by 1, 2"
    logged = db.execute(log.format("bridge.activity_log").encode()).fetchall()
    assert logged == db.execute(log.format("bridge.entity_events").encode()).fetchall()


def test_entity_type_ids_and_kinds_of_events(db: Db) -> None:
    run(db, FILL)
    query = """
        select entity_type, entity_event_type, count(entity_type_id) from bridge.entity_events
         where entity_type in ('entities', 'contacts', 'address_contacts') group by 1, 2 order by 1"""
    assert db.execute(query).fetchall() == [
        ("address_contacts", "ENTITY_LINK", 0),
        ("contacts", "ENTITY_CHANGE", 0),
        ("entities", "ENTITY_CHANGE", 80),
    ]


def test_the_activity_log_says_who_from_where_and_what(db: Db) -> None:
    actor = uuid4()
    with db.transaction():
        db.execute(
            "select bridge.set_actor(%s, '2001:db8::7', 'curl/8', '{\"os\": \"plan9\"}', '{\"city\": \"Zug\"}')",
            (str(actor),),
        )
        run(db, "insert into crm.entities (entity_type_id) select id from crm.entity_types limit 1")
        run(db, "insert into crm.entities (entity_type_id) select id from crm.entity_types limit 3")
        run(db, "update crm.entities set status = 'INACTIVE'")
    query = """
        select l.user_id, l.actor_status, host(l.ip_address), l.user_agent, l.device ->> 'os', l.geo ->> 'city',
               l.meta ->> 'event_id' = e.id::text, l.meta -> 'details' = e.new_state,
               l.meta ->> 'entity_type_id' = e.entity_type_id::text,
               l.meta -> 'changed_fields' is not distinct from coalesce(to_jsonb(e.changed_fields), 'null'),
               l.occurred_at = e.occurred_at, l.entity_id = e.entity_id, l.id = e.id
          from bridge.activity_log as l join bridge.entity_events as e on l.meta ->> 'event_id' = e.id::text"""
    rows = db.execute(query).fetchall()
    assert len(rows) == 8
    assert set(rows) == {(actor, "ok", "2001:db8::7", "curl/8", "plan9", "Zug", *[True] * 7)}


def test_the_trigger_that_is_attached_by_hand(db: Db) -> None:
    run(
        db,
        "create table item (id uuid primary key default gen_random_uuid(), entity_type_id uuid, name text)",
        "create trigger entity_change_tracker after insert or update or delete on item "
        "for each row execute function crm.track_entity_change()",
        "insert into item (entity_type_id, name) select id, 'a' from crm.entity_types",
        "update item set name = 'b' where entity_type_id = (select min(entity_type_id::text)::uuid from item)",
        "update item set name = name",
    )
    assert replayed(db) == table(db)
    assert [action for action, _ in actions(db)] == ["INSERT"] * 4 + ["UPDATE"]
    run(db, "delete from item")
    assert replayed(db) == {}
    query = "select count(entity_type_id), count(*) from bridge.entity_events where entity_type = 'item'"
    assert db.execute(query).fetchone() == (9, 9)
    assert db.execute("select count(*) from bridge.activity_log where entity_type = 'item'").fetchone() == (9,)


# Kinds of statements


def test_insert_update_delete(db: Db) -> None:
    run(db, MINE, "select bridge.enable_tracking('item')")
    run(db, "insert into item values (1, 'a', 1.50), (2, 'b', 2), (3, 'c', 3)")
    run(db, "update item set name = 'z', price = 1.5 where id = 1", "update item set price = price + 1")
    run(db, "delete from item where id = 2", "delete from item")

    assert actions(db) == [
        *[("INSERT", "1"), ("INSERT", "2"), ("INSERT", "3"), ("UPDATE", "1")],
        *[("UPDATE", "2"), ("UPDATE", "3"), ("UPDATE", "1")],
        *[("DELETE", "2"), ("DELETE", "3"), ("DELETE", "1")],
    ]
    one = changes(db)[3]
    assert one[2:] == (
        {"id": 1, "name": "a", "price": 1.50, "note": None},
        {"id": 1, "name": "z", "price": 1.5, "note": None},
        ["name"],
    )
    assert replayed(db) == {}
    assert db.execute("select count(*) from bridge.activity_log").fetchone() == (0,)


def test_an_update_that_changes_nothing_gives_no_event(db: Db) -> None:
    run(db, MINE, "select bridge.enable_tracking('item', exclude => '{note}')")
    run(db, "insert into item select g, 'a', 1.0 from generate_series(1, 5) as g")
    run(db, "update item set name = name", "update item set name = name where id = 1", "update item set price = 1.00")
    run(
        db,
        "update item set note = 'x'",
        "update item set note = 'y' where id = 1",
        "update item set id = 1 where false",
    )
    assert actions(db) == [("INSERT", str(n)) for n in range(1, 6)]
    run(db, "update item set name = case id when 3 then 'b' else name end")
    assert actions(db)[5:] == [("UPDATE", "3")]


def test_a_changed_key_is_a_delete_and_an_insert(db: Db) -> None:
    run(db, MINE, "select bridge.enable_tracking('item')")
    run(db, "insert into item values (1, 'a'), (2, 'b'), (3, 'c')")
    run(db, "update item set id = 10, name = 'z' where id = 1", "update item set id = id + 100 where id < 10")
    assert actions(db)[3:5] == [("DELETE", "1"), ("INSERT", "10")]
    assert sorted(actions(db)[5:]) == [("DELETE", "2"), ("DELETE", "3"), ("INSERT", "102"), ("INSERT", "103")]
    assert replayed(db) == table(db)


def test_a_key_given_up_and_taken_in_one_statement(db: Db) -> None:
    run(db, "create table item (id int primary key deferrable, name text)", "select bridge.enable_tracking('item')")
    run(db, "insert into item select g, 'n' || g from generate_series(1, 9) as g")
    run(db, "update item set id = id + 1", "update item set id = 11 - id", "update item set id = 12 - id, name = 'x'")
    assert replayed(db) == table(db)


@pytest.mark.parametrize("seed", range(3))
def test_any_statements_replay_to_the_table(db: Db, seed: int) -> None:
    chance = random.Random(seed)
    run(db, MINE, "select bridge.enable_tracking('item')")

    def some() -> str:
        return chance.choice([f"id = {chance.randint(1, 30)}", f"id % {chance.randint(2, 4)} = 0", "true", "false"])

    def key() -> int:
        return chance.randint(1, 30)

    for _ in range(80):
        statement = chance.choice(
            [
                f"insert into item select g, 'n', g from generate_series({key()}, {key()}) as g on conflict do nothing",
                f"insert into item as t values ({key()}, 'u') on conflict (id) do update set name = t.name || 'u'",
                f"update item set price = coalesce(price, 0) + {chance.randint(0, 1)}, note = name where {some()}",
                f"update item set id = id + 1000 where {some()}",
                "update item set id = id - 1000 where id > 1000 and id - 1000 not in (select id from item)",
                f"delete from item where {some()} and id > 10",
                f"merge into item as t using (values ({key()}), ({key() + 40})) as s (id) on t.id = s.id "
                "when matched then update set name = 'm' when not matched then insert values (s.id, 'new')",
            ]
        )
        try:
            run(db, statement)
        except (errors.UniqueViolation, errors.CardinalityViolation):
            continue
    assert len(changes(db)) > 50
    assert replayed(db) == table(db)


def test_copy(db: Db) -> None:
    run(db, MINE, "select bridge.enable_tracking('item')")
    with db.cursor().copy("copy item (id, name) from stdin") as copy:
        for number in range(500):
            copy.write_row((number, f"n{number}"))
    assert actions(db) == [("INSERT", str(number)) for number in range(500)]
    assert replayed(db) == table(db)


def test_cascades_that_change_a_row_twice(db: Db) -> None:
    run(
        db,
        "create table item (id int primary key)",
        "create table child (id int primary key, a int references item on delete set null, "
        "b int references item on delete set null)",
        "select bridge.enable_tracking('child')",
        "insert into item values (1), (2), (3)",
        "insert into child select g, 1 + g % 3, 1 + g % 2 from generate_series(1, 30) as g",
        "delete from item",
    )
    assert replayed(db, "child") == table(db, "child")
    assert [action for action, _ in actions(db, "child")].count("UPDATE") >= 30


def test_bulk_rows_are_numbered_in_the_order_of_the_statement(db: Db) -> None:
    run(db, MINE, "select bridge.enable_tracking('item')")
    run(db, "insert into item values (0)", "update item set name = 'single'")  # plans are made for single rows
    run(
        db,
        "insert into item select g from generate_series(1, 5000) as g",
        "update item set name = 'x'",
        "delete from item",
    )
    keys = [int(key) for action, key in actions(db) if action == "INSERT"]
    assert keys == list(range(5001))
    order = "select count(*) from (select seq - lag(seq) over (order by seq) as step from bridge.entity_events) as s"
    assert db.execute(f"{order} where step <> 1".encode()).fetchone() == (0,)
    assert replayed(db) == {}


def test_truncate(db: Db) -> None:
    run(db, MINE, "select bridge.enable_tracking('item', truncate_rows => 3, activity => true)")
    run(db, "insert into item values (1), (2), (3)", "truncate item")
    assert actions(db)[3:] == [("DELETE", "1"), ("DELETE", "2"), ("DELETE", "3"), ("TRUNCATE", "*")]
    assert replayed(db) == {}
    run(db, "insert into item values (4), (5), (6), (7)", "begin", "truncate item", "rollback")
    assert len(actions(db)) == 11
    run(db, "truncate item")
    assert actions(db)[11:] == [("TRUNCATE", "*")]
    query = "select change_summary from bridge.entity_events where action = 'TRUNCATE' order by seq"
    assert db.execute(query).fetchall() == [
        ("TRUNCATE of item: 3 rows, each with a DELETE event",),
        ("TRUNCATE of item: rows without events of their own; read the table anew",),
    ]
    assert db.execute("select count(*) from bridge.activity_log where action = 'TRUNCATE'").fetchone() == (2,)


# What is recorded


def test_masked_and_excluded_columns(db: Db) -> None:
    run(db, MINE, "alter table item add secret text default 'S3CR3T'")
    run(db, "select bridge.enable_tracking('item', mask => '{secret}', exclude => '{note}', activity => true)")
    run(db, "insert into item values (1, 'a', 1, 'N0TE'), (2, 'b', 2, 'N0TE')", "insert into item values (3)")
    run(db, "update item set secret = 'S3CR3T2' where id = 1", "update item set secret = 'S3CR3T3', note = 'N0TE2'")
    run(db, "update item set id = 9 where id = 1", "update item set id = id + 20", "delete from item where id = 29")
    run(db, "truncate item")
    updates = [change for change in changes(db) if change[0] == "UPDATE"]
    assert len(updates) == 4
    for _, _, before, after, fields in updates:
        assert {before["secret"], after["secret"]} == {"[masked]"}
        assert fields == ["secret"]
    everything = db.execute(
        "select e::text from bridge.entity_events e union all select l::text from bridge.activity_log l"
    )
    text = "\n".join(row for (row,) in everything)
    assert "S3CR3T" not in text
    assert "N0TE" not in text
    assert '"note"' not in text


def test_keys_of_several_columns_cannot_collide(db: Db) -> None:
    run(db, 'create table item (b text, "A b" int, c text, primary key (c, "A b"))')
    run(db, "select bridge.enable_tracking('item')")
    run(db, """insert into item values ('x', 1, 'p'), ('y', 2, '", "'), ('z', 3, 'é')""")
    assert [key for _, key in actions(db)] == ['["p", 1]', '["\\", \\"", 2]', '["é", 3]']
    run(db, "update item set b = 'q' where c = 'p'")
    assert actions(db)[3:] == [("UPDATE", '["p", 1]')]


def test_columns_whose_types_know_no_equality(db: Db) -> None:
    run(db, "create table item (id int primary key, doc json, place point)", "select bridge.enable_tracking('item')")
    run(db, "insert into item values (1, '{\"a\": 1}', '(1,2)'), (2, null, null)", "update item set doc = '{\"a\": 2}'")
    run(db, "update item set place = '(3,4)' where id = 1", "update item set doc = doc")
    assert replayed(db) == table(db)
    assert [action for action, _ in actions(db)].count("UPDATE") == 3


ODD = [
    ("UTC", "ISO, MDY", "postgres", "hex", 1),
    ("America/St_Johns", "SQL, DMY", "sql_standard", "escape", -15),
    ("Asia/Kathmandu", "German", "postgres_verbose", "escape", 3),
    ("Pacific/Apia", "Postgres, MDY", "iso_8601", "hex", 0),
]


def test_json_does_not_depend_on_the_session(db: Db) -> None:
    run(db, "create table item (id int primary key, n int default 0, at timestamptz, long interval, bytes bytea, "
        "ratio float8, days daterange, times tstzrange, moments timestamptz[], shape box, class regclass)")  # fmt: skip
    run(db, "insert into item select g, 0, '2026-03-29 01:30:00.123456Z', '1 mon 2 days 03:04:05.678', "
        "'\\x00ff27', 1/3.0::float8, '[2026-02-01,2026-03-02)', '[2026-03-29 00:00Z,2026-10-25 01:30Z)', "
        "'{2026-07-01 00:00Z}', '((1.1,2.2),(0.3,0.4))', 'pg_class' from generate_series(1, 3) as g")  # fmt: skip
    run(db, "select bridge.enable_tracking('item')")
    for zone, style, interval, bytea, digits in ODD:
        run(db, f"set timezone = '{zone}'; set datestyle = '{style}'; set intervalstyle = '{interval}'")
        run(db, f"set bytea_output = '{bytea}'; set extra_float_digits = {digits}; set xmlbinary = hex")
        run(db, f"set quote_all_identifiers = {'on' if bytea == 'escape' else 'off'}")
        run(db, "update item set n = n + 1 where id = 1", "update item set n = n + 1 where id > 1")
    states = {str({**state, "n": 0, "id": 0}) for change in changes(db) for state in change[2:4]}
    assert len(states) == 1
    assert len(changes(db)) == 3 * len(ODD)
    run(db, "begin", "truncate item", "commit")
    assert {str({**before, "n": 0, "id": 0}) for action, _, before, *_ in changes(db) if action == "DELETE"} == states


def test_times_are_those_of_the_statement_not_of_the_transaction(db: Db) -> None:
    run(db, MINE, "select bridge.enable_tracking('item', activity => true)")
    with db.transaction():
        run(db, "insert into item values (1)", "select pg_sleep(0.01)", "insert into item values (2)")
        for source in ("entity_events", "activity_log"):
            query = f"select count(distinct occurred_at), min(occurred_at) > now() from bridge.{source}"
            assert db.execute(query.encode()).fetchone() == (2, True)


def test_the_writers_traceparent(db: Db) -> None:
    run(db, MINE, "select bridge.enable_tracking('item')")
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with db.transaction():
        run(db, f"set local bridge.traceparent = '{parent}'", "insert into item values (1), (2)")
        run(
            db,
            "select bridge.publish_event('a.b', 'k', '{}'), bridge.publish_event('a.b', 'k', '{}', '{\"x\": \"1\"}')",
        )
    run(db, "insert into item values (3)", "select bridge.publish_event('a.b', 'k', '{}')")
    carried = db.execute("select headers from bridge.entity_events order by seq").fetchall()
    assert carried == [({"traceparent": parent},), ({"traceparent": parent},), ({},)]
    published = db.execute("select headers from bridge.event_queue order by seq").fetchall()
    assert published == [({"traceparent": parent},), ({"traceparent": parent, "x": "1"},), ({},)]


# Who


def actor(db: Db) -> tuple[UUID | None, str]:
    """Write a row, and read whom it is ascribed to."""
    run(db, "insert into item select coalesce(max(id), 0) + 1 from item")
    row = db.execute("select performed_by, actor_status from bridge.entity_events order by seq desc limit 1").fetchone()
    logged = db.execute(
        "select user_id, actor_status from bridge.activity_log order by occurred_at desc limit 1"
    ).fetchone()
    assert row is not None
    assert row == logged
    return row


def test_actor_statuses(db: Db) -> None:
    run(db, MINE, "select bridge.enable_tracking('item', activity => true)")
    alice, bob = uuid4(), uuid4()
    assert actor(db) == (None, "missing")
    with db.transaction():
        run(db, f"select bridge.set_actor('{alice}')")
        assert actor(db) == (alice, "ok")
        with pytest.raises(errors.DivisionByZero), db.transaction():
            run(db, f"select bridge.set_actor('{bob}')", "select 1 / 0")
        assert actor(db) == (alice, "ok")
        run(db, f"select bridge.set_actor('{str(bob).upper()}')")
        assert actor(db) == (bob, "ok")
    assert db.execute("select current_setting('bridge.actor', true)").fetchone() == ("",)  # not null: a pooled session
    assert actor(db) == (None, "missing")
    digit_less, shifted = "g" + str(alice)[1:], "0-" + str(alice)[:7] + str(alice)[9:]  # of the right length
    for text in ("root", "{" + str(alice) + "}", str(alice) + "0", "'; drop table item", "x" * 5000, "-" * 36,
                 digit_less, shifted, str(alice).replace("-", "")):  # fmt: skip
        with db.transaction():
            db.execute("select bridge.set_actor(%s)", (text,))
            assert actor(db) == (None, "invalid")
    with db.transaction():
        run(db, f"set local app.current_user_id = '{alice}'")
        assert actor(db) == (alice, "unverified")
        run(db, f"select bridge.set_actor('{bob}')")
        assert actor(db) == (bob, "ok")
        run(db, "select bridge.set_actor(null)")
        assert actor(db) == (alice, "unverified")
    assert actor(db) == (None, "missing")
    run(db, "set app.current_user_id = 'nobody'")
    assert actor(db) == (None, "invalid")
    run(db, "set app.current_user_id = ''")
    assert actor(db) == (None, "missing")
    run(db, f"set bridge.actor = '{alice}'")
    assert actor(db) == (alice, "unverified")


def test_an_actor_left_behind_by_a_pooled_connection_is_stale(db: Db) -> None:
    run(db, MINE, "select bridge.enable_tracking('item', activity => true)")
    with db.transaction():
        run(db, f"select bridge.set_actor('{uuid4()}', '10.0.0.1')")
        # A pool, or a hand-made SET, that makes the settings outlive the transaction.
        for name in ("actor", "actor_token", "actor_context"):
            run(db, f"select set_config('bridge.{name}', current_setting('bridge.{name}'), false)")
        assert actor(db)[1] == "ok"
    assert actor(db) == (None, "stale")
    query = "select ip_address is null from bridge.activity_log order by occurred_at desc limit 1"
    assert db.execute(query).fetchone() == (True,)


# Partitioned tables


PARTITIONED = [
    "create table item (id int, name text, primary key (id)) partition by range (id)",
    "create table item_low partition of item for values from (0) to (100) partition by range (id)",
    "create table item_low_a partition of item_low for values from (0) to (50)",
    "create table item_low_b partition of item_low for values from (50) to (100)",
    "create table item_high partition of item for values from (100) to (200)",
]


def test_writes_to_a_partitioned_table_and_to_its_partitions(db: Db) -> None:
    run(db, *PARTITIONED, "select bridge.enable_tracking('item')")
    run(db, "insert into item values (1), (60), (150)", "insert into item_low values (2)")
    run(db, "insert into item_low_a values (3)", "insert into item_high values (151), (152)")
    run(
        db,
        "update item set name = 'x'",
        "update item_high set name = 'y'",
        "update item_low set name = 'z' where id = 3",
    )
    run(db, "update item set id = 153 where id = 3", "update item set id = id + 10 where id in (60, 150)")
    run(db, "delete from item_low_a where id = 1", "delete from item where id = 2")
    assert replayed(db) == table(db)
    assert len(changes(db)) == 7 + 7 + 3 + 1 + 2 + 4 + 2
    run(db, "truncate item_low_b", "truncate item")
    assert replayed(db) == {}
    assert len([action for action, key in actions(db) if action == "TRUNCATE"]) == 1 + 3


def test_a_partition_that_comes_later(db: Db) -> None:
    run(db, *PARTITIONED, "select bridge.enable_tracking('item')")
    run(
        db,
        "create table item_top partition of item for values from (200) to (300)",
        "insert into item_top values (200)",
    )
    assert actions(db) == [("INSERT", "200")]


def test_a_row_that_vanishes_while_it_moves_is_a_delete(db: Db) -> None:
    run(db, *PARTITIONED, "select bridge.enable_tracking('item')")
    run(db, "create function swallow() returns trigger language plpgsql as 'begin return null; end'")
    run(db, "insert into item select g from generate_series(1, 6) as g")
    run(
        db,
        "create trigger swallow before insert on item_high for each row when (new.id <> 102) "
        "execute function swallow()",
    )
    run(db, "update item set id = id + 100 where id = 1", "update item set id = id + 100, name = 'x' where id < 5")
    assert replayed(db) == table(db)


# Switching it on and off


def test_enabling_again_changes_what_is_given(db: Db) -> None:
    run(db, MINE)
    for options in (
        "activity => false",
        "entity_type => 'thing'",
        "entity_type => 'thing'",
        "activity => true",
    ):
        run(db, f"select bridge.enable_tracking('item', {options})")
    run(db, "insert into item values (1)", "select bridge.enable_tracking('item', 'thing', 'ENTITY_LINK')")
    run(
        db,
        "insert into item values (2)",
        "select bridge.disable_tracking('item')",
        "select bridge.disable_tracking('item')",
    )
    run(db, "insert into item values (3)", "truncate item")
    assert (actions(db), actions(db, "thing")) == ([], [("INSERT", "1"), ("INSERT", "2")])
    assert db.execute("select count(*) from bridge.activity_log").fetchone() == (2,)
    assert db.execute("select count(*) from pg_trigger where tgrelid = 'item'::regclass").fetchone() == (0,)


def test_names_that_need_quotes(db: Db) -> None:
    run(db, 'create schema "My schema"', 'create table "My schema"."It\'em" ("Id" int primary key, "a""b" text)')
    run(db, """select bridge.enable_tracking('"My schema"."It''em"', mask => array['a"b'])""")
    run(db, """insert into "My schema"."It'em" values (1, 'x')""", """truncate "My schema"."It'em" """)
    assert actions(db, "My schema.It'em") == [("INSERT", "1"), ("DELETE", "1"), ("TRUNCATE", "*")]


def test_enable_refuses(db: Db) -> None:
    run(
        db,
        MINE,
        "create table heap (id int)",
        "create view v as select 1 as id",
        *[s.replace("item", "part") for s in PARTITIONED],
    )
    refused = [
        ("'heap'", errors.InvalidTableDefinition, "table public.heap has no primary key"),
        ("'v'", errors.WrongObjectType, "public.v is not a table"),
        ("'part_high'", errors.WrongObjectType, "public.part_high is a partition"),
        ("'bridge.outbox'", errors.WrongObjectType, "belongs to bridge itself"),
        ("'nope'", errors.UndefinedTable, '"nope" does not exist'),
        ("'item', exclude => '{nope,name}'", errors.UndefinedColumn, "table public.item has no column nope"),
        ("'item', mask => '{Name}'", errors.UndefinedColumn, 'has no column "Name"'),
        ("'item', mask => '{id}'", errors.InvalidParameterValue, "key columns of public.item"),
        ("'item', mask => '{name}', exclude => '{name}'", errors.InvalidParameterValue, "both excluded and masked"),
        ("'item', key => '{nope}'", errors.UndefinedColumn, "table public.item has no column nope"),
        ("'item', key => '{name}'", errors.InvalidTableDefinition, "no unique index of just the columns name"),
        ("'item', repeat('x', 201)", errors.InvalidParameterValue, "longer than 200"),
        ("'item', ''", errors.InvalidParameterValue, "must not be empty"),
    ]
    for arguments, error, message in refused:
        with pytest.raises(error, match=message):
            run(db, f"select bridge.enable_tracking({arguments})")
    assert db.execute("select count(*) from pg_trigger where tgname like 'bridge%' and tgrelid = 'item'::regclass")
    run(db, "insert into item values (1)")
    assert actions(db) == []


# Around it


def test_a_search_path_cannot_hijack_it(db: Db) -> None:
    run(db, MINE, "select bridge.enable_tracking('item', activity => true)", "create schema evil")
    body = "language plpgsql as $$ begin raise exception 'hijacked'; end $$"
    run(db, f"create function evil.to_jsonb(anyelement) returns jsonb {body}")
    run(db, f"create function evil.jsonb_each(jsonb, out key text, out value jsonb) returns setof record {body}")
    run(db, f"create function evil.current_setting(text, boolean) returns text {body}")
    run(db, "create temp table entity_events (x int)", "create temp table pg_type (x int)")
    run(db, "set search_path = evil, pg_temp, public, pg_catalog")
    run(
        db, "insert into item values (1)", "insert into item values (2), (3)", "update item set name = 'x' where id = 1"
    )
    run(db, "update item set name = 'y'", "delete from item where id = 1", "delete from item", "truncate item")
    run(db, "select bridge.publish_event('a.b', 'k', '{}')")
    run(db, "set search_path = pg_catalog")
    assert len(changes(db)) == 3 + 4 + 3 + 1


def test_writers_need_no_rights_on_the_outbox(db: Db) -> None:
    role = f"bridge_test_{uuid4().hex[:8]}"
    run(db, MINE, "select bridge.enable_tracking('item', activity => true)", f"create role {role}")
    try:
        run(db, f"grant all on item to {role}", f"grant usage on schema public to {role}")
        with db.transaction():
            run(
                db,
                f"set local role {role}",
                "insert into item values (1), (2)",
                "update item set name = 'x' where id = 1",
            )
            run(db, "truncate item")
            with pytest.raises(errors.InsufficientPrivilege), db.transaction():
                run(db, "select count(*) from bridge.entity_events")
        assert [action for action, _ in actions(db)] == ["INSERT", "INSERT", "UPDATE", "DELETE", "DELETE", "TRUNCATE"]
        assert replayed(db) == {}
    finally:
        run(db, f"drop owned by {role}", f"drop role {role}")


def test_changes_of_one_row_commit_in_the_order_of_their_seq(db: Db, database: str) -> None:
    run(db, MINE, "select bridge.enable_tracking('item')", "insert into item values (1, 'start')")
    with psycopg.connect(database) as first, psycopg.connect(database) as second:
        for conn in (second, first):  # the second transaction begins before the first
            conn.execute("select 1")
        first.execute("update public.item set name = 'first'")
        waiter = threading.Thread(target=second.execute, args=("update public.item set name = 'second'",), daemon=True)
        waiter.start()
        waits = "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and pid = %s)"
        eventually(lambda: db.execute(waits, (second.info.backend_pid,)).fetchone() == (True,))
        first.commit()
        waiter.join(30)
        second.commit()
    assert [after["name"] for *_, after, _ in changes(db)] == ["start", "first", "second"]
    assert replayed(db) == table(db)


def test_publishers_of_one_key_wait_for_each_other(db: Db, database: str) -> None:
    publish = "select bridge.publish_event('a.b', %s, %s::jsonb, serialize => %s)"
    with psycopg.connect(database) as first, psycopg.connect(database, autocommit=True) as second:
        first.execute(publish, ("k", '{"n": 1}', True))
        second.execute(publish, ("another", '{"n": 2}', True))
        second.execute(publish, ("k", '{"n": 3}', False))
        waiter = threading.Thread(target=second.execute, args=(publish, ("k", '{"n": 4}', True)), daemon=True)
        waiter.start()
        waits = "select exists (select from pg_stat_activity where wait_event = 'advisory' and pid = %s)"
        eventually(lambda: db.execute(waits, (second.info.backend_pid,)).fetchone() == (True,))
        first.execute(publish, ("k", '{"n": 5}', True))
        first.commit()
        waiter.join(30)
    query = "select payload -> 'n' from bridge.event_queue where event_key = 'k' order by seq"
    assert [n for (n,) in db.execute(query)] == [1, 3, 5, 4]


def test_publish_event_refuses(db: Db) -> None:
    refused = [
        ("null, 'k', '{}'", "event_type is missing"),
        ("repeat('x', 129), 'k', '{}'", "event_type is longer than 128"),
        ("'a.b', null, '{}'", "event_key of a.b is missing"),
        ("'a.b', '', '{}'", "event_key of a.b is missing"),
        ("'a.b', 'k', '[]'", "payload of a.b must be a JSON object, not array"),
        ("'a.b', 'k', null", "payload of a.b must be a JSON object, not null"),
        ("'a.b', 'k', '{}', '1'", "headers of a.b must be a JSON object, not number"),
        ("'a.b', 'k', '{}', null", "headers of a.b must be a JSON object, not null"),
        ("'a.b', 'k', '{}', '{\"CE_id\": 1}'", "the header CE_id is bridge's own"),
        ("'a.b', 'k', '{}', '{\"content-type\": null}'", "the header content-type is bridge's own"),
        (
            "'a.b', 'k', '{}', (select jsonb_object_agg('h' || g, g) from generate_series(1, 65) g)",
            "there are 65 headers, and 64 at most",
        ),
        (  # with the writer's traceparent
            "'a.b', 'k', '{}', (select jsonb_object_agg('h' || g, set_config('bridge.traceparent', '00-1', false))"
            " from generate_series(1, 64) g)",
            "there are 65 headers, and 64 at most",
        ),
        (
            "'a.b', 'k', '{}', jsonb_build_object('h', repeat('x', 16400))",
            "the headers have 16409 bytes, and 16384 at most",
        ),
    ]
    for arguments, message in refused:
        with pytest.raises(errors.InvalidParameterValue, match=message):
            run(db, f"select bridge.publish_event({arguments})")
    assert db.execute("select count(*) from bridge.event_queue").fetchone() == (0,)


def test_publish_event_returns_the_id(db: Db) -> None:
    row = db.execute("select bridge.publish_event('a.b', 'k', '{\"x\": 1}', '{\"h\": \"v\"}')").fetchone()
    query = "select id, event_type, event_key, payload, headers, status from bridge.event_queue"
    assert row is not None
    assert db.execute(query).fetchall() == [(row[0], "a.b", "k", {"x": 1}, {"h": "v"}, "PENDING")]
