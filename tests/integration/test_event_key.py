"""Events of a tracked table with a key made of its columns: what it is, whatever way the row took."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fix_command import data_of
from fix_relay import Site

TABLES = """
create table public.orders (id bigint primary key, note text);
create table public.lines (id bigint primary key, order_id bigint, sku varchar(20), n numeric, "Odd {name" text);
select bridge.enable_tracking('public.orders', event_key => 'order:{id}');
select bridge.enable_tracking('public.lines', event_key => 'order:{order_id}');
"""


def keys(site: Site, entity_type: str = "lines") -> list[tuple[str, str, str]]:
    """Action, entity_id and key of each event, in order."""
    with site.connect() as db:
        found = db.execute(
            "select action, entity_id, event_key from bridge.entity_events where entity_type = %s order by seq",
            (entity_type,),
        )
        return found.fetchall()


@pytest.fixture
def tables(site: Site) -> Site:
    with site.connect() as db:
        db.execute(TABLES)
    return site


def test_rows_and_own_events_of_one_thing_share_a_key_and_an_order(tables: Site) -> None:
    site = tables
    site.configure(f'[[routes]]\nevent_type = "order.*"\ntopic = "{site.name}.orders"\nencoding = "json"\n')
    for table in ("orders", "lines"):
        site.configure(f'[[routes]]\ntable = "{table}"\ntopic = "{site.name}.orders"\nencoding = "json"\n')
    with site.connect() as db:
        db.execute("select bridge.set_shard_count(3)")
        for order in range(5):
            with db.transaction():
                db.execute("insert into public.orders values (%s)", (order,))
                db.execute("insert into public.lines values (%s, %s, 'a')", (order * 10, order))
                db.execute("select bridge.publish_event('order.placed', 'order:' || %s, '{}')", (order,))
                db.execute("update public.lines set sku = 'b' where order_id = %s", (order,))
                db.execute("delete from public.lines where order_id = %s", (order,))
    site.drain()
    records = site.records()[f"{site.name}.orders"]
    for order in range(5):
        of_order = [r for r in records if r.key == b"order:%d" % order]
        assert len({r.partition for r in of_order}) == 1
        assert [r.headers["ce_sequence"] for r in of_order] == sorted(r.headers["ce_sequence"] for r in of_order)
        kinds = [json.loads(r.value or b"").get("entity_type", "own") for r in of_order]
        assert kinds == ["orders", "lines", "own", "lines", "lines"]
    assert site.bridge("verify").returncode == 0


def test_another_key_is_a_delete_and_an_insert(tables: Site) -> None:
    with tables.connect() as db:
        db.execute("insert into public.lines values (1, 7, 'a'), (2, 7, 'b')")
        db.execute("update public.lines set order_id = 8 where id = 1")
        db.execute("update public.lines set id = 3 where id = 2")
        db.execute("update public.lines set sku = 'c' where id = 1")
    assert keys(tables) == [
        *[("INSERT", "1", "order:7"), ("INSERT", "2", "order:7")],
        *[("DELETE", "1", "order:7"), ("INSERT", "1", "order:8")],
        *[("DELETE", "2", "order:7"), ("INSERT", "3", "order:7")],
        ("UPDATE", "1", "order:8"),
    ]
    tables.drain()
    assert tables.bridge("verify").returncode == 0
    assert tables.bridge("verify", "--capture").returncode == 0


def test_where_a_column_of_it_is_null_the_key_is_the_usual_one(tables: Site) -> None:
    with tables.connect() as db:
        db.execute("insert into public.lines values (1, null, 'a')")
        db.execute("update public.lines set order_id = 8")
        db.execute("truncate public.lines")
    assert keys(tables) == [
        ("INSERT", "1", "lines:1"),
        *[("DELETE", "1", "lines:1"), ("INSERT", "1", "order:8")],
        *[("DELETE", "1", "order:8"), ("TRUNCATE", "*", "lines:*")],
    ]


def test_it_is_the_same_whatever_way_the_row_took(tables: Site) -> None:
    """The generated function, the careful one of a table that was altered, TRUNCATE, and a snapshot."""
    with tables.connect() as db:
        db.execute("select bridge.enable_tracking('public.lines', event_key => '{sku}/{n}:{order_id}!')")
        db.execute("insert into public.lines values (1, 7, 'a''b', 1.10)")
        db.execute("alter table public.lines add column more text")
        db.execute("update public.lines set more = 'x'")
        db.execute("alter table public.lines rename column sku to article")
        db.execute("update public.lines set more = 'y'")
        db.execute("select bridge.refresh_tracking()")
        db.execute("update public.lines set more = 'z'")
    assert tables.bridge("snapshot", "public.lines").returncode == 0
    with tables.connect() as db:
        db.execute("truncate public.lines")
    found = keys(tables)
    assert [action for action, _, _ in found] == [
        *["INSERT", "UPDATE", "UPDATE", "UPDATE"],
        *["READ", "DELETE", "TRUNCATE"],
    ]
    assert {key for action, _, key in found if action != "TRUNCATE"} == {"a'b/1.10:7!"}


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("order", "names no column"),
        ("order:{", "names no column"),
        ("{id}}", "not closed"),
        ("{nothing}", "has no column nothing"),
    ],
)
def test_a_template_that_cannot_be_is_refused(tables: Site, template: str, words: str) -> None:
    done = tables.bridge("track", "public.lines", "--event-key", template)
    assert (done.returncode, words in done.stderr) == (4, True), done.stderr


def test_a_column_of_it_cannot_be_hidden(tables: Site) -> None:
    for hide in ("--mask", "--exclude"):
        done = tables.bridge("track", "public.lines", hide, "order_id")
        assert done.returncode == 4
        assert "the columns of the event key of" in done.stderr


def test_it_stays_until_it_is_given_anew(tables: Site) -> None:
    def shown(*arguments: str) -> Any:
        assert tables.bridge("track", "public.lines", *arguments).returncode == 0
        found = data_of(tables.bridge("tracked", "--json").stdout)
        return {table["name"]: table["event_key"] for table in found}["lines"]

    assert shown("--mask", "sku") == "order:{order_id}"
    assert shown("--event-key", "o-{order_id}-{id}") == "o-{order_id}-{id}"
    assert shown("--event-key", "") is None
    assert shown("--event-key", "o-{order_id}") == "o-{order_id}"
    assert shown("--reset") is None


def test_where_its_column_is_gone_the_doctor_says_so_and_no_write_fails(tables: Site) -> None:
    with tables.connect() as db:
        db.execute("insert into public.lines values (1, 7, 'a')")
        db.execute("alter table public.lines drop column order_id")
        db.execute("insert into public.lines values (2, 'a')")
    doctor = tables.bridge("doctor", "--capture")
    assert doctor.returncode == 1
    assert "a column of its event key is gone, or hidden" in doctor.stdout
    assert keys(tables)[1] == ("INSERT", "2", "lines:2")


def test_no_tombstone_follows_where_a_key_is_shared(tables: Site) -> None:
    site = tables
    site.configure(f'[[routes]]\ntable = "lines"\ntopic = "{site.name}.l"\nencoding = "json"\ntombstone = true\n')
    with site.connect() as db:
        db.execute("insert into public.lines values (1, 7, 'a'), (2, null, 'b')")
        db.execute("delete from public.lines")
    site.drain()
    records = site.records()[f"{site.name}.l"]
    assert [r.key for r in records if r.value is None] == [b"lines:2"]


def test_an_erasure_waits_for_its_events_and_leaves_those_that_share_its_key(tables: Site) -> None:
    with tables.connect() as db:
        db.execute("insert into public.lines values (1, 7, 'a'), (2, 7, 'b')")
    early = tables.bridge("erase", "1", "--entity", "lines", "--yes")
    assert (early.returncode, "still to be published" in early.stderr) == (5, True), early.stderr
    tables.drain()
    done = tables.bridge("erase", "1", "--entity", "lines", "--yes")
    assert done.returncode == 0, done.stderr
    assert "whose key others share" in done.stdout + done.stderr
    with tables.connect() as db:
        states = db.execute("select entity_id, new_state ? 'erased' from bridge.entity_events order by 1").fetchall()
    assert states == [("1", True), ("2", False)]


def test_a_direct_insert_has_the_usual_key(site: Site) -> None:
    site.change(1)
    assert keys(site, "thing") == [("INSERT", "1", "thing:1")]
