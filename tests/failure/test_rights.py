"""What a relay may do in Kafka: the list in docs/operations.md is enough, all of it is needed, and missed by name."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from fix_acl import TOPIC, TRANSACTIONS, Right, User
from fix_relay import Site, eventually
from reaction import assert_all_is_well, assert_calm, assert_flows, assert_says, assert_shown, end, running

pytestmark = pytest.mark.long


def needed(site: Site) -> list[Right]:
    """What docs/operations.md, "Roles and rights", lists for a relay. (WRITE implies DESCRIBE, which it names too.)"""
    parts = rights_of_the_protocol(site)
    return [*rights_beside(site), *(right for part in parts.values() for right in part)]


def rights_beside(site: Site) -> list[Right]:
    """All that a relay needs, but for what no shard can do without."""
    plain: list[Right] = [(TOPIC, name, right) for name in site.topics for right in ("WRITE", "DESCRIBE_CONFIGS")]
    return [*plain, (TOPIC, site.settings.topics.control, "DESCRIBE_CONFIGS")]


@pytest.mark.parametrize("relay_lines", ["", 'delivery = "at_least_once"'], ids=["exactly_once", "at_least_once"])
def test_the_documented_rights_are_enough(strict_site: Site, user: User) -> None:
    site = strict_site
    user.grant(*needed(site))
    site.publish(100)
    site.publish(100, event_type="other.changed")
    site.publish(100, event_type="unknown.type")
    site.change(100)
    with running(site):
        assert_flows(site)
        assert_flows(site, "other.changed")
    audit = site.audit()
    assert audit.is_clean, audit
    user.grant(*((TOPIC, name, "READ") for name in site.topics))
    verdict = site.bridge("verify")
    assert verdict.returncode == 0, verdict


def test_each_documented_right_is_needed(strict_site: Site, user: User) -> None:
    """Without one of them, a relay that starts now carries not all that it could."""
    site = strict_site
    rights = needed(site)
    user.grant(*rights)
    site.drain()
    needless: list[Right] = []
    for right in rights:
        user.revoke(right)
        if carries_all(site):
            needless.append(right)
        user.grant(right)
    assert not needless


def carries_all(site: Site) -> bool:
    relay = site.start()
    try:
        for event_type in ("thing.changed", "other.changed"):
            assert_flows(site, event_type, seconds=8)
        site.publish(1, event_type="unknown.type")
        site.change(1)
        eventually(lambda: site.pending() == 0, 5)
    except AssertionError:
        return False
    finally:
        end(site, relay)
    return True


def rights_of_the_protocol(site: Site) -> dict[str, Sequence[Right]]:
    control = site.settings.topics.control
    return {
        "control": [(TOPIC, control, "READ"), (TOPIC, control, "WRITE")],
        "transactions": [(TRANSACTIONS, f"{site.name}-*", "WRITE")],
    }


@pytest.mark.parametrize("which", ["control", "transactions"])
def test_a_right_that_no_shard_can_do_without(strict_site: Site, user: User, which: str) -> None:
    """Nothing can be published; that is said as what it is, once, and shown, and it heals by itself."""
    site = strict_site
    parts = rights_of_the_protocol(site)
    user.grant(*rights_beside(site), *(right for part in parts.values() for right in part))
    with running(site) as relay:
        user.revoke(*parts[which])
        site.publish(100)
        assert_says(site, relay, "WARNING|ERROR", "authorization failed")
        assert "Kafka is away" not in site.log(relay)
        name = parts[which][0][1].rstrip("-*")
        assert_shown(site, name)
        assert_calm(site, relay)
        user.grant(*parts[which])
        eventually(lambda: site.pending() == 0)
        assert_flows(site)
        assert_all_is_well(site)
    audit = site.audit()
    assert audit.is_clean, audit


@pytest.mark.parametrize("which", ["transactions"])
def test_a_right_that_is_missing_from_the_start(strict_site: Site, user: User, which: str) -> None:
    """It is said for what it is then, too."""
    site = strict_site
    parts = rights_of_the_protocol(site)
    others = [right for name, part in parts.items() if name != which for right in part]
    user.grant(*rights_beside(site), *others)
    relay = site.start()
    assert_says(site, relay, "WARNING|ERROR", "authorization failed")
    assert "Kafka is away" not in site.log(relay)
    assert_shown(site, parts[which][0][1].rstrip("-*"))
    user.grant(*parts[which])
    assert_flows(site)
    assert_all_is_well(site)
    assert end(site, relay) == 0
