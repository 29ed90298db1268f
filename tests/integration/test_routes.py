"""Routes by table, by the beginning of a type, and in other encodings than Avro: what arrives, and what is judged."""

from __future__ import annotations

import json

from fix_command import data_of
from fix_relay import Site

ROUTES = """
[[routes]]
event_type = "order.*"
topic = "{name}.orders"
encoding = "json"
headers = {{ team = "billing" }}
drop = ["secret"]
mask = ["card"]
[[routes]]
event_type = "order.deleted"
topic = "{name}.orders"
encoding = "json"
tombstone = true
[[routes]]
event_type = "blob"
topic = "{name}.blobs"
encoding = "raw"
[[routes]]
table = "orders"
topic = "{name}.rows"
encoding = "json"
tombstone = true
mask = ["card"]
"""
WRITE = """
create table public.orders (id bigint primary key, total numeric, card text);
create table public.others (id bigint primary key);
select bridge.enable_tracking('public.orders');
select bridge.enable_tracking('public.others');
insert into public.orders values (1, 12.50, '4711');
update public.orders set total = 13.00;
insert into public.others values (1);
select bridge.publish_event('order.paid', 'orders:1', '{"n": 1.10, "secret": 1, "card": "4711"}');
select bridge.publish_event('order.deleted', 'orders:1', '{"n": 2}', headers => '{"traceparent": "00-1-2-01"}');
select bridge.publish_event('blob', 'b', '{"$bytes": "AAH/"}');
select bridge.publish_event('blob', 'b', '{"no": "bytes"}');
delete from public.orders;
"""


def test_each_event_takes_its_route(site: Site) -> None:
    site.configure(ROUTES.format(name=site.name))
    with site.connect() as db:
        db.execute(WRITE)
    relay = site.start("--until-empty")
    assert relay.wait(120) == 0, site.log(relay)
    records = site.records()

    orders = records[f"{site.name}.orders"]
    assert [(r.key, r.value) for r in orders] == [
        (b"orders:1", b'{"n":1.10,"card":"[masked]"}'),
        (b"orders:1", b'{"n": 2}'),
        (b"orders:1", None),
    ]
    assert [r.headers.get("team") for r in orders] == ["billing", None, None]
    assert [r.headers.get("content-type") for r in orders] == ["application/json", "application/json", None]
    assert orders[1].headers["traceparent"] == "00-1-2-01"
    assert orders[2].headers["bridge_tombstone"] == orders[1].headers["ce_id"]

    rows = records[f"{site.name}.rows"]
    changes = [json.loads(r.value) for r in rows if r.value is not None]
    assert [change["action"] for change in changes] == ["INSERT", "UPDATE", "DELETE"]
    assert changes[1]["previous_state"] == {"id": 1, "total": 12.50, "card": "[masked]"}
    assert b'"total": 13.00' in (rows[1].value or b"") or b'"total":13.00' in (rows[1].value or b"")
    assert [r.value for r in rows][-1] is None
    assert {r.key for r in rows} == {b"orders:1"}

    (blob,) = records[f"{site.name}.blobs"]
    assert (blob.value, blob.headers["content-type"]) == (b"\x00\x01\xff", "application/octet-stream")
    (other,) = records[f"{site.name}.entity_events"]
    assert other.key == b"others:1"
    (dead,) = records[f"{site.name}.dead_letters"]
    assert "$bytes" in dead.headers["bridge_error"]

    verified = site.bridge("verify", "--json")
    assert verified.returncode == 0, verified.stdout
    assert data_of(verified.stdout)["records"] == 8
    one = site.bridge("verify", "--json", "--topic", f"{site.name}.rows")
    assert (one.returncode, data_of(one.stdout)["events"]) == (0, 3), one.stdout


def test_one_event_is_asked_about(site: Site) -> None:
    site.configure(ROUTES.format(name=site.name))
    with site.connect() as db:
        db.execute(WRITE)
    own = site.scalar("select id::text from bridge.event_queue where event_type = 'order.paid'")
    change = site.scalar("select id::text from bridge.entity_events where entity_type = 'orders' limit 1")
    for id, rule in ((own, {"event_type": "order.*"}), (change, {"table": "orders"})):
        document = data_of(site.bridge("route", id, "--json").stdout)
        (found,) = document["routes"]
        assert document["status"] == "PENDING"
        assert found["route"].items() >= rule.items()
    nobody = site.bridge("route", "00000000-0000-0000-0000-000000000000")
    assert (nobody.returncode, nobody.stdout) == (4, "")
    assert "there is no event 00000000" in nobody.stderr


def test_a_replay_takes_the_routes_of_now(site: Site) -> None:
    site.configure(ROUTES.format(name=site.name))
    with site.connect() as db:
        db.execute(WRITE)
    assert site.start("--until-empty").wait(120) == 0
    done = site.bridge("replay", "--from", "2000-01-01", "--to", "2100-01-01", "--topic", f"{site.name}.rows")
    assert done.returncode == 0, done.stderr
    assert site.start("--until-empty").wait(120) == 0
    again = [r for r in site.records()[f"{site.name}.rows"] if "bridge_replayed" in r.headers]
    assert [r.value and json.loads(r.value)["action"] for r in again] == ["INSERT", "UPDATE", "DELETE", None]
    assert site.bridge("verify").returncode == 0
