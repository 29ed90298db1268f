"""A schema that is wrong while a relay runs: its topic waits, nine others do not pause, and mending it is enough."""

from __future__ import annotations

import json

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from fix_relay import THING, Site, eventually
from reaction import SECONDS, assert_shown

TYPES = 10
IMPATIENT = "import bridge.shard.holds\nbridge.shard.holds.HOLD_SECONDS = 1.0"


def schema_of(*fields: dict[str, object]) -> dict[str, object]:
    return THING | {"fields": list(fields)}


def test_one_of_ten_is_incompatible_and_nine_do_not_pause_and_it_flows_when_it_is_mended_on_disk(site: Site) -> None:
    wrong = f"{site.name}.t0-made.0"
    for number in range(TYPES):
        site.route(f"made.{number}", f"t{number}", THING)
    older = schema_of({"name": "n", "type": "string"})
    with SchemaRegistryClient({"url": site.settings.registry.url, "timeout": 10}) as client:
        client.register_schema(wrong, Schema(json.dumps(older), "AVRO"))
        client.set_compatibility(wrong, "BACKWARD")
    site.plant(IMPATIENT)
    relay = site.start()
    site.publish(50, event_type="made.0")
    eventually(lambda: f"topic {site.name}.t0 is held" in site.log(relay))
    assert "$.n: " in site.log(relay)  # the field
    for number in range(1, TYPES):
        site.publish(50, event_type=f"made.{number}")
        site.publish(1, event_type="made.0")
        eventually(lambda number=number: site.pending() == 50 + number, SECONDS)
    file = site.config.parent / "schemas" / f"{wrong}.avsc"
    for broken, said in (("{", "is not valid"), (None, f"there is no {wrong}.avsc")):
        if broken is None:
            file.unlink()
        else:
            file.write_text(broken)
        eventually(lambda said=said: said in site.log(relay), SECONDS)
        site.publish(10, event_type="made.1")
        eventually(lambda: site.pending() == 50 + TYPES - 1, SECONDS)
    fields = {"name": "n", "type": ["string", "long"], "default": ""}, THING["fields"][1]
    file.write_text(json.dumps(schema_of(*fields)))
    eventually(lambda: site.pending() == 0, SECONDS)
    assert site.assert_exactly_once(relay).published == 50 * TYPES + TYPES - 1 + 20


def test_a_schema_that_a_relay_may_not_register_waits_for_apply(site: Site) -> None:
    """It is held alone, and flows without a restart once somebody has registered it."""
    site.publish(10)
    site.drain()
    site.config.write_text(site.config.read_text().replace("[relay]", "register = false\n[relay]"))
    site.route("new.made", "new", THING)
    site.plant(IMPATIENT)
    relay = site.start()
    site.publish(50, event_type="new.made")
    site.publish(50)
    eventually(lambda: site.pending() == 50)
    assert "registry.register is false" in site.log(relay)
    assert "`bridge schema apply` registers it" in site.log(relay)
    assert_shown(site, "new.made")  # with the relay's next sign of life
    assert site.bridge("schema", "apply").returncode == 0
    eventually(lambda: site.pending() == 0, SECONDS)
    assert site.assert_exactly_once(relay).published == 110
