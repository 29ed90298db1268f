"""The relay is killed, or stopped for longer than its lease, at each named point of the protocol."""

from __future__ import annotations

import signal

import pytest
from at_length import at_length
from fix_command import data_of
from fix_relay import Site, eventually, is_stopped

from bridge.failpoint import NAMES

QUICK = "batch_rows = 150"
BEHIND = 5
# Of each of 20 keys one that is dead, and some that wait behind it; of 20 others one that is not due yet.
PARKED = """insert into bridge.event_queue (event_type, event_key, payload, available_at)
            select 'thing.changed', case when n = 1 then 'later' else 'k' end || k,
                   jsonb_build_object('n', case when n = 0 then '"no number"' else to_jsonb(n) end),
                   case when n = 1 then clock_timestamp() + interval '2 seconds' end
              from generate_series(0, %s) n, generate_series(1, 20) k
             order by n, k returning id::text"""


def count(name: str) -> int:
    """So that a batch is reached: takeovers claim, too, and arrivals and first acts of two shards are transactions."""
    return {"produced": 6, "flushed": 6, "claiming": 4}.get(name, 2)


@pytest.mark.relay(QUICK)
@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith(("keeper_", "archive_"))])
def test_killed_at(site: Site, name: str) -> None:
    site.publish(1000)
    site.change(500)
    first = site.start(failpoint=f"{name}:kill@{count(name)}")
    site.publish(1000)
    assert first.wait(60) == -signal.SIGKILL, site.log(first)
    site.publish(500)
    site.drain()
    audit = site.audit()
    assert audit.is_clean, audit
    assert audit.published == 3000
    assert site.pending() == 0


@pytest.mark.relay(QUICK)
@pytest.mark.parametrize("name", ["claimed", "published", "settled", *at_length("read", "claiming", "flushed")])
def test_killed_at_while_it_parks_and_releases(site: Site, name: str) -> None:
    """What a batch parks and releases is settled with it, or not at all."""
    with site.connect() as db:
        site.written.update(id_ for (id_,) in db.execute(PARKED, (BEHIND,)).fetchall())
    first = site.start(failpoint=f"{name}:kill@{count(name)}")
    assert first.wait(60) == -signal.SIGKILL, site.log(first)
    second = site.start("--until-empty")
    assert second.wait(60) == 5, site.log(second)
    assert len(data_of(site.bridge("dead", "list", "--json").stdout)) == 20
    assert site.pending() == 20 * (BEHIND - 1)
    assert site.bridge("dead", "skip", "--all", "--yes", "--reason", "test").returncode == 0
    third = site.start(failpoint=f"{name}:kill@{4 if name in ('flushed', 'claiming') else 2}")
    assert third.wait(60) == -signal.SIGKILL, site.log(third)
    site.drain()
    audit = site.audit()
    assert audit.is_clean, audit
    assert audit.published == len(site.written)
    assert site.bridge("verify").returncode == 0
    assert site.scalar("select count(*) from bridge.parked where state <> 'skipped'") == 0


@pytest.mark.relay(QUICK)
@pytest.mark.parametrize(
    "name", ["read", "claimed", "flushed", "takeover_fenced", *at_length("claiming", "produced", "published")]
)
def test_stopped_past_its_lease_at(site: Site, name: str) -> None:
    """The successor carries on; when the sleeper wakes it publishes nothing more of what it held."""
    site.publish(2000)
    sleeper = site.start(failpoint=f"{name}:stop@{count(name)}")
    eventually(lambda: is_stopped(sleeper.pid))
    successor = site.start()
    eventually(lambda: site.pending() == 0)
    sleeper.send_signal(signal.SIGCONT)
    site.publish(500)
    assert site.assert_exactly_once(sleeper, successor).published == 2500


@pytest.mark.relay(QUICK)
@pytest.mark.parametrize("name", ["flushed", *at_length("produced")])
def test_stopped_past_the_transaction_time_out_at(site: Site, name: str) -> None:
    """Alone: the broker ends its transaction and fences it, and it must find that out when it wakes."""
    site.publish(2000)
    relay = site.start(failpoint=f"{name}:stop@{count(name)}")
    eventually(lambda: is_stopped(relay.pid))
    eventually(lambda: not site.audit().hanging)
    relay.send_signal(signal.SIGCONT)
    site.publish(500)
    assert site.assert_exactly_once(relay).published == 2500
