"""Servers that are away when a relay starts, signals in every state, and what exit codes say."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from at_length import at_length
from fix_relay import Site, eventually
from proxy import Proxy
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from reaction import SECONDS, assert_calm, assert_flows, assert_says, assert_shown, end

SAYS = {"Postgres": "Postgres is away", "Kafka": "Kafka is away", "the registry": "registry"}
WAIT_SECONDS = {"Postgres": 3, "Kafka": 8, "the registry": 3}  # longer than their clients need to find out


class Network:
    """Between the relays of a site and one of its servers, which is away until it is `up`."""

    def __init__(self, site: Site, server: str) -> None:
        self.server = server
        self.is_up = False
        settings = site.settings
        registry = urlsplit(settings.registry.url)
        ports = {
            "Postgres": int(conninfo_to_dict(settings.database.url)["port"]),
            "Kafka": int(settings.kafka.bootstrap_servers.rpartition(":")[2]),
            "the registry": registry.port,
        }
        self.proxy = Proxy(lambda: ports[server] if self.is_up else 1, speaks_kafka=False)
        place = f"127.0.0.1:{self.proxy.port}"
        site.environment |= {
            "Postgres": {
                "BRIDGE_DATABASE_URL": make_conninfo(site.url("relay"), host="127.0.0.1", port=self.proxy.port)
            },
            "Kafka": {"BRIDGE_KAFKA_BOOTSTRAP_SERVERS": place},  # only for the first question: who the brokers are
            "the registry": {"BRIDGE_REGISTRY_URL": registry._replace(netloc=place).geturl()},
        }[server]


@pytest.fixture(params=SAYS)
def network(site: Site, request: pytest.FixtureRequest) -> Iterator[Network]:
    network = Network(site, request.param)
    yield network
    network.proxy.close()


def test_a_server_is_away_at_the_start(site: Site, network: Network) -> None:
    """The relay waits as it would later, for ever; once the server is there, all flows."""
    relay = site.start()
    assert_says(site, relay, "WARNING|ERROR", SAYS[network.server])
    assert_calm(site, relay)
    network.is_up = True
    assert_flows(site)
    assert end(site, relay) == 0


def test_how_long_to_wait_can_be_said(site: Site, network: Network) -> None:
    begun = time.monotonic()
    seconds = WAIT_SECONDS[network.server]
    relay = site.start("--wait-seconds", str(seconds))
    assert relay.wait(SECONDS) == 3, site.log(relay)
    assert time.monotonic() - begun > seconds


def test_sigterm_while_a_server_is_away_at_the_start(site: Site, network: Network) -> None:
    relay = site.start()
    assert_says(site, relay, "WARNING|ERROR", SAYS[network.server])
    assert end(site, relay) == 0


def test_a_login_and_rights_may_come_after_the_relay(site: Site, unique: str) -> None:
    """It says that Postgres refuses, and goes on by itself; who waits for its end is told at once."""
    role = sql.Identifier(unique)

    def do(statement: str) -> None:
        with site.connect() as db:
            db.execute(sql.SQL(statement).format(role))

    do("create role {} login password 'another'")
    try:
        own = make_conninfo(site.settings.database.url, user=unique, password="S3CR3T")  # noqa: S106
        site.environment["BRIDGE_DATABASE_URL"] = own
        ended = site.start("--until-empty")
        assert ended.wait(SECONDS) == 3, site.log(ended)
        relay = site.start()
        assert_says(site, relay, "WARNING", "Postgres refuses", "password authentication failed")
        do("alter role {} password 'S3CR3T'")
        assert_says(site, relay, "WARNING", "Postgres refuses", "may not read bridge.schema_migration")
        assert "is away" not in site.log(relay)
        do("alter role {} superuser")
        assert_flows(site)
        assert end(site, relay) == 0
    finally:
        do("drop role {}")


@pytest.mark.parametrize(
    ("number", "workers"),
    [
        (signal.SIGTERM, 1), (signal.SIGINT, 1), (signal.SIGHUP, 1), (signal.SIGTERM, 2),
        *at_length((signal.SIGINT, 2), (signal.SIGHUP, 2)),
    ],
)  # fmt: skip
def test_signals_end_a_relay_in_order(site: Site, number: signal.Signals, workers: int) -> None:
    relay = site.start("--workers", str(workers))
    assert_flows(site)
    site.publish(20_000)
    eventually(lambda: site.pending() < 20_000)
    relay.send_signal(number)
    assert relay.wait(SECONDS) == 0, site.log(relay)
    assert site.scalar("select count(*) from bridge.shard where owner is not null") == 0
    assert site.scalar("select count(*) from bridge.relay") == 0


def stop_all_shards(site: Site) -> None:
    """Ledgers that contradict Kafka."""
    with site.connect() as db:
        db.execute("update bridge.shard set batch_no = 7, batch_id = gen_random_uuid()")


@pytest.mark.parametrize("workers", [1, 2])
def test_all_shards_are_stopped(site: Site, workers: int) -> None:
    """The relay stays, in case somebody recovers them; status, and its end, say that it can do nothing."""
    stop_all_shards(site)
    relay = site.start("--workers", str(workers))
    eventually(lambda: site.scalar("select count(*) from bridge.shard where stopped is null") == 0)
    assert_says(site, relay, "ERROR", "shard 0 is stopped", "bridge recover")
    assert_calm(site, relay)
    assert_shown(site, "stopped", "bridge recover")
    assert end(site, relay) == 5
    assert site.bridge("status", "--json").returncode == 5
    wrong = site.bridge("recover", "--yes", "--shard", "2")
    assert (wrong.returncode, "there is no shard 2. The database has 2 shards, from 0 on" in wrong.stderr) == (4, True)
    assert site.bridge("recover", "--yes").returncode == 0
    assert site.bridge("status").returncode == 0


def test_one_shard_is_stopped(site: Site) -> None:
    """Its end says so, too, where it was stopped a moment ago."""
    with site.connect() as db:
        db.execute("update bridge.shard set batch_no = 7, batch_id = gen_random_uuid() where shard = 1")
    relay = site.start()
    while not site.scalar("select stopped is not null from bridge.shard where shard = 1"):
        assert relay.poll() is None
    assert end(site, relay) == 5
    assert_shown(site, "stopped")
