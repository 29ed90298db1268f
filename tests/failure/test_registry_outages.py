"""The schema registry is slow, or has forgotten everything. Away: test_outages.py, test_errors.py."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from fix_relay import Site, eventually
from proxy import Proxy

from bridge.local.stack import Stack


@pytest.fixture
def slow_network(site: Site) -> Iterator[Proxy]:
    """Between the relays and the registry."""
    registry = urlsplit(site.settings.registry.url)
    proxy = Proxy(lambda: registry.port or 0, speaks_kafka=False)
    proxy.slice_bytes = 16
    site.environment["BRIDGE_REGISTRY_URL"] = registry._replace(netloc=f"127.0.0.1:{proxy.port}").geturl()
    yield proxy
    proxy.close()


def test_a_slow_registry(site: Site, slow_network: Proxy) -> None:
    site.publish(500)
    site.publish(500, event_type="other.changed")
    site.drain()
    audit = site.audit()
    assert audit.is_clean, audit
    assert audit.published == 1000


def test_a_deaf_registry_holds_nothing_that_is_known(site: Site, slow_network: Proxy) -> None:
    relay = site.start()
    site.publish(500)
    eventually(lambda: site.pending() == 0)
    slow_network.deafen()
    site.publish(500)
    site.assert_exactly_once(relay)


def wipe(stack: Stack) -> None:
    stack.registry.stop()
    shutil.rmtree(stack.registry.data)
    stack.registry.start()


def test_a_registry_that_was_wiped(site: Site, stack: Stack) -> None:
    """Events flow on under the ids that the relay knows; the next relay registers the schemas again."""
    wipe(stack)  # so that ids begin anew both times, and what was published before can be decoded after
    relay = site.start()
    site.publish(500)
    eventually(lambda: site.pending() == 0)
    wipe(stack)
    site.publish(500)
    eventually(lambda: site.pending() == 0)
    site.end(relay)
    site.publish(500)
    site.drain()
    audit = site.audit()
    assert audit.is_clean, audit
    assert audit.published == 1500
