"""Whether Kafka and the registry answer: asked again and again, for something small, over clients of their own."""

from __future__ import annotations

from dataclasses import replace

from bridge.errors import BrokerRefuses
from bridge.kafka.cluster import Cluster
from bridge.registry.api import RegistryApi
from bridge.settings import Settings
from bridge.telemetry.health import ServerState
from bridge.telemetry.probe import Probed
from bridge.telemetry.sample import Sample

SLOW_SECONDS = 6.0  # for an answer, after which a server counts as away; the probes give up before


class KafkaReach:
    """Its client is made when it is first asked, and kept: what it is asked for is one small answer."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cluster: Cluster | None = None

    def __call__(self) -> None:
        self._cluster = self._cluster or Cluster(self._settings)
        try:
            self._cluster.reach()
        except BrokerRefuses:  # the next one may have another login
            self._cluster = None
            raise


class RegistryReach:
    """Asked with a shorter time-out than when it is needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._api: RegistryApi | None = None

    def __call__(self) -> None:
        timeout = min(self._settings.registry.timeout_seconds, SLOW_SECONDS - 1)
        self._api = self._api or RegistryApi(replace(self._settings.registry, timeout_seconds=timeout))
        self._api.reach()


def server(name: str, last: Probed[Sample] | Probed[None], now: float) -> ServerState:
    """Whether it is reached, by what its probe had last."""
    if last.trouble_since is not None:
        return ServerState(name, False, last.trouble, now - last.trouble_since)
    asking = 0.0 if last.asking_since is None else now - last.asking_since
    if asking > SLOW_SECONDS:
        return ServerState(name, False, "it does not answer", asking)
    return ServerState(name, None if last.answered_at is None else True)
