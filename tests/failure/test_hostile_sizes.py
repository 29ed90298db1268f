"""Records around the largest that a topic takes: published or dead, whatever makes them large; others flow."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Callable

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic
from fix_acl import SecuredBroker, User, all_rights
from fix_relay import Site, eventually
from kafka_settings import configure, create
from reaction import BOTH_DELIVERIES, SECONDS, assert_calm, assert_decided, assert_flows, publish, running, status_of

pytestmark = pytest.mark.long

LIMIT = 20_000  # of the topic; a sweep over it in steps of a byte is cheap
BELOW, ABOVE = 1_200, 100  # what Kafka adds to a record is less
CJK = "鍵"  # three bytes
Event = tuple[str, str, str, str]


def letters(count: int) -> str:
    """They do not compress, or no size would be near a limit."""
    return "".join(random.choices(string.ascii_letters + string.digits, k=count))


def cjk(count: int) -> str:
    return "".join(chr(random.randrange(0x4E00, 0x9FFF)) for _ in range(count))


def sized(key: str, headers: dict[str, str], fill: Callable[[int], str], size: int) -> Event:
    """An event whose payload fills it up to about `size` bytes: key twice (`ce_subject`), headers, text."""
    own = 2 * len(key.encode()) + sum(len(name) + len(value.encode()) for name, value in headers.items())
    return "thing.changed", key, json.dumps({"n": 1, "text": fill(max(size - own, 0))}), json.dumps(headers)


SHAPES: dict[str, Callable[[int, int], Event]] = {
    "payload": lambda n, size: sized(f"k{n}", {}, letters, size),
    "long key": lambda n, size: sized(f"{n}-{letters(5_000)}", {}, letters, size),
    "key of 3,000 characters of three bytes": lambda n, size: sized(f"{n:05}{cjk(2_995)}", {}, letters, size),
    "key alone": lambda n, size: ("thing.changed", f"{n:05}{letters(size // 2 - 5)}", '{"n": 1}', "{}"),
    "headers": lambda n, size: sized(f"k{n}", {"h": letters(9_000)}, letters, size),
    "headers of three bytes": lambda n, size: sized(f"k{n}", {"h": cjk(3_000)}, letters, size),
    "many headers": lambda n, size: sized(f"k{n}", {f"h{i}": letters(100) for i in range(60)}, letters, size),
    "payload of three bytes": lambda n, size: sized(f"k{n}", {}, lambda k: cjk(k // 3) + "x" * (k % 3), size),
}  # fmt: skip


def set_limit(servers: str, kind: ConfigResource.Type, name: str, setting: str, value: int | None) -> None:
    """The largest record, of a topic or of all on a broker (`value` None: as it was)."""
    admin = AdminClient({"bootstrap.servers": servers})
    configure(admin, kind, name, setting, None if value is None else str(value))


@BOTH_DELIVERIES
def test_records_of_each_size_around_the_limit(site: Site) -> None:
    """None is tried for ever, none stops its neighbours, and none dies that is well below the limit."""
    topic = NewTopic(f"{site.name}.things", 3, 1, config={"max.message.bytes": str(LIMIT)})
    admin = AdminClient({"bootstrap.servers": site.settings.kafka.bootstrap_servers})
    create(admin, topic)
    with running(site) as relay:
        for name, shape in SHAPES.items():
            sizes = range(LIMIT - BELOW, LIMIT + ABOVE)
            ids = publish(site, *(shape(number, size) for number, size in enumerate(sizes)))
            assert_flows(site)
            assert_flows(site, "other.changed")
            assert_decided(site, ids, 2 * SECONDS)
            assert (status_of(site, ids[0]), status_of(site, ids[-1])) == ("PROCESSED", "DEAD"), name
            site.bridge("dead", "skip", "--all", "--yes", "--reason", "test")  # keys come again with the next shape
        assert_calm(site, relay)
    audit = site.audit()
    assert audit.is_clean, audit


@BOTH_DELIVERIES
def test_the_topics_limit_is_lowered_while_a_relay_runs(site: Site) -> None:
    with running(site) as relay:
        bootstrap, kind = site.settings.kafka.bootstrap_servers, ConfigResource.Type.TOPIC
        set_limit(bootstrap, kind, f"{site.name}.things", "max.message.bytes", 5_000)
        (large,) = publish(site, ("thing.changed", "large", json.dumps({"n": 1, "text": letters(10_000)})))
        assert_flows(site)
        assert_decided(site, [large])
        assert status_of(site, large) == "DEAD"
        assert_calm(site, relay)
        set_limit(bootstrap, kind, f"{site.name}.things", "max.message.bytes", None)
        assert site.bridge("dead", "retry", "--all", "--yes").returncode == 0
        eventually(lambda: status_of(site, large) == "PROCESSED", 2 * SECONDS)
    audit = site.audit()
    assert audit.is_clean, audit


def test_the_limit_of_the_dead_letters_is_lowered_while_a_relay_runs(site: Site) -> None:
    """The letter is cut to what its topic takes now."""
    with running(site) as relay:
        topic, kind = site.settings.topics.dead_letters, ConfigResource.Type.TOPIC
        set_limit(site.settings.kafka.bootstrap_servers, kind, topic, "max.message.bytes", 2_000)
        (large,) = publish(site, ("unknown.type", "large", json.dumps({"n": 1, "text": letters(10_000)})))
        assert_flows(site)
        assert_decided(site, [large])
        assert status_of(site, large) == "DEAD"
        assert_calm(site, relay)


def test_the_brokers_limit_is_lowered_while_a_relay_runs(
    secured_site: Site, user: User, secured_broker: SecuredBroker
) -> None:
    site = secured_site
    user.grant(*all_rights(site.name))
    broker = secured_broker.inside, ConfigResource.Type.BROKER, "1", "message.max.bytes"
    with running(site) as relay:
        set_limit(*broker, 5_000)
        try:
            (large,) = publish(site, ("thing.changed", "large", json.dumps({"n": 1, "text": letters(10_000)})))
            assert_flows(site)
            assert_decided(site, [large])
            assert status_of(site, large) == "DEAD"
            assert_calm(site, relay)
        finally:
            set_limit(*broker, None)
    audit = site.audit()
    assert audit.is_clean, audit
