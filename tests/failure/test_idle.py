"""Idle for longer than Kafka keeps transactional ids and producer ids: a week elsewhere, seconds here."""

from __future__ import annotations

import pytest
from at_length import at_length
from fix_kafka import Cluster, transactional_ids
from fix_relay import Site, eventually
from reaction import assert_all_is_well


@pytest.mark.parametrize(
    ("relay_lines", "runs_on"),
    [("", True), ("", False), *at_length(('delivery = "at_least_once"', True))],
    ids=["runs on", "is started again", "at least once"],
)
def test_idle_for_longer_than_kafka_remembers(forgetful: Cluster, forgetful_site: Site, runs_on: bool) -> None:
    """Kafka forgets who published, never what was published last: nothing is lost, doubled or stopped."""
    site = forgetful_site
    relay = site.start()
    site.publish(100)
    eventually(lambda: site.pending() == 0)
    if not runs_on:
        site.end(relay)
    assert_all_is_well(site)
    eventually(lambda: not transactional_ids(forgetful), 120)
    if not runs_on:
        relay = site.start()
    site.publish(100)
    eventually(lambda: site.pending() == 0)
    assert_all_is_well(site)
    assert site.assert_exactly_once(relay).published == 200
