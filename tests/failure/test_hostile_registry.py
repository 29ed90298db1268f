"""A registry that lies about one subject, or refuses its schema: one topic is held, and heals without a restart."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from fix_relay import THING, Site, eventually
from lying_registry import LyingRegistry
from reaction import (
    BOTH_DELIVERIES,
    assert_all_is_well,
    assert_calm,
    assert_decided,
    assert_flows,
    assert_says,
    left,
    publish_everywhere,
    running,
)

pytestmark = pytest.mark.long

LIES = [
    "an id that is text",
    "null",
    "an id of 2^40",
    "500 with escapes",
    "30 MB",
    "garbage that claims to be compressed",
]


@pytest.fixture
def lying(site: Site) -> Iterator[LyingRegistry]:
    registry = LyingRegistry(site.settings.registry.url, about=f"{site.name}.others")
    site.environment["BRIDGE_REGISTRY_URL"] = registry.url
    yield registry
    registry.close()


def break_others(site: Site) -> None:
    """The registry has a schema of the subject that ours is not compatible with."""
    older = THING | {"fields": [{"name": "n", "type": "string"}]}
    subject = f"{site.name}.others-test.Thing"
    with SchemaRegistryClient({"url": site.settings.registry.url, "timeout": 10}) as client:
        client.register_schema(subject, Schema(json.dumps(older), "AVRO"))
        client.set_compatibility(subject, "BACKWARD")


def test_lies_about_one_subject(site: Site, lying: LyingRegistry) -> None:
    break_others(site)  # so that the relay starts, and asks again while it runs
    with running(site) as relay:
        waiting = publish_everywhere(site, "other.changed")
        assert_says(site, relay, "WARNING", f"{site.name}.others", "not compatible")
        for lie in LIES:
            asked = lying.requests
            lying.begin(lie)
            assert_flows(site)
            eventually(lambda asked=asked: lying.requests > asked)
            assert len(left(site, waiting)) == len(waiting)
        assert site.log(relay).replace("\n", "").isprintable()
        with SchemaRegistryClient({"url": site.settings.registry.url, "timeout": 10}) as client:
            client.set_compatibility(f"{site.name}.others-test.Thing", "NONE")
        lying.end()
        assert_decided(site, waiting)
        assert_all_is_well(site)


@pytest.mark.parametrize("lie", ["500 with escapes", "30 MB"])
def test_lies_about_one_subject_to_a_relay_that_starts(site: Site, lying: LyingRegistry, lie: str) -> None:
    """That topic is held, as it would be later; others flow."""
    lying.begin(lie)
    with running(site) as relay:
        waiting = publish_everywhere(site, "other.changed")
        assert_flows(site)
        assert_says(site, relay, "WARNING", f"{site.name}.others", "is held")
        assert len(left(site, waiting)) == len(waiting)
        lying.end()
        assert_decided(site, waiting)
        assert_all_is_well(site)


@BOTH_DELIVERIES
def test_much_waits_for_a_topic_and_its_relay_is_killed(site: Site) -> None:
    """What is parked for it is no load on the others, survives the relay, and is published in its order."""
    break_others(site)
    first = site.start()
    site.publish(3000, event_type="other.changed")
    eventually(lambda: site.scalar("select count(*) from bridge.parked where state = 'waiting'") == 3000)
    assert_flows(site)
    first.kill()
    with running(site) as relay:
        site.publish(3000, event_type="other.changed")
        assert_flows(site)
        assert_calm(site, relay)
        with SchemaRegistryClient({"url": site.settings.registry.url, "timeout": 10}) as client:
            client.set_compatibility(f"{site.name}.others-test.Thing", "NONE")
        site.publish(100, event_type="other.changed")
        eventually(lambda: site.pending() == 0)
        assert_all_is_well(site)
    assert site.scalar("select count(*) from bridge.parked") == 0
    audit = site.audit()
    assert audit.is_clean, audit
    assert len(site.records()[f"{site.name}.others"]) == 6100


def test_a_schema_that_is_mended_on_disk(site: Site) -> None:
    break_others(site)
    with running(site) as relay:
        waiting = publish_everywhere(site, "other.changed")
        assert_says(site, relay, "WARNING", f"{site.name}.others", "not compatible")
        assert_flows(site)
        file = site.config.parent / "schemas" / f"{site.name}.others-test.Thing.avsc"
        file.write_text("{")
        assert_says(site, relay, "WARNING", f"{site.name}.others", "not valid")
        assert_flows(site)
        fields = [
            {"name": "n", "type": ["string", "long"], "default": ""},
            {"name": "text", "type": ["null", "string"], "default": None},
        ]
        file.write_text(json.dumps(THING | {"fields": fields}))
        assert_decided(site, waiting)
        assert_all_is_well(site)
