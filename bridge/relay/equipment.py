"""What all shards of one process share: topics that exist, registered schemas, the encoder."""

from __future__ import annotations

import contextlib

from bridge.encoding.encoder import Encoder
from bridge.encoding.limits import TopicLimits
from bridge.errors import ConfigError, IncompatibleSchema
from bridge.kafka.topics import ensure_topics, topic_limits
from bridge.registry.client import RegistryClient
from bridge.settings import Settings


class Equipment:
    """Ready to publish with; made by `open()`."""

    def __init__(self, settings: Settings, registry: RegistryClient, limits: TopicLimits) -> None:
        self.limits = limits
        self.encoder = Encoder(settings, registry.schema_id, limits)
        self._settings = settings

    @classmethod
    def open(cls, settings: Settings, shard_count: int) -> Equipment:
        """Check that the topics exist, and register the schemas.

        A schema that the registry refuses is left for later: it holds its topic once an event needs it.
        Raises ConfigError, BrokerUnavailable, RegistryUnavailable.
        """
        limits = TopicLimits({})
        equipment = cls(settings, RegistryClient(settings), limits)
        limits.update(ensure_topics(settings, shard_count))
        for route in settings.routes:
            with contextlib.suppress(IncompatibleSchema):
                equipment.encoder.prepare(route.event_type)
        return equipment

    def refresh_limits(self) -> None:
        """Ask again how large a record each topic accepts. Raises BrokerUnavailable.

        A topic that went missing is made again where the settings allow it; what is wrong with one is its own matter.
        """
        try:
            limits = ensure_topics(self._settings, 0)
        except ConfigError:
            limits = topic_limits(self._settings)
        self.limits.update(limits)
