"""A relay of the model: the real `relay.shard_thread.ShardThread`, over ports that stop at every request and reply.

It runs in a greenlet. `step(fate)` lets it go on to the next request or reply, and says what becomes of the one at
which it stands: it goes well, is cut (the client sees an error), arrives late (the client sees an error, the server
acts on it at some later time), or is sent twice, as librdkafka does when a connection is lost.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable
from enum import Enum
from itertools import count, takewhile
from types import TracebackType
from typing import Any, TypeVar

from greenlet import GreenletExit, getcurrent, greenlet
from model.kafka import Arrival, Fenced, Kafka
from model.postgres import Postgres

from bridge.errors import (
    BrokerUnavailable,
    DatabaseUnavailable,
    LeaseLost,
    PoisonEvent,
    PublishUncertain,
    RecordRefused,
    RegistryUnavailable,
    TopicUnwritable,
)
from bridge.event import DeadLetter, Event, Record
from bridge.relay.outages import Outages
from bridge.relay.shard_health import ShardHealth
from bridge.relay.shard_thread import ShardThread
from bridge.settings import Settings
from bridge.shard.holds import TopicHolds
from bridge.shard.ledger import ControlRecord, InFlight, Ledger
from bridge.shard.ports import Free, Ports, Read
from bridge.shard.position import Snapshot, Start

T = TypeVar("T")
nonces = count(1)


class Fate(Enum):
    GO = "it goes well"
    CUT = "it never arrives"
    LATE = "the client gives up, the request arrives some time later"
    TWICE = "it arrives, and once more some time later"


class Servers:
    """What all relays share; `wire` holds requests that will arrive late."""

    def __init__(self) -> None:
        self.postgres = Postgres()
        self.kafka = Kafka()
        self.wire: list[Callable[[], object]] = []
        self.registry_is_away = False
        self.limit_is_lowered = False
        self.forbidden: set[str] = set()  # topics that may not be written to

    def unwritable(self, topics: Collection[str]) -> dict[str, TopicUnwritable]:
        return {topic: TopicUnwritable("forbidden") for topic in topics if topic in self.forbidden}


class Process:
    """One relay process for the one shard."""

    def __init__(self, servers: Servers, settings: Settings, owner: str) -> None:
        self.servers, self.settings, self.owner = servers, settings, owner
        self.at = ""
        self._stopping = False
        self._carrier: ShardThread | None = None
        self._greenlet = greenlet(self._main)
        self.step()

    @property
    def is_alive(self) -> bool:
        return not self._greenlet.dead

    def step(self, fate: Fate = Fate.GO) -> None:
        """Go on to the next request or reply."""
        self._greenlet.process = self
        self.at = self._greenlet.switch(fate) or ""

    def kill(self) -> None:
        """As by `kill -9`: nothing of it runs any more."""
        self._greenlet.throw(GreenletExit)

    def stop(self) -> None:
        """As by SIGTERM."""
        self._stopping = True
        if self._carrier is not None:
            self._carrier.stop()

    def pause(self, at: str) -> Fate:
        """Called inside: wait for the next `step()`."""
        assert getcurrent() is self._greenlet
        return self._greenlet.parent.switch(at)

    def _main(self, _: Fate) -> None:
        encoder = Encoder(self.servers)
        ports = Ports(
            open_store=lambda _: Store(self.servers, self.owner, self.settings.relay.lease_seconds),
            open_producer=lambda _: ShardProducer(self.servers),
            encoder=encoder,
            refresh_limits=encoder.refresh_limits,
            unwritable=self.servers.unwritable,
            make_stop=StopEvent,
            now=lambda: self.servers.postgres.now,
        )
        health = ShardHealth(0, TopicHolds(self.settings, ports.now, ports.unwritable))
        while not self._stopping:
            self._carrier = ShardThread(self.settings, 0, ports, Outages(), health)
            self._carrier.run()
            self.pause("free")


def current() -> Process:
    """The process whose code is running."""
    return getcurrent().process


class StopEvent:
    """threading.Event for a shard: waiting is a step."""

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        self._is_set = True

    def is_set(self) -> bool:
        return self._is_set

    def wait(self, _seconds: float) -> bool:
        current().pause("waiting")
        return self._is_set


class Encoder:
    """bridge.encoding.encoder.Encoder, with events that say themselves how they behave."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._knows_limit = False

    def refresh_limits(self) -> None:
        self._knows_limit = self._servers.limit_is_lowered

    def record(self, event: Event) -> Record:
        if self._servers.registry_is_away and event.event_type == "other.changed":
            raise RegistryUnavailable("away")
        if event.payload == "bug":
            raise ZeroDivisionError
        if event.payload == "poison" or (event.payload == "large" and self._knows_limit):
            raise PoisonEvent(event.payload)
        return Record(event.event_type, event.key.encode(), event.id.encode(), [], event.payload == "large")

    def expect_change(self) -> None:
        pass

    def dead_letter(self, letter: DeadLetter) -> Record:
        return Record("dead", letter.event.key.encode(), letter.event.id.encode(), [], 0)


class Store:
    """bridge.postgres.store.Store over the model's Postgres, and its Reader."""

    def __init__(self, servers: Servers, owner: str, lease_seconds: float) -> None:
        self._servers = servers
        self._owner, self._lease_seconds = owner, lease_seconds
        self._session = servers.postgres.session

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def take(self) -> Ledger:
        self._nonce = next(nonces)
        return self._ask("take", lambda db: db.take(self._owner, self._lease_seconds, self._nonce))

    def stop(self, held: Ledger, reason: str, *, renumber: bool = False) -> bool:
        return self._ask("stop", lambda db: db.stop(held, reason, renumber=renumber))

    @property
    def reader(self) -> Store:
        return self

    def read(self, start: Start, limit: int | None) -> Read:
        return self._ask("read", lambda db: db.read(start, limit))

    def send(self, start: Start, limit: int | None) -> Callable[[], Read | None]:
        """It reads when it is sent; whether that worked is known later."""
        read: Read | None = None
        with contextlib.suppress(DatabaseUnavailable):
            read = self.read(start, limit)
        return lambda: read

    def free(self, held: Collection[str], in_flight: Collection[int], limit: int | None) -> Free:
        held = set(held)
        return self._ask("free", lambda db: db.free(held, in_flight, limit))

    def look(self) -> tuple[int, Snapshot]:
        return self._servers.postgres.look()

    def numbers(self) -> tuple[int, int]:
        return self._ask("numbers", lambda db: db.numbers())

    def write(
        self, held: Ledger, new: Ledger, settled: InFlight | None, *, with_tick: bool = False, lazily: bool = False
    ) -> int:
        nonce, seconds = self._nonce, self._lease_seconds
        return self._ask("write", lambda db: db.write(held, new, settled, seconds, nonce, lazily=lazily))

    def release(self, held: Ledger) -> None:
        self._ask("release", lambda db: db.release(held))

    def _ask(self, name: str, request: Callable[[Postgres], T]) -> T:
        fate = current().pause(name)
        if fate is Fate.LATE:
            session = self._session
            self._servers.wire.append(lambda: self._arrive(session, request))
        if fate in (Fate.CUT, Fate.LATE) or self._session != self._servers.postgres.session:
            raise DatabaseUnavailable("connection lost")
        answer = request(self._servers.postgres)
        if current().pause(f"{name} answered") is not Fate.GO:
            raise DatabaseUnavailable("connection lost")
        return answer

    def _arrive(self, session: int, request: Callable[[Postgres], Any]) -> None:
        if session == self._servers.postgres.session:
            request(self._servers.postgres)


class ShardProducer:
    """bridge.kafka.producer.ShardProducer over the model's Kafka, with its rule: what was sent twice is in doubt."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._epoch = -1
        self._was_sent_twice = False

    def __enter__(self) -> ShardProducer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def open(self) -> ControlRecord | None:
        self._epoch = self._ask("init_transactions", lambda kafka: kafka.init_transactions(), BrokerUnavailable)
        arrival = Arrival(self._epoch)
        try:
            self._commit([], arrival)
        except PublishUncertain as error:
            raise BrokerUnavailable(str(error)) from error
        seen = self._ask("read_control", lambda kafka: kafka.wait_for_marker(), BrokerUnavailable)
        if arrival not in seen:
            raise BrokerUnavailable("a transaction hangs")
        before = [
            record for record in takewhile(lambda record: record != arrival, seen) if isinstance(record, ControlRecord)
        ]
        return before[-1] if before else None

    def publish(self, control: ControlRecord, records: Iterable[Record]) -> None:
        self.commit(control, records)

    def commit(self, control: ControlRecord, records: Iterable[Record] = ()) -> None:
        self._commit(list(records), control)

    def _commit(self, sent: list[Record], control: ControlRecord | Arrival) -> None:
        epoch = self._epoch
        if any(record.topic in self._servers.forbidden for record in sent):
            raise PublishUncertain("a topic may not be written to")
        half = (len(sent) + 1) // 2
        if sent[:half]:
            self._ask("produce", lambda kafka: kafka.produce(epoch, sent[:half], []))
        self._ask("produce", lambda kafka: kafka.produce(epoch, sent[half:], [control]))
        if self._servers.limit_is_lowered and any(record.timestamp_ms for record in sent):
            raise RecordRefused("too large for its topic")
        self._ask("end_transaction", lambda kafka: kafka.end_transaction(epoch))
        if self._was_sent_twice:
            raise PublishUncertain("a try of it may be on its way")

    def _ask(
        self,
        name: str,
        request: Callable[[Kafka], T],
        error: type[PublishUncertain | BrokerUnavailable] = PublishUncertain,
    ) -> T:
        fate = current().pause(name)
        if fate in (Fate.LATE, Fate.TWICE) and name == "end_transaction":
            self._servers.wire.append(lambda: request(self._servers.kafka))
            self._was_sent_twice = True
        if fate in (Fate.CUT, Fate.LATE):
            raise error(f"{name} failed")
        try:
            answer = request(self._servers.kafka)
        except Fenced as fenced:
            raise error(str(fenced)) from fenced
        if current().pause(f"{name} answered") is not Fate.GO:
            raise error(f"{name} got no answer")
        return answer


def arrive(request: Callable[[], object]) -> None:
    """A late request reaches its server; whatever the server says, nobody listens."""
    try:
        request()
    except (Fenced, LeaseLost):
        return
