"""How one shard reaches the outside; `tests/model` puts servers behind the same ports that fail at any step."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, Protocol

from bridge.errors import TopicUnwritable
from bridge.event import DeadLetter, Event, Record
from bridge.shard.ledger import ControlRecord, InFlight, Ledger
from bridge.shard.parked import Released
from bridge.shard.position import Scan, Snapshot, Start


class Obstacle(NamedTuple):
    """Why a new event may have to be parked, which few have; from one that is `is_foreign` the shard must stop.

    `due_us`: its time, which has not come. `blocked`: the last parked event of its key that blocks, by topic.
    `is_foreign`: its transaction is none that the reading snapshot sees, so ids are another database's.
    """

    due_us: int | None
    blocked: Mapping[str, int]
    is_foreign: bool


class Read(NamedTuple):
    """One read of new events, in order of seq, with the obstacles of some; `decisions` is as in the ledger.

    `stops`: topics whose later events wait, and the number of the first event that stops each.
    """

    scan: Scan
    events: tuple[Event, ...]
    obstacles: Mapping[int, Obstacle]
    decisions: int
    stops: Mapping[str, int]

    @property
    def seqs(self) -> list[int]:
        return [event.seq for event in self.events]


class Free(NamedTuple):
    """Parked events that may be tried, in order of seq, and then replayed ones, in order of seq.

    `is_full`: there may be more of the former.

    `due_in`: seconds until the next deferred one is due, None where there is none. `stops` as in `Read`, and
    `decisions`, where they are known.
    """

    released: tuple[Released, ...] = ()
    is_full: bool = False
    due_in: float | None = None
    stops: Mapping[str, int] = MappingProxyType({})
    decisions: int | None = None

    @property
    def seqs(self) -> list[int]:
        return [event.seq for event, _ in self.released]


class ReaderPort(Protocol):
    """The outbox, as one shard reads it: `bridge.postgres.reading.Reader`."""

    def read(self, start: Start, limit: int | None) -> Read: ...
    def send(self, start: Start, limit: int | None) -> Callable[[], Read | None]: ...
    def free(self, held: Collection[str], in_flight: Collection[int], limit: int | None) -> Free: ...
    def numbers(self) -> tuple[int, int]: ...
    def look(self) -> tuple[int, Snapshot]: ...


class StorePort(Protocol):
    """Postgres, as one shard needs it: `bridge.postgres.store.Store`."""

    @property
    def reader(self) -> ReaderPort: ...
    def take(self) -> Ledger: ...
    def stop(self, ours: Ledger, reason: str, *, renumber: bool = False) -> bool: ...
    def write(
        self, ours: Ledger, new: Ledger, settled: InFlight | None, *, with_tick: bool = False, lazily: bool = False
    ) -> int: ...
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
    """All of them; `open_…` connect anew at each takeover, `now` is a monotonic clock in seconds.

    `most_traces`: of writers, that a batch's work is to name; none are looked for where nobody traces.
    """

    open_store: Callable[[int], AbstractContextManager[StorePort]]
    open_producer: Callable[[int], AbstractContextManager[ProducerPort]]
    encoder: EncoderPort
    refresh_limits: Callable[[], None]
    unwritable: Callable[[Collection[str]], Mapping[str, TopicUnwritable]]
    make_stop: Callable[[], StopPort]
    now: Callable[[], float]
    most_traces: int = 0
