"""What a shard reaches Postgres and Kafka with (`shard/ports.py`)."""

from __future__ import annotations

import gc
import threading
import time

from bridge.kafka.cluster import Cluster
from bridge.kafka.producer import ShardProducer
from bridge.postgres.store import Store
from bridge.relay.equipment import Equipment
from bridge.settings import Settings
from bridge.shard.ports import Ports


def make_ports(settings: Settings, relay_id: str, equipment: Equipment, most_traces: int) -> Ports:
    """Those of all shards of one relay; `most_traces` is as in `Ports`."""

    def open_store(shard: int) -> Store:
        # A takeover leaves a batch and its errors behind in cycles: a hundred megabytes, if its events are large.
        # There are few objects among them, so the collector would not come by itself (memory.py).
        gc.collect()
        return Store.open(settings, shard, relay_id, equipment.limits)

    return Ports(
        open_store=open_store,
        open_producer=lambda shard: ShardProducer(settings, shard, equipment.limits),
        encoder=equipment.encoder,
        refresh_limits=equipment.refresh_limits,
        unwritable=lambda topics: Cluster(settings).unwritable(topics),
        make_stop=threading.Event,
        now=time.monotonic,
        most_traces=most_traces,
    )
