"""A clean hand-over: a relay that is asked to stop gives its shards back, and another goes on at once."""

from __future__ import annotations

import signal
import statistics

import pytest
from fix_relay import THING, Site, eventually
from steady import delays, done, owners, steady_writer

LEASE_SECONDS = 30  # far above what a hand-over takes


def test_a_rolling_restart_hardly_interrupts(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_RELAY_LEASE_SECONDS", str(LEASE_SECONDS))
    relays = [site.start(), site.start()]
    eventually(lambda: owners(site) == 2)
    longest = []
    with delays(site) as waits, steady_writer(site):
        eventually(lambda: len(waits) > 100)
        for restart in range(4):
            waits.clear()
            relay = relays[restart % 2]
            relay.send_signal(signal.SIGTERM)
            assert relay.wait(30) == 0, site.log(relay)
            relays[restart % 2] = site.start()
            eventually(lambda: owners(site) == 2)
            so_far = len(waits)
            eventually(lambda n=so_far: len(waits) > n + 100)
            longest.append(max(waits))
    eventually(lambda: site.pending() == 0)
    print("longest wait of an event, by restart:", [f"{seconds:.3f} s" for seconds in longest])
    # Far from waiting for a lease to run out; a median, because the machine has other things to do.
    assert statistics.median(longest) < LEASE_SECONDS / 3
    assert site.audit().is_clean


def test_two_relays_that_are_restarted_for_ever(site: Site) -> None:
    """Both start at once and are killed again and again, as a broken deployment does; what they manage counts."""
    with steady_writer(site):
        for _ in range(6):
            so_far = done(site)
            relays = [site.start(), site.start()]
            eventually(lambda n=so_far: done(site) > n + 20)
            for relay in relays:
                relay.kill()
                relay.wait()
    site.drain()
    assert site.audit().is_clean


def test_what_waits_in_a_shard_that_has_left_is_its_next_owners_to_tell(site: Site) -> None:
    """The former one would tell of it for ever: nothing that happens there reaches it any more."""
    site.config.write_text(site.config.read_text().replace("[relay]", "register = false\n[relay]"))
    site.route("new.made", "new", THING)
    relays = [site.start()]
    site.publish(50, event_type="new.made")
    held = "select shard from bridge.relay cross join jsonb_to_recordset(waits) as w (shard integer) order by shard"
    eventually(lambda: site.rows(held) == [(0,), (1,)])
    relays.append(site.start())
    eventually(lambda: owners(site) == 2)
    eventually(lambda: site.rows(held) == [(0,), (1,)])
    assert site.bridge("schema", "apply").returncode == 0
    eventually(lambda: site.pending() == 0)
    eventually(lambda: site.rows(held) == [])
    site.end(*relays)
