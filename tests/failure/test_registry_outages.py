"""The schema registry is slow, or has forgotten everything. Away: test_outages.py, test_errors.py."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from fix_relay import THING, Site, eventually
from lying_registry import LyingRegistry
from proxy import Proxy

from bridge.encoding.avro.library import load_schema
from bridge.local.stack import Stack
from bridge.registry.api import RegistryApi
from bridge.registry.client import RegistryClient
from bridge.relay import schema_ids


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


@pytest.fixture
def guarded(site: Site) -> Iterator[LyingRegistry]:
    """What a relay asks passes here: while it lies, the registry is away."""
    registry = LyingRegistry(site.settings.registry.url, about="")
    site.environment["BRIDGE_REGISTRY_URL"] = registry.url
    yield registry
    registry.close()


def kept(site: Site) -> dict[str, int]:
    with site.connect() as db:
        return dict(db.execute("select subject, schema_id from bridge.schema_id").fetchall())


def test_a_relay_starts_while_the_registry_is_away_and_publishes_what_it_knows(
    site: Site, guarded: LyingRegistry
) -> None:
    site.publish(100)
    site.drain()
    assert set(kept(site)) == {route.subject for route in site.settings.routes}
    guarded.begin("503 in HTML")
    relay = site.start()
    site.publish(100)
    site.publish(100, event_type="other.changed")
    eventually(lambda: site.pending() == 0)
    assert "Meanwhile schemas have the ids that it gave before" in site.log(relay)
    guarded.end()
    eventually(lambda: "the schema registry is back" in site.log(relay))
    site.publish(100)
    assert site.assert_exactly_once(relay).published == 400


def test_what_is_new_waits_for_the_registry_and_holds_nothing_else(site: Site, guarded: LyingRegistry) -> None:
    site.publish(100)
    site.drain()
    site.route("new.made", "new", THING)
    guarded.begin("503 in HTML")
    relay = site.start()
    site.publish(50, event_type="new.made")
    site.publish(100)
    eventually(lambda: site.pending() == 50)
    assert f"topic {site.name}.new is held" in site.log(relay)
    guarded.end()
    assert site.assert_exactly_once(relay).published == 250
    assert f"{site.name}.new-new.made" in eventually(lambda: len(kept(site)) == 4 and kept(site))


@pytest.mark.parametrize("is_away", [False, True], ids=["at the start", "while it runs"])
def test_ids_that_are_others_now_are_noticed(site: Site, guarded: LyingRegistry, is_away: bool) -> None:
    """As after a registry was wiped; before anything is published with them, if it answers when the relay starts."""
    site.publish(100)
    site.drain()
    right = kept(site)
    with site.connect() as db:
        db.execute("update bridge.schema_id set schema_id = schema_id + 1000000")
    if is_away:
        guarded.begin("503 in HTML")
    relay = site.start()
    if is_away:
        eventually(lambda: "gave before" in site.log(relay))
        guarded.end()
    eventually(lambda: f"the id {right[site.settings.routes[0].subject]}, and gave it 1" in site.log(relay))
    eventually(lambda: kept(site) == right)
    site.publish(100)
    site.publish(100, event_type="other.changed")
    assert site.assert_exactly_once(relay).published == 300


def test_an_id_whose_schema_is_not_taken_any_more_holds_its_topic(site: Site, guarded: LyingRegistry) -> None:
    """It was kept, and is not in the registry that is back."""
    site.publish(100)
    site.drain()
    site.config.write_text(site.config.read_text().replace("[relay]", "register = false\n[relay]"))
    file = site.config.parent / "schemas" / f"{site.name}.others-test.Thing.avsc"
    schema = json.loads(file.read_text())
    schema["fields"][0]["default"] = 0
    file.write_text(json.dumps(schema))
    with site.connect() as db:
        db.execute(
            "insert into bridge.schema_id"
            " select registry, subject, %s, 7000000 from bridge.schema_id where subject = %s",
            (load_schema(file.stem, file.parent).fingerprint, file.stem),
        )
    guarded.begin("503 in HTML")
    relay = site.start()
    eventually(lambda: "gave before" in site.log(relay))
    guarded.end()
    eventually(lambda: "the schema registry is back" in site.log(relay))
    site.publish(50, event_type="other.changed")
    site.publish(50)
    eventually(lambda: "bridge schema apply" in site.log(relay))
    eventually(lambda: site.pending() == 50)
    assert site.bridge("schema", "apply").returncode == 0
    assert site.assert_exactly_once(relay).published == 200


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


def test_a_registry_that_was_replaced_is_noticed_though_it_was_never_away(
    site: Site, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one answers at the address, whose ids are others'."""
    monkeypatch.setattr(schema_ids, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(schema_ids, "ASK_SECONDS", 0.1)
    wipe(stack)
    ids = schema_ids.SchemaIds(site.settings, RegistryClient(site.settings), {})
    forgotten = threading.Event()
    ids.forget = forgotten.set
    schemas = [load_schema(route.subject, site.settings.schemas) for route in site.settings.routes]
    before = [ids.schema_id(schema) for schema in schemas]
    wipe(stack)
    RegistryApi(site.settings.registry).register("elsewhere", '"string"', ())  # has the first id
    ids.start()
    try:
        assert forgotten.wait(30)
        eventually(lambda: not ids._unsure)
        after = {schema.subject: ids.schema_id(schema) for schema in schemas}
        assert (1 in before, 1 in after.values()) == (True, False)
        eventually(lambda: kept(site) == after)
    finally:
        ids.end()
