"""Kafka as far as the protocol depends on it: one transactional id, its epochs and transactions, the control partition.

Weaker than a broker of today on purpose (transactions of version 1, before KIP-890): a request that arrives late acts
on whatever transaction of its epoch is open (KAFKA-17754). Protocol: KIP-98.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.event import Record
from bridge.shard.ledger import ControlRecord


class Fenced(Exception):
    """The request's epoch is not the newest, or no transaction is open."""


@dataclass(frozen=True)
class Arrival:
    """An arrival record."""

    number: int


@dataclass
class Transaction:
    """What one epoch has written and not ended yet."""

    records: list[Record] = field(default_factory=list)
    control: list[ControlRecord | Arrival] = field(default_factory=list)


@dataclass
class Kafka:
    """The broker: `log` and `control` hold what was committed, in order.

    A read_committed consumer sees `control` only up to the first place at which a transaction is still open: our last
    one, while its marker is not written (`unmarked`), or one of somebody else (`foreign`).
    """

    epoch: int = 0
    open: Transaction | None = None
    log: list[Record] = field(default_factory=list)
    control: list[ControlRecord | Arrival] = field(default_factory=list)
    unmarked: int | None = None
    foreign: int | None = None

    @property
    def last(self) -> ControlRecord | None:
        """The last control record that was committed, seen or not."""
        return next((record for record in reversed(self.control) if isinstance(record, ControlRecord)), None)

    def init_transactions(self) -> int:
        """Fence all former producers, abort what they left open."""
        self.epoch += 1
        self.open = None
        return self.epoch

    def produce(self, epoch: int, records: list[Record], control: list[ControlRecord | Arrival]) -> None:
        self._require(epoch)
        self.open = self.open or Transaction()
        self.open.records += records
        self.open.control += control

    def end_transaction(self, epoch: int) -> None:
        """Commit."""
        self._require(epoch)
        if self.open is None:
            raise Fenced("INVALID_TXN_STATE")
        self.log += self.open.records
        self.unmarked = len(self.control)
        self.control += self.open.control
        self.open = None

    def time_out(self) -> None:
        """The coordinator aborts a transaction that stays open, and fences its producer."""
        if self.open is not None:
            self.init_transactions()

    def mark(self) -> None:
        """The marker of our last transaction is written."""
        self.unmarked = None

    def wait_for_marker(self) -> list[ControlRecord | Arrival]:
        """What a reader sees once our marker is written, which takes a broker some milliseconds."""
        self.mark()
        return self.visible()

    def open_foreign(self) -> None:
        """Somebody else begins a transaction in the control partition, or ends it."""
        self.foreign = len(self.control) if self.foreign is None else None

    def visible(self) -> list[ControlRecord | Arrival]:
        """What a read_committed consumer reads of the control partition."""
        ends = [end for end in (self.unmarked, self.foreign) if end is not None]
        return self.control[: min(ends, default=None)]

    def _require(self, epoch: int) -> None:
        if epoch != self.epoch:
            raise Fenced("PRODUCER_FENCED")
