"""The limits of every number, with the reason that a message gives for them."""

from __future__ import annotations

from typing import NamedTuple

from bridge.configuration.knobs import shown


class Limit(NamedTuple):
    """From `low` to `high`; `why` completes "must be from 1 to 300, because ..."."""

    low: float
    high: float
    why: str

    def trouble(self, value: float) -> str | None:
        """What is wrong with a value, if anything is."""
        if self.low <= value <= self.high:  # never true of nan
            return None
        return f"must be from {number(self.low)} to {number(self.high)}, because {self.why}, not {number(value)}"


LIMITS = {
    "registry.timeout_seconds": Limit(0.1, 300, "at its start a relay waits so long for a registry that hangs"),
    "relay.batch_rows": Limit(1, 100_000, "a batch lies in memory whole"),
    "relay.batch_bytes": Limit(65_536, 268_435_456, "a relay needs a few times this in memory for each shard"),
    "relay.poll_min_seconds": Limit(0.0001, 60, "a shorter pause only keeps Postgres busy"),
    "relay.poll_max_seconds": Limit(0.0001, 60, "what commits late may wait so long"),
    "relay.lease_seconds": Limit(1, 3600, "a short one is lost in a pause, and a long one keeps a dead relay's shard"),
    "relay.transaction_timeout_seconds": Limit(1, 300, "librdkafka waits no longer than that for an answer"),
    "topics.partitions": Limit(1, 10_000, "a broker cannot hold many more"),
    "topics.replication_factor": Limit(1, 32_767, "it is a number of brokers"),
}


def number(value: float) -> str:
    """A number as a person would write it: 268435456, 0.0001, nan."""
    return f"{value:g}" if isinstance(value, float) else shown(value)
