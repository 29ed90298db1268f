"""The ports of a shard (`shard/ports.py`), each call noted as what it waits for: a wait is told from a hang by it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from types import TracebackType

from bridge.shard.ports import Ports, ProducerPort, Read, ReaderPort, StorePort
from bridge.shard.position import Start
from bridge.telemetry.activity import KAFKA, POSTGRES, Activities


def watched(ports: Ports, activities: Activities) -> Ports:
    """The same ports, noted."""
    around = activities.around
    connect = around("connects to Postgres", POSTGRES, ports.open_store)
    return replace(
        ports,
        open_store=lambda shard: _Store(connect(shard), activities),
        open_producer=lambda shard: _Producer(ports.open_producer(shard), activities),
        refresh_limits=around("asks for the topics' limits", KAFKA, ports.refresh_limits),
        unwritable=around("asks which topics can be written to", KAFKA, ports.unwritable),
        make_stop=lambda: _Stop(activities),
    )


class _Stop(threading.Event):
    """A request to end; whoever waits for it rests."""

    def __init__(self, activities: Activities) -> None:
        super().__init__()
        self._activities = activities

    def wait(self, timeout: float | None = None) -> bool:
        with self._activities.waits("rests", None):
            return super().wait(timeout)


class _Reader:
    def __init__(self, reader: ReaderPort, activities: Activities) -> None:
        around = activities.around
        self._around, self._send = around, around("reads", POSTGRES, reader.send)
        self.read = around("reads", POSTGRES, reader.read)
        self.free = around("reads what was parked", POSTGRES, reader.free)
        self.numbers = around("compares numbers", POSTGRES, reader.numbers)
        self.look = around("looks whether anything was written", POSTGRES, reader.look)

    def send(self, start: Start, limit: int | None) -> Callable[[], Read | None]:
        return self._around("reads", POSTGRES, self._send(start, limit))


class _Store(AbstractContextManager[StorePort]):
    def __init__(self, store: AbstractContextManager[StorePort], activities: Activities) -> None:
        self._opened, self._activities = store, activities

    def __enter__(self) -> StorePort:
        store, around = self._opened.__enter__(), self._activities.around
        self.reader: ReaderPort = _Reader(store.reader, self._activities)
        self.take = around("takes the shard", POSTGRES, store.take)
        self.stop = around("stops the shard", POSTGRES, store.stop)
        self.write = around("claims or settles a batch", POSTGRES, store.write)
        self.release = around("gives the shard back", POSTGRES, store.release)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.__exit__(kind, error, trace)


class _Producer(AbstractContextManager[ProducerPort]):
    def __init__(self, producer: AbstractContextManager[ProducerPort], activities: Activities) -> None:
        self._opened, self._activities = producer, activities

    def __enter__(self) -> ProducerPort:
        producer, around = self._opened.__enter__(), self._activities.around
        self.open = around("fences the former owner", KAFKA, producer.open)
        self.publish = around("publishes", KAFKA, producer.publish)
        self.commit = around("publishes", KAFKA, producer.commit)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._activities.waits("closes its producer", KAFKA):
            self._opened.__exit__(kind, error, trace)
