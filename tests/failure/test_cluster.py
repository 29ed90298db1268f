"""Faults of three brokers and of the network to them. Each ends with the same question: exactly once, or not?"""

from __future__ import annotations

import json
import random
import signal
import string

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource
from fix_kafka import Cluster
from fix_relay import Site, eventually
from forked import Process
from kafka_settings import configure
from proxy import Api
from reaction import assert_all_is_well, assert_decided, assert_says, assert_shown, fresh_keys, publish

SMALL = "batch_rows = 50"


def shard_of(site: Site, key: str) -> int:
    site.publish(1, keys=1)
    return int(site.scalar("select shard from bridge.event_queue where event_key = %s limit 1", key))


def start_idle(site: Site) -> tuple[Process, str]:
    """A relay that holds all shards and has nothing to do, and the transactional id behind the key k0."""
    shard = shard_of(site, "k0")
    relay = site.start()
    eventually(lambda: site.pending() == 0 and site.scalar("select bool_and(owner is not null) from bridge.shard"))
    eventually(lambda: site.log(relay).count("is ours") >= 2)
    return relay, f"{site.name}-{shard}"


@pytest.mark.relay(SMALL)
def test_a_commit_that_arrives_after_the_takeover(cluster: Cluster, cluster_site: Site) -> None:
    """KAFKA-17754, first half: the commit gets no answer, and arrives in the middle of a later transaction."""
    relay, transactional_id = start_idle(cluster_site)
    late = cluster.hold(Api.END_TXN, transactional_id)
    cluster_site.publish(20, keys=1)
    assert late.caught.wait(30)
    in_the_next = cluster.hold(Api.PRODUCE, transactional_id)
    assert in_the_next.caught.wait(30)  # the next transaction is open
    late.release()
    in_the_next.release()
    cluster_site.publish(20, keys=1)
    cluster_site.assert_exactly_once(relay)
    assert "reconciling" in cluster_site.log(relay)


@pytest.mark.relay(SMALL)
def test_a_commit_that_is_sent_twice(cluster: Cluster, cluster_site: Site) -> None:
    """KAFKA-17754, second half: librdkafka sends the commit again by itself; the first arrives a transaction later."""
    relay, transactional_id = start_idle(cluster_site)
    late = cluster.hold(Api.END_TXN, transactional_id)
    cluster_site.publish(20, keys=1)
    assert late.caught.wait(30)
    in_the_next = cluster.hold(Api.PRODUCE, transactional_id)
    late.reset_client()
    cluster_site.publish(20, keys=1)
    assert in_the_next.caught.wait(30)
    late.release()
    in_the_next.release()
    cluster_site.publish(20, keys=1)
    cluster_site.assert_exactly_once(relay)


@pytest.mark.relay(SMALL)
def test_the_coordinator_is_killed_during_a_commit(cluster: Cluster, cluster_site: Site) -> None:
    relay, transactional_id = start_idle(cluster_site)
    commit = cluster.hold(Api.END_TXN, transactional_id)
    cluster_site.publish(500)
    assert commit.caught.wait(30)
    cluster.holder(commit).signal(signal.SIGKILL)
    cluster_site.publish(500)
    cluster_site.assert_exactly_once(relay)


@pytest.mark.relay(SMALL)
def test_the_relay_is_killed_during_a_commit(cluster: Cluster, cluster_site: Site) -> None:
    """Its commit arrives when its successor has begun."""
    relay, transactional_id = start_idle(cluster_site)
    commit = cluster.hold(Api.END_TXN, transactional_id)
    cluster_site.publish(20, keys=1)
    assert commit.caught.wait(30)
    relay.kill()
    relay.wait()
    successor = cluster_site.start()
    eventually(lambda: cluster_site.log(successor).count("is ours") >= 2)
    commit.release()
    cluster_site.publish(20, keys=1)
    assert cluster_site.assert_exactly_once(successor).published == 41


@pytest.mark.long
@pytest.mark.relay(SMALL)
def test_brokers_restart_one_after_the_other(cluster: Cluster, cluster_site: Site) -> None:
    """Every coordinator and every leader moves, under load."""
    relay = cluster_site.start()
    for broker in cluster.brokers:
        cluster_site.publish(1000)
        eventually(lambda: cluster_site.pending() < 900)
        broker.signal(signal.SIGTERM)
        cluster_site.publish(1000)
        cluster.heal()
    cluster_site.assert_exactly_once(relay)


@pytest.mark.relay(SMALL)
def test_brokers_are_away_for_longer_than_a_transaction_may_take(cluster: Cluster, cluster_site: Site) -> None:
    relay, transactional_id = start_idle(cluster_site)
    commit = cluster.hold(Api.END_TXN, transactional_id)
    cluster_site.publish(500)
    assert commit.caught.wait(30)
    for broker in cluster.brokers[:2]:  # no quorum is left
        broker.signal(signal.SIGKILL)
    eventually(lambda: "Kafka is away" in cluster_site.log(relay))
    cluster_site.publish(500)
    cluster.heal()
    cluster_site.assert_exactly_once(relay)


@pytest.mark.relay(SMALL)
def test_connections_are_reset_again_and_again(cluster: Cluster, cluster_site: Site) -> None:
    relay = cluster_site.start()
    for left in range(20):
        cluster_site.publish(100)
        eventually(lambda: cluster_site.pending() < 90)
        cluster.brokers[left % 3].proxy.reset()
    cluster_site.assert_exactly_once(relay)


@pytest.mark.relay(SMALL)
def test_a_slow_network_in_small_pieces(cluster: Cluster, cluster_site: Site) -> None:
    for broker in cluster.brokers:
        broker.proxy.slice_bytes = 64
    cluster_site.publish(300)
    relay = cluster_site.start()
    eventually(lambda: cluster_site.pending() == 0)
    cluster.heal()
    cluster_site.assert_exactly_once(relay)


@pytest.mark.relay(SMALL)
def test_too_few_replicas(cluster: Cluster, cluster_site: Site) -> None:
    """A topic that wants all three replicas loses one: its records are refused until it is back.

    Kafka cannot end a transaction with such a partition either, so the shard that had events for it waits with all it
    has; others flow.
    """
    relay, _ = start_idle(cluster_site)
    topic = f"{cluster_site.name}.things"
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap_servers})
    configure(admin, ConfigResource.Type.TOPIC, topic, "min.insync.replicas", "3")
    cluster.brokers[2].signal(signal.SIGTERM)
    here, elsewhere = fresh_keys(cluster_site)
    publish(cluster_site, *(("thing.changed", here, json.dumps({"n": n})) for n in range(100)))
    assert_says(cluster_site, relay, "WARNING", topic, "in-sync replicas")
    assert_says(cluster_site, relay, "WARNING", "not ended the last transaction")
    assert_decided(cluster_site, publish(cluster_site, ("other.changed", elsewhere, "{}")))
    assert_shown(cluster_site, "not ended the last transaction")
    cluster.heal()
    cluster_site.assert_exactly_once(relay)


@pytest.mark.long
@pytest.mark.relay(SMALL)
def test_the_disks_are_full(cluster: Cluster, cluster_site: Site) -> None:
    """Brokers whose disks are full stop; once there is room and they run again, all goes on."""
    relay, _ = start_idle(cluster_site)
    for broker in cluster.brokers:
        broker.limit_files(1000)
    cluster_site.publish(2000)
    eventually(lambda: "Kafka is away" in cluster_site.log(relay))
    for broker in cluster.brokers:
        broker.signal(signal.SIGKILL)  # they wait for each other, otherwise
    cluster.heal()
    cluster_site.assert_exactly_once(relay)


@pytest.mark.relay(SMALL)
def test_the_network_goes_deaf(cluster: Cluster, cluster_site: Site) -> None:
    """Packets vanish: connections stay open, and nothing is answered, until all time-outs are over."""
    relay = cluster_site.start()
    cluster_site.publish(2000)
    eventually(lambda: cluster_site.pending() < 1800)
    for broker in cluster.brokers:
        broker.proxy.deafen()
    cluster_site.publish(100)  # perhaps all else is published already
    eventually(lambda: "reconciling" in cluster_site.log(relay) and "Kafka is away" in cluster_site.log(relay))
    cluster.heal()
    cluster_site.assert_exactly_once(relay)


@pytest.mark.long
def test_a_link_too_slow_for_a_whole_batch(cluster: Cluster, cluster_site: Site) -> None:
    """No batch is confirmed before its transaction's time is up: smaller ones are, and none of the events is dead."""
    site = cluster_site
    relay, _ = start_idle(site)
    for broker in cluster.brokers:
        broker.proxy.bytes_a_second = 100_000
    texts = ["".join(random.choices(string.ascii_letters, k=20_000)) for _ in range(300)]  # hardly compressible
    ids = publish(
        site, *(("thing.changed", f"k{n % 20}", json.dumps({"n": n, "text": text})) for n, text in enumerate(texts))
    )
    assert_says(site, relay, "WARNING|ERROR", "in doubt", "smaller")
    assert_decided(site, ids, 200)
    for broker in cluster.brokers:
        broker.proxy.heal()
    assert site.scalar("select count(*) from bridge.parked where state = 'dead'") == 0
    assert_all_is_well(site)
    site.assert_exactly_once(relay)
