"""Kafka as far as the protocol depends on it: one transactional id, its epochs and transactions, one committed offset.

Weaker than a broker of today on purpose (transactions of version 1, before KIP-890): a request that arrives late acts
on whatever transaction of its epoch is open (KAFKA-17754). Protocol: KIP-98, KIP-447.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.event import Record
from bridge.shard.takeover import Committed


class Fenced(Exception):
    """The request's epoch is not the newest, or no transaction is open."""


@dataclass
class Transaction:
    """What one epoch has written and not ended yet."""

    records: list[Record] = field(default_factory=list)
    offset: Committed | None = None


@dataclass
class Kafka:
    """The broker: `log` is what a read_committed consumer sees."""

    epoch: int = 0
    open: Transaction | None = None
    log: list[Record] = field(default_factory=list)
    offset: Committed | None = None
    unstable: Committed | None = None  # committed, its marker not yet written: OffsetFetch waits (KIP-447)

    def init_transactions(self) -> int:
        """Fence all former producers, abort what they left open."""
        self.epoch += 1
        self.open = None
        return self.epoch

    def produce(self, epoch: int, records: list[Record]) -> None:
        self._require(epoch)
        self.open = self.open or Transaction()
        self.open.records += records

    def send_offsets(self, epoch: int, offset: Committed) -> None:
        self._require(epoch)
        self.open = self.open or Transaction()
        self.open.offset = offset

    def end_transaction(self, epoch: int) -> None:
        """Commit."""
        self._require(epoch)
        if self.open is None:
            raise Fenced("INVALID_TXN_STATE")
        self.log += self.open.records
        self.settle()
        self.unstable = self.open.offset
        self.open = None

    def time_out(self) -> None:
        """The coordinator aborts a transaction that stays open, and fences its producer."""
        if self.open is not None:
            self.init_transactions()

    def settle(self) -> None:
        """The offset's marker is written."""
        self.offset, self.unstable = self.unstable or self.offset, None

    def _require(self, epoch: int) -> None:
        if epoch != self.epoch:
            raise Fenced("PRODUCER_FENCED")
