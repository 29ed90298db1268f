"""Faults of Postgres and of the network to it, and what writers do to a relay. Restarts: test_outages.py."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fix_relay import Site, eventually
from proxy import Proxy
from psycopg.conninfo import conninfo_to_dict, make_conninfo

SMALL = "batch_rows = 100"
WAITING_FOR_A_LOCK = """
select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"""


@pytest.fixture
def network(site: Site) -> Iterator[Proxy]:
    """The network between the relays and Postgres; the test itself has another."""
    port = int(conninfo_to_dict(site.settings.database.url)["port"])
    proxy = Proxy(lambda: port, speaks_kafka=False)
    site.environment["BRIDGE_DATABASE_URL"] = make_conninfo(site.url("relay"), host="127.0.0.1", port=proxy.port)
    yield proxy
    proxy.close()


@contextmanager
def lock(site: Site, table: str) -> Iterator[None]:
    """As ALTER TABLE does."""
    with site.connect() as db, db.transaction():
        db.execute(f"lock table {table} in access exclusive mode")
        yield


@pytest.mark.relay(SMALL)
def test_connections_are_reset_again_and_again(site: Site, network: Proxy) -> None:
    relay = site.start()
    for _ in range(10):
        site.publish(300)
        eventually(lambda: site.pending() < 250)
        network.reset()
    site.assert_exactly_once(relay)


@pytest.mark.relay(SMALL)
def test_the_network_goes_deaf_for_one_relay(site: Site, network: Proxy) -> None:
    """Its lease runs out; the other relay, with a network of its own, goes on where it was."""
    first = site.start()
    site.publish(3000)
    eventually(lambda: site.pending() < 2800)
    network.deafen()
    del site.environment["BRIDGE_DATABASE_URL"]
    second = site.start()
    site.publish(500)
    eventually(lambda: site.pending() == 0)
    network.heal()
    site.publish(500)
    site.assert_exactly_once(first, second)


@pytest.mark.relay(SMALL)
def test_the_network_goes_deaf_for_all(site: Site, network: Proxy) -> None:
    relays = site.start(), site.start()
    site.publish(3000)
    eventually(lambda: site.pending() < 2800)
    network.deafen()
    site.publish(500)
    eventually(lambda: site.scalar("select bool_and(lease_until < now()) from bridge.shard"))
    network.heal()
    site.assert_exactly_once(*relays)


@pytest.mark.relay(SMALL)
def test_a_slow_network_in_small_pieces(site: Site, network: Proxy) -> None:
    network.slice_bytes = 64
    site.publish(300)
    relay = site.start()
    site.assert_exactly_once(relay)


@pytest.mark.relay(SMALL)
def test_the_database_becomes_read_only(site: Site) -> None:
    """As after a failover whose address still points to the old primary: nothing is published, and it is said."""
    relay = site.start()
    site.publish(100)
    eventually(lambda: site.pending() == 0)
    name = conninfo_to_dict(site.settings.database.url)["dbname"]
    with site.connect() as db:
        db.execute(f"alter database {name} set default_transaction_read_only = on")
        terminate = "select pg_terminate_backend(pid) from pg_stat_activity where application_name like %s"
        db.execute(terminate, (f"{site.name}%",))
        db.execute("set default_transaction_read_only = off")
        db.execute("select bridge.publish_event('thing.changed', 'k', '{\"n\": 1}')")
        eventually(lambda: "read-only" in site.log(relay))
        assert site.pending() == 1
        db.execute(f"alter database {name} reset default_transaction_read_only")
        db.execute(terminate, (f"{site.name}%",))
    site.assert_exactly_once(relay)


@pytest.mark.relay(SMALL)
def test_the_schema_is_changed_meanwhile(site: Site) -> None:
    """ALTER TABLE waits for the relay's statement, the relay for ALTER TABLE, and plans are made anew."""
    relay = site.start()
    for number in range(5):
        site.publish(500)
        with site.connect() as db:
            db.execute(f"alter table bridge.outbox add column of_the_operator_{number} text default 'x'")
    site.publish(100)
    site.assert_exactly_once(relay)


@pytest.mark.relay(SMALL)
def test_a_table_is_locked_for_longer_than_the_relay_waits(site: Site) -> None:
    relay = site.start()
    site.publish(1000)
    eventually(lambda: site.pending() < 900)
    with lock(site, "bridge.outbox"):
        eventually(lambda: "lock timeout" in site.log(relay))
    site.publish(100)
    site.assert_exactly_once(relay)


@pytest.mark.relay("batch_rows = 5000")
def test_a_savepoint_is_rolled_back_and_much_is_copied(site: Site) -> None:
    relay = site.start()
    publish = "select bridge.publish_event('thing.changed', %s, '{\"n\": 1}')"
    with site.connect() as db, db.transaction():
        db.execute(publish, ("kept",))
        with db.transaction(force_rollback=True):
            db.execute(publish, ("rolled back",))
        with db.cursor().copy("copy bridge.event_queue (event_type, event_key, payload) from stdin") as copy:
            for number in range(50_000):
                copy.write_row(("thing.changed", f"k{number % 100}", f'{{"n": {number}}}'))
    site.assert_exactly_once(relay)
    assert len(site.records()[f"{site.name}.things"]) == 50_001


@pytest.mark.relay(SMALL)
def test_a_prepared_transaction_that_waits(site: Site) -> None:
    relay = site.start()
    publish = "select bridge.publish_event('thing.changed', 'k', '{\"n\": 1}')::text"
    gid = f"{site.name} waits"
    with site.connect() as db:
        db.execute("begin")
        (first,) = db.execute(publish).fetchone()
        db.execute(f"prepare transaction '{gid}'")
        site.publish(2000)
        eventually(lambda: site.pending() == 0)  # other keys do not wait

        def write_the_same_key() -> None:  # waits for the prepared one's lock
            with site.connect() as other:
                other.execute(publish)

        successor = threading.Thread(target=write_the_same_key)
        successor.start()
        eventually(lambda: site.scalar(WAITING_FOR_A_LOCK) == 1)
        site.publish(100)
        eventually(lambda: site.pending() == 0)
        db.execute(f"commit prepared '{gid}'")
        successor.join()
    site.assert_exactly_once(relay)
    of_the_key = [record for record in site.records()[f"{site.name}.things"] if record.key == b"k"]
    assert of_the_key[0].headers["ce_id"] == first
    assert len(of_the_key) == 2
