"""How one shard reaches the outside; `tests/model` puts servers behind the same ports that fail at any step."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from bridge.errors import TopicUnwritable
from bridge.event import DeadLetter, Event, Record
from bridge.shard.ledger import ControlRecord, Ledger, Outcomes, Written
from bridge.shard.position import Scan, Snapshot, Start


class StorePort(Protocol):
    """Postgres, as one shard needs it: `bridge.postgres.store.Store`."""

    def take(self) -> Ledger: ...
    def stop(self, ours: Ledger, reason: str, *, renumber: bool = False) -> bool: ...
    def read(
        self, start: Start, in_flight: Collection[int], held_types: Collection[str], limit: int | None
    ) -> Scan: ...
    def numbers(self) -> tuple[int, int]: ...
    def look(self) -> tuple[int, Snapshot]: ...
    def write(self, ours: Ledger, new: Ledger, applied: Outcomes) -> Written: ...
    def release(self, ours: Ledger) -> None: ...


class ProducerPort(Protocol):
    """Kafka, as one shard needs it: `bridge.kafka.producer.ShardProducer`."""

    def open(self) -> ControlRecord | None: ...
    def publish(self, control: ControlRecord, records: Iterable[Record]) -> None: ...
    def commit(self, control: ControlRecord) -> None: ...


class EncoderPort(Protocol):
    """From event to record: `bridge.encoding.encoder.Encoder`."""

    def record(self, event: Event) -> Record: ...
    def dead_letter(self, letter: DeadLetter) -> Record: ...
    def expect_change(self) -> None: ...


class StopPort(Protocol):
    """A request to end, and the clock by which a shard waits: `threading.Event`."""

    def set(self) -> None: ...
    def is_set(self) -> bool: ...
    def wait(self, seconds: float) -> bool: ...


@dataclass(frozen=True, slots=True)
class Ports:
    """All of them; `open_…` connect anew at each takeover, `now` is a monotonic clock in seconds."""

    open_store: Callable[[int], AbstractContextManager[StorePort]]
    open_producer: Callable[[int], AbstractContextManager[ProducerPort]]
    encoder: EncoderPort
    refresh_limits: Callable[[], None]
    unwritable: Callable[[Collection[str]], Mapping[str, TopicUnwritable]]
    make_stop: Callable[[], StopPort]
    now: Callable[[], float]
