"""What a shard's thread tells of its work; by itself nobody listens."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from bridge.errors import (
    BrokerUnavailable,
    ConfigError,
    DatabaseUnavailable,
    LeaseLost,
    LimitsUnsure,
    ProducerFenced,
    PublishUncertain,
    RecordRefused,
    RegistryUnavailable,
    ShardStopped,
)
from bridge.harmless import Harmless
from bridge.shard.work import Work

logger = logging.getLogger(__name__)

UNFORESEEN = "unforeseen"
KINDS: Mapping[type[BaseException], str] = {
    LeaseLost: "lease_lost",
    ProducerFenced: "fenced",
    PublishUncertain: "doubt",
    DatabaseUnavailable: "postgres",
    BrokerUnavailable: "kafka",
    RegistryUnavailable: "registry",
    LimitsUnsure: "limits",
    RecordRefused: "limits",
    ShardStopped: "stopped",
    ConfigError: "config",
}


def kind_of(error: BaseException) -> str:
    """One of few words for what ended a shard's work."""
    return next((KINDS[kind] for kind in type(error).__mro__ if kind in KINDS), UNFORESEEN)


class Meter:
    """Counts nothing; called by several threads."""

    def worked(self, shard: int, work: Work, now: float) -> None:
        """A batch went through; `now` is by the clock of `work.published_at`."""

    def took_over(self, shard: int) -> None:
        """A shard is ours."""

    def failed(self, shard: int, error: BaseException) -> None:
        """A shard's work has ended, until it is taken over anew."""


class Both(Meter):
    """Tells two."""

    def __init__(self, first: Meter, second: Meter) -> None:
        self._meters = (first, second)

    def worked(self, shard: int, work: Work, now: float) -> None:
        for meter in self._meters:
            meter.worked(shard, work, now)

    def took_over(self, shard: int) -> None:
        for meter in self._meters:
            meter.took_over(shard)

    def failed(self, shard: int, error: BaseException) -> None:
        for meter in self._meters:
            meter.failed(shard, error)


class Careful(Meter):
    """Tells another, whose bugs are its own: a shard that met one would take its shard over anew after each batch."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._harmless = Harmless(logger, "metrics or traces")

    def worked(self, shard: int, work: Work, now: float) -> None:
        self._harmless(lambda: self._meter.worked(shard, work, now))

    def took_over(self, shard: int) -> None:
        self._harmless(lambda: self._meter.took_over(shard))

    def failed(self, shard: int, error: BaseException) -> None:
        self._harmless(lambda: self._meter.failed(shard, error))


SILENT = Meter()
