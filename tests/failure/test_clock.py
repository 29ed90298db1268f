"""Clocks that are set: leases end by the database server's clock, and nothing else depends on any."""

from __future__ import annotations

import signal

import pytest
from fix_relay import Site, eventually

QUICK = "batch_rows = 100"


def set_server_clock(site: Site, interval: str) -> None:
    """All that the server's clock has written is now that much further ahead, as if the clock had been set back."""
    with site.connect() as db:
        db.execute(f"update bridge.shard set lease_until = lease_until + interval '{interval}'")
        db.execute(f"update bridge.relay set seen_until = seen_until + interval '{interval}'")


@pytest.mark.relay(QUICK)
@pytest.mark.parametrize("interval", ["1 hour", "-1 hour"], ids=["back", "ahead"])
def test_the_servers_clock_is_set_while_a_relay_dies(site: Site, interval: str) -> None:
    """Set back, a dead relay's lease would last for an hour longer."""
    first = site.start(failpoint="published:kill@2")  # a stopped one's other shard may hold the row's lock
    site.publish(2000)
    assert first.wait(60) == -signal.SIGKILL, site.log(first)
    set_server_clock(site, interval)
    second = site.start()
    site.assert_exactly_once(second)


@pytest.mark.relay(QUICK)
@pytest.mark.parametrize("interval", ["1 hour", "-1 hour"], ids=["back", "ahead"])
def test_the_servers_clock_is_set_while_relays_run(site: Site, interval: str) -> None:
    relays = site.start(), site.start()
    for _ in range(5):
        site.publish(500)
        eventually(lambda: site.pending() < 400)
        set_server_clock(site, interval)
    site.assert_exactly_once(*relays)


@pytest.mark.relay(QUICK)
def test_events_are_dated_far_ahead_and_long_ago(site: Site) -> None:
    """An application's clock is wrong: its events get the server's time, and keep their place."""
    dated = (
        "insert into bridge.event_queue (event_type, event_key, payload, created_at) "
        "values ('thing.changed', 'k', jsonb_build_object('n', %s::int), now() + %s::interval)"
    )
    with site.connect() as db:
        for number, ahead in enumerate(("0", "1 day", "-1 day", "400 days", "-20 years")):
            db.execute(dated, (number, ahead))
        query = "select id::text from bridge.event_queue where created_at <= now() order by payload ->> 'n'"
        ids = [id_ for (id_,) in db.execute(query).fetchall()]
    assert len(ids) == 5
    site.drain()
    assert [record.headers["ce_id"] for record in site.records()[f"{site.name}.things"]] == ids
    assert site.audit().is_clean
