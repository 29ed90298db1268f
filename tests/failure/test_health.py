"""What health says while something is wrong: the right thing within seconds, and that it hangs only of what hangs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from confluent_kafka.admin import NewTopic
from fix_acl import TOPIC, TRANSACTIONS, SecuredBroker, User
from fix_relay import Site, eventually
from forked import Process
from kafka_settings import create
from proxy import Proxy

from bridge.telemetry.address import Address, parse_address
from bridge.telemetry.asking import ask

SECONDS = 40.0  # in which health must know, on a machine that is busy; a relay's own bound is 4.5 here


class Health:
    """What one relay says, or the parent of several."""

    def __init__(self, site: Site, relay: Process) -> None:
        said = r"served at http://(.*)/healthz"
        found = eventually(lambda: re.search(said, site.log(relay)))
        self.address: Address = parse_address(found[1])

    def page(self, path: str) -> tuple[int, str]:
        answer = ask(self.address, path, 10)
        return answer.status, answer.body.decode()

    @property
    def document(self) -> dict[str, Any]:
        status, body = self.page("/healthz")
        document: dict[str, Any] = json.loads(body)
        assert status == (503 if document["verdict"] == "failing" else 200)
        live = self.page("/livez")
        assert live == (200, "alive\n"), (live, document)  # whatever happens
        return document

    def says(self, verdict: str, words: str = "", *, ready: bool | None = None) -> None:
        """In the end."""

        def is_said() -> bool:
            self.last = self.document
            texts = [finding["text"] for finding in self.last["findings"] if finding["verdict"] == verdict]
            is_ready = ready is None or (self.page("/readyz")[0] == 200) is ready
            return self.last["verdict"] == verdict and (not words or any(words in text for text in texts)) and is_ready

        eventually(is_said, SECONDS, lambda: f"{verdict} {words}: {json.dumps(self.last, indent=1)}")

    def finds(self, verdict: str, words: str) -> None:
        """In the end, beside something worse, maybe: what waits for longer than the bound fails."""

        def is_found() -> bool:
            self.last = self.document
            return any(one["verdict"] == verdict and words in one["text"] for one in self.last["findings"])

        eventually(is_found, SECONDS, lambda: f"{verdict} {words}: {json.dumps(self.last, indent=1)}")


# A bound of 3 seconds on what is no wait, so that a wait which is taken for a hang would soon be.
IMPATIENT = "import bridge.relay.vitals\nbridge.relay.vitals.HANG_LEASES = 2"


@pytest.fixture
def start(site: Site) -> Callable[..., Health]:
    return lambda *arguments: Health(site, site.start("--http", "127.0.0.1:0", *arguments))


def test_kafka_does_not_do_what_it_should(secured_site: Site, secured_broker: SecuredBroker, user: User) -> None:
    """A right is taken away, a topic is deleted, the broker stays connected and answers nothing."""
    secured_site.plant(IMPATIENT)
    site, admin = secured_site, secured_broker.admin
    control = site.settings.topics.control
    _, others, changes, _ = site.topics
    topics = [NewTopic(control, 2, 1, config={"cleanup.policy": "compact"}), *(NewTopic(n, 2, 1) for n in site.topics)]
    create(admin, *topics)
    user.grant(
        *((TOPIC, name, right) for name in [control, *site.topics] for right in ("WRITE", "READ", "DESCRIBE_CONFIGS")),
        (TRANSACTIONS, f"{site.name}-*", "WRITE"),
    )
    relay = site.start("--http", "127.0.0.1:0")
    health = Health(site, relay)
    health.says("ok", ready=True)  # nothing to do
    site.publish(100)
    site.publish(100, event_type="other.changed")
    eventually(lambda: site.pending() == 0)
    health.says("ok", ready=True)

    user.revoke((TOPIC, others, "WRITE"))
    admin.delete_topics([changes], operation_timeout=30)[changes].result(30)
    site.publish(20, event_type="other.changed")
    site.change(20)
    health.finds("waiting", f"topic {others}: Kafka takes no records")
    site.publish(20)
    for topic in (others, changes):
        health.says("failing", f"topic {topic}: the oldest of ", ready=True)  # although the relay, and all else, go on
    eventually(lambda: site.pending() == 40)
    user.grant((TOPIC, others, "WRITE"))
    eventually(lambda: admin.create_topics([NewTopic(changes, 2, 1)])[changes].exception(30) is None)
    health.says("ok", ready=True)

    broker = secured_broker.brokers[0]
    broker.proxy.deafen()
    try:
        health.says("waiting", "Kafka has not been reached", ready=False)  # nothing is to be published
        site.publish(20)
        health.says("failing", "does not get on: its oldest event has been the same", ready=False)
        asked = site.bridge("health", str(health.address))
        assert asked.returncode == 1
        assert asked.stdout.startswith("failing\n")
        assert "waits" not in asked.stderr
        assert site.bridge("health", str(health.address), "--live").returncode == 0
    finally:
        broker.proxy.heal()
    health.says("ok", ready=True)
    eventually(lambda: site.pending() == 0)
    site.end(relay)
    assert site.bridge("health", str(health.address)).returncode == 1  # nobody is there


@pytest.fixture
def between(site: Site) -> Iterator[dict[str, Proxy]]:
    """What lies between a relay and its Postgres and registry; the test itself goes straight there."""
    registry = urlsplit(site.settings.registry.url)
    port = int(psycopg.conninfo.conninfo_to_dict(site.settings.database.url)["port"] or 0)
    proxies = {
        "registry": Proxy(lambda: registry.port or 0, speaks_kafka=False),
        "postgres": Proxy(lambda: port, speaks_kafka=False),
    }
    site.environment["BRIDGE_REGISTRY_URL"] = registry._replace(netloc=f"127.0.0.1:{proxies['registry'].port}").geturl()
    site.environment["BRIDGE_DATABASE_URL"] = psycopg.conninfo.make_conninfo(
        site.url("relay"), host="127.0.0.1", port=proxies["postgres"].port
    )
    yield proxies
    for proxy in proxies.values():
        proxy.close()


def test_others_do_not_do_what_they_should(site: Site, start: Callable[..., Health], between: dict[str, Proxy]) -> None:
    """The registry, Postgres, people."""
    site.plant(IMPATIENT)
    health = start()
    site.publish(100)
    eventually(lambda: site.pending() == 0)
    health.says("ok", ready=True)

    between["registry"].deafen()
    health.says("waiting", "the schema registry has not been reached", ready=False)
    site.publish(100)
    eventually(lambda: site.pending() == 0)  # its ids are known
    between["postgres"].deafen()  # as one that was frozen: no time-out ends what waits for it
    between["registry"].heal()
    health.says("failing", "nobody can tell whether events are published: Postgres has not been reached", ready=False)
    between["postgres"].heal()
    health.says("ok", ready=True)

    for payload in ("{}", '{"n": 1}', '{"n": 2}', '{"n": 3}'):
        site.scalar("select bridge.publish_event('thing.changed', 'k', %s)", payload)
    health.says("waiting", "1 dead event holds back what comes later, 3 later events wait")
    assert site.bridge("dead", "skip", "--all", "--reason", "test", answer="y\n").returncode == 0
    health.says("ok")

    site.scalar("select setval('bridge.event_seq', 1)")
    site.publish(5)
    health.says("failing", "is stopped: the sequence bridge.event_seq stands at", ready=True)


CRASH_AND_HANG = """
import pathlib, threading, time
from bridge.encoding.encoder import Encoder

run, record = threading.Thread.run, Encoder.record

def crash(thread):
    if thread.name == "shard-1" and pathlib.Path({crash!r}).exists():
        raise ZeroDivisionError
    run(thread)

def hang(encoder, event, *arguments):
    while pathlib.Path({hang!r}).exists():
        time.sleep(0.01)
    return record(encoder, event, *arguments)

threading.Thread.run, Encoder.record = crash, hang
"""


def test_a_thread_that_ends_and_one_that_hangs(site: Site, start: Callable[..., Health], tmp_path: Path) -> None:
    """The first is started again, and its events tell; the second is the only thing that liveness fails for."""
    crash, hang = tmp_path / "crash", tmp_path / "hang"
    site.plant(IMPATIENT + CRASH_AND_HANG.format(crash=str(crash), hang=str(hang)))
    crash.touch()
    site.publish(100)
    health = start()
    health.says("failing", "ZeroDivisionError")  # it has happened too often
    health.says("failing", "shard 1 does not get on")
    eventually(lambda: not any("shard 0" in finding["text"] for finding in health.document["findings"]))
    crash.unlink()
    health.says("ok")

    hang.touch()
    site.publish(100)
    eventually(lambda: health.page("/livez")[0] == 503)
    assert re.match(r"the thread of shard \d has not turned for \d+ s: it works\n", health.page("/livez")[1])
    told = eventually(lambda: (done := site.bridge("status")).returncode == 5 and done.stdout, SECONDS)
    assert "does not get on since" in told  # though its lease is renewed, and nothing has failed
    hang.unlink()
    eventually(lambda: health.page("/livez")[0] == 200)
    health.says("ok")


def test_workers(site: Site, start: Callable[..., Health]) -> None:
    health = start("--workers", "3")
    site.publish(100)
    health.says("ok", ready=True)
    eventually(lambda: site.pending() == 0)
    assert [relay["worker"] for relay in health.document["relays"]] == [0, 1, 2]

    def ours() -> list[int]:
        return sorted(sum(shard["is_ours"] for shard in relay["shards"]) for relay in health.document["relays"])

    eventually(lambda: ours() == [0, 1, 1])  # one stands by, and is ready all the same: once they are shared out
    health.says("ok", ready=True)
    assert health.page("/")[0] == 200  # a page for people
    site.scalar("select setval('bridge.event_seq', 1)")
    site.publish(5)
    health.says("failing", "is stopped: the sequence bridge.event_seq stands at")
    taken = site.start("--http", str(health.address))
    assert taken.wait(60) == 4
    assert f"cannot serve HTTP at {health.address}: Address already in use" in site.log(taken)
