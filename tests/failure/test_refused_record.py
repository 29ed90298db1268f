"""One record that a broker refuses, among thousands: what it costs the others of its batch."""

from __future__ import annotations

from math import log2

from confluent_kafka.admin import AdminClient, ConfigResource
from fix_relay import Site, eventually
from kafka_settings import configure

BATCH = 5000
EVENTS = 4 * BATCH
USUAL = 10  # transactions without it: the first reads are small, and control records
# The middle one is an hour old; only who owns the outbox can write one like that.
WRITE = """insert into bridge.outbox (shard, event_type, event_key, payload, created_at)
           select 0, 'thing.changed', 'k' || g %% 100, jsonb_build_object('n', g),
                  clock_timestamp() - case when g = %(old)s then interval '1 hour' else interval '0' end
             from generate_series(1, %(events)s) as g"""


def test_it_costs_its_batch_a_bisection(site: Site) -> None:
    """Found in about log2(n) Kafka transactions, failed ones included; all others are published, in order."""
    site.drain()  # the topics exist
    admin = AdminClient({"bootstrap.servers": site.settings.kafka.bootstrap_servers})
    configure(admin, ConfigResource.Type.TOPIC, f"{site.name}.things", "message.timestamp.before.max.ms", "1800000")
    with site.connect() as db:
        db.execute("select bridge.set_shard_count(1)")
        db.execute(WRITE, {"old": 3 * BATCH // 2, "events": EVENTS})
    relay = site.start()
    eventually(lambda: site.pending() <= 150)  # the rest of the dead one's key
    (dead,) = [site.scalar("select payload ->> 'n' from bridge.event_queue where status = 'DEAD'")]
    assert int(dead) == 3 * BATCH // 2
    published, takeovers = site.scalar("select array[batch_no, generation] from bridge.shard")
    failed = takeovers - 2  # this relay's first, and that of site.drain()
    print(f"{published} Kafka transactions, and {failed} that failed")
    assert site.bridge("dead", "skip", "--all", "--yes", "--reason", "test").returncode == 0
    eventually(lambda: site.pending() == 0)
    site.end(relay)
    audit = site.audit()
    assert audit.is_clean, audit
    assert published + failed <= 1.5 * log2(BATCH) + USUAL
