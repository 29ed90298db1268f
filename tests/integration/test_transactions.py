"""A transaction's end, told to consumers: each event names its transaction, and one says how many there are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fix_relay import Site

ROUTE = """
[[routes]]
event_type = "transaction.ended"
topic = "{name}.transactions"
encoding = "json"
"""
WRITE = """
select bridge.publish_event('thing.changed', 'a', '{"n": 1}'),
       bridge.publish_event('thing.changed', 'b', '{"n": 2}'),
       bridge.publish_event('other.changed', 'b', '{"n": 2}');
insert into public.rows values (1), (2);
update public.rows set n = n + 10;
"""


def ended(site: Site) -> list[dict[str, Any]]:
    with site.connect() as db:
        rows = db.execute("select payload from bridge.event_queue where event_type = 'transaction.ended' order by seq")
        return [payload for (payload,) in rows.fetchall()]


@pytest.mark.relay("transaction_header = true")
def test_its_events_name_it_and_its_end_says_how_many_there_are(site: Site) -> None:
    site.configure(ROUTE.format(name=site.name))
    with site.connect() as db:
        db.execute("create table public.rows (n int primary key)")
        db.execute("select bridge.set_shard_count(2)")
        db.execute("select bridge.enable_tracking('public.rows')")
        with db.transaction():
            db.execute(WRITE)
            db.execute("select bridge.publish_transaction_end()")
        db.execute("select bridge.publish_event('thing.changed', 'c', '{\"n\": 1}')")
    site.drain()
    records = [record for topic in site.records().values() for record in topic]
    (end,) = [record for record in records if record.headers["ce_type"] == "transaction.ended"]
    told = json.loads(end.value or b"")
    own = [record for record in records if record.headers["bridge_transaction"] == told["transaction"]]
    # Each update changes the key, which is a DELETE and an INSERT
    assert told["event_types"] == {"thing.changed": 2, "other.changed": 1}
    assert told["tables"] == {"rows": 6}
    assert told["events"] == len(own) - 1 == 9
    assert end.key == told["transaction"].encode()


def test_what_others_wrote_meanwhile_and_before_does_not_count(site: Site) -> None:
    site.publish(500)
    with site.connect() as ours, site.connect() as others:
        with ours.transaction():
            ours.execute("select bridge.publish_event('thing.changed', 'a', '{\"n\": 1}')")
            others.execute("select bridge.publish_event('thing.changed', 'b', '{\"n\": 1}')")
            ours.execute("select bridge.publish_event('thing.changed', 'a', '{\"n\": 2}')")
            others.execute("select bridge.publish_event('thing.changed', 'b', '{\"n\": 2}')")
            ours.execute("select bridge.publish_transaction_end()")
        with ours.transaction():
            ours.execute("select bridge.publish_transaction_end()")
    assert [told["events"] for told in ended(site)] == [2, 0]


def test_what_was_rolled_back_does_not_count(site: Site) -> None:
    with site.connect() as db, db.transaction():
        db.execute("select bridge.publish_event('thing.changed', 'a', '{\"n\": 1}')")
        with db.transaction(force_rollback=True):
            db.execute("select bridge.publish_event('thing.changed', 'a', '{\"n\": 2}')")
        db.execute("select bridge.publish_transaction_end()")
    assert [told["events"] for told in ended(site)] == [1]


def test_the_header_is_left_out_unless_it_is_asked_for(site: Site) -> None:
    site.publish(1)
    site.drain()
    (record,) = site.records()[f"{site.name}.things"]
    assert "bridge_transaction" not in record.headers
