"""The relay is killed, or stopped for longer than its lease, at each named point of the protocol."""

from __future__ import annotations

import signal

import pytest
from fix_relay import Site, eventually, is_stopped

from bridge.failpoint import NAMES

QUICK = "batch_rows = 150"


def count(name: str) -> int:
    """So that a batch is reached: the arrivals and the first acts of two new shards are transactions, too."""
    return 6 if name in ("produced", "flushed") else 2


@pytest.mark.relay(QUICK)
@pytest.mark.parametrize("name", NAMES)
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
@pytest.mark.parametrize("name", ["read", "claiming", "claimed", "produced", "flushed", "published", "takeover_fenced"])
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
@pytest.mark.parametrize("name", ["produced", "flushed"])
def test_stopped_past_the_transaction_time_out_at(site: Site, name: str) -> None:
    """Alone: the broker ends its transaction and fences it, and it must find that out when it wakes."""
    site.publish(2000)
    relay = site.start(failpoint=f"{name}:stop@{count(name)}")
    eventually(lambda: is_stopped(relay.pid))
    eventually(lambda: not site.audit().hanging)
    relay.send_signal(signal.SIGCONT)
    site.publish(500)
    assert site.assert_exactly_once(relay).published == 2500
