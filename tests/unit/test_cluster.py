"""An administrator's client of Kafka, where no broker answers."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from bridge.errors import BrokerUnavailable
from bridge.kafka import cluster
from bridge.kafka.cluster import Cluster
from bridge.settings import KafkaSettings, Settings


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What is freed only now and then is not freed here."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
def test_a_client_ends_with_who_made_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A relay that waits for Kafka makes one for each try, of four threads, and each goes on trying by itself."""
    monkeypatch.setattr(cluster, "REFUSAL_SECONDS", 0.0)
    ours = Cluster(Settings(kafka=KafkaSettings("127.0.0.1:1", {})))
    client = weakref.ref(ours._admin)
    with pytest.raises(BrokerUnavailable, match=r"no Kafka broker answers at 127\.0\.0\.1:1"):
        ours.partition_counts()
    del ours
    assert client() is None
