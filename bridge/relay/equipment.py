"""What all shards of one process share: topics that exist, registered schemas, the encoder."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Mapping

from bridge.encoding.encoder import Encoder
from bridge.encoding.limits import TopicLimits
from bridge.errors import ConfigError, RegistryUnavailable, TopicHeld
from bridge.kafka.topics import ensure_topics, topic_limits
from bridge.postgres.schema_ids import Key
from bridge.registry.client import RegistryClient
from bridge.relay.schema_ids import SchemaIds
from bridge.settings import Settings

PATIENCE = 3  # schemas that the registry says nothing sensible about; each may take a whole time-out


class Equipment:
    """Ready to publish with; made by `open()`."""

    def __init__(self, settings: Settings, schema_ids: SchemaIds, limits: TopicLimits) -> None:
        self.limits = limits
        self.schema_ids = schema_ids
        self.encoder = Encoder(settings, schema_ids.schema_id, limits)
        schema_ids.forget = self.encoder.forget
        self._settings = settings

    @classmethod
    def open(cls, settings: Settings, shard_count: int, kept: Mapping[Key, int]) -> Equipment:
        """Check that the topics exist, and register the schemas; `kept` are ids that the registry gave before.

        A schema that cannot be had is left for later: it holds its topic once an event needs it. Raises ConfigError,
        BrokerUnavailable, and RegistryUnavailable where the registry says nothing sensible about any schema.
        """
        limits = TopicLimits({})
        equipment = cls(settings, SchemaIds(settings, RegistryClient(settings), kept), limits)
        limits.update(lambda: ensure_topics(settings, shard_count))
        equipment._prepare()
        return equipment

    def _prepare(self) -> None:
        answers = 0
        trouble: list[RegistryUnavailable] = []
        routes = list(self._settings.routes)  # in their order: a registry that was wiped gives the same ids again
        while routes and len(trouble) < PATIENCE:
            route = routes.pop(0)
            try:
                with contextlib.suppress(TopicHeld):
                    self.encoder.prepare(route)
                answers += 1
            except RegistryUnavailable as error:
                trouble.append(error)
                random.shuffle(routes)  # or some schemas at the beginning could keep a relay from starting for ever
        if trouble and not answers:
            raise trouble[0]

    def refresh_limits(self) -> None:
        """Ask again how large a record each topic accepts. Raises BrokerUnavailable.

        A topic that went missing is made again where the settings allow it; what is wrong with one is its own matter.
        """
        self.limits.update(self._ask_limits)

    def _ask_limits(self) -> Mapping[str, int]:
        limits: dict[str, int] | None = None
        with contextlib.suppress(ConfigError):
            limits = ensure_topics(self._settings, 0)
        # Only now: a Kafka call that fails while an error is handled keeps that one's client for ever.
        return topic_limits(self._settings) if limits is None else limits
