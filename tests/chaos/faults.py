"""The faults of a long run: each is a context manager that does harm on entering and heals on leaving."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from fix_kafka import Cluster
from fix_relay import Site
from forked import Process
from proxy import Api, Proxy

from bridge.local.stack import Stack

RELAYS = 2
# 3: a server was away when it started. SIGTERM: before it had begun, or it would have ended with 0.
EXPECTED_ENDS = (0, 3, -signal.SIGTERM, -signal.SIGKILL)


@dataclass
class Stage:
    """Everything that can be harmed. `site` itself reaches the servers directly; only its relays use the proxies."""

    site: Site
    stack: Stack
    cluster: Cluster
    postgres: Proxy
    random: random.Random
    relays: list[Process] = field(default_factory=list)

    def revive(self) -> None:
        """What an orchestrator does: start again what has ended. A relay that ended by itself is a failure."""
        for relay in self.relays:
            if relay.poll() is not None:
                assert relay.returncode in EXPECTED_ENDS, self.site.log(relay)
        self.relays = [relay for relay in self.relays if relay.poll() is None]
        while len(self.relays) < RELAYS:
            self.relays.append(self.site.start())

    def a_relay(self) -> Process:
        return self.random.choice(self.relays)


class Fault(NamedTuple):
    """`harm` a target for a time drawn from `seconds`."""

    target: str
    name: str
    harm: Callable[[Stage], AbstractContextManager[None]]
    seconds: tuple[float, float]

    @property
    def leaves_a_relay(self) -> bool:
        """Whether the other relay must go on by itself, before anything is healed."""
        return self.target == "a relay" and self.harm is not all_relays_are_killed


@contextmanager
def relay_is_killed(stage: Stage) -> Iterator[None]:
    relay = stage.a_relay()
    relay.kill()
    relay.wait()
    yield
    stage.revive()


@contextmanager
def relay_is_terminated(stage: Stage) -> Iterator[None]:
    relay = stage.a_relay()
    relay.terminate()
    yield
    relay.wait(60)
    stage.revive()


@contextmanager
def relay_is_stopped(stage: Stage) -> Iterator[None]:
    relay = stage.a_relay()
    relay.send_signal(signal.SIGSTOP)
    yield
    relay.send_signal(signal.SIGCONT)


@contextmanager
def all_relays_are_killed(stage: Stage) -> Iterator[None]:
    for relay in stage.relays:
        relay.kill()
    for relay in stage.relays:
        relay.wait()
    yield
    stage.revive()


@contextmanager
def connections_are_reset(stage: Stage, of: str) -> Iterator[None]:
    for proxy in _proxies(stage, of):
        proxy.reset()
    yield


@contextmanager
def network_is_deaf(stage: Stage, of: str) -> Iterator[None]:
    proxies = _proxies(stage, of)
    for proxy in proxies:
        proxy.deafen()
    yield
    for proxy in proxies:
        proxy.heal()


@contextmanager
def broker_is_away(stage: Stage, number: signal.Signals) -> Iterator[None]:
    stage.random.choice(stage.cluster.brokers).signal(number)
    yield
    stage.cluster.heal()


@contextmanager
def broker_is_stopped(stage: Stage) -> Iterator[None]:
    broker = stage.random.choice(stage.cluster.brokers)
    broker.signal(signal.SIGSTOP)
    yield
    broker.signal(signal.SIGCONT)
    stage.cluster.heal()


@contextmanager
def commit_is_late(stage: Stage) -> Iterator[None]:
    """A commit is held back, sometimes with its connection cut, and arrives later."""
    hold = stage.cluster.hold(Api.END_TXN, stage.site.name)
    if hold.caught.wait(5) and stage.random.random() < 0.5:
        hold.reset_client()
    yield
    for broker in stage.cluster.brokers:
        with suppress(ValueError):  # healing another fault has disarmed it
            broker.proxy.holds.remove(hold)
    if hold.caught.is_set():
        with suppress(OSError):  # its broker has gone meanwhile
            hold.release()


@contextmanager
def postgres_restarts(stage: Stage, mode: str) -> Iterator[None]:
    stage.stack.postgres.stop(mode)
    yield
    stage.stack.postgres.start()


@contextmanager
def backends_are_terminated(stage: Stage) -> Iterator[None]:
    stage.site.scalar(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name like %s",
        f"{stage.site.name}%",
    )
    yield


@contextmanager
def registry_is_away(stage: Stage) -> Iterator[None]:
    stage.stack.registry.stop()
    yield
    stage.stack.registry.start()


def _proxies(stage: Stage, of: str) -> list[Proxy]:
    if of == "Postgres":
        return [stage.postgres]
    brokers = [broker.proxy for broker in stage.cluster.brokers]
    return brokers if of == "Kafka" else [stage.random.choice(brokers)]


FAULTS = (
    Fault("a relay", "killed", relay_is_killed, (0, 4)),
    Fault("a relay", "terminated", relay_is_terminated, (0, 2)),
    Fault("a relay", "stopped past its lease", relay_is_stopped, (2, 4)),
    Fault("a relay", "stopped past the transaction time-out", relay_is_stopped, (7, 12)),
    Fault("a relay", "killed, and the other too", all_relays_are_killed, (0, 2)),
    Fault("Kafka", "connections reset", partial(connections_are_reset, of="Kafka"), (0, 1)),
    Fault("Kafka", "network to a broker deaf", partial(network_is_deaf, of="a broker"), (1, 8)),
    Fault("Kafka", "network deaf", partial(network_is_deaf, of="Kafka"), (1, 8)),
    Fault("Kafka", "a broker killed", partial(broker_is_away, number=signal.SIGKILL), (0, 5)),
    Fault("Kafka", "a broker terminated", partial(broker_is_away, number=signal.SIGTERM), (0, 5)),
    Fault("Kafka", "a broker stopped", broker_is_stopped, (1, 6)),
    Fault("Kafka", "a commit arrives late", commit_is_late, (0, 6)),
    Fault("Postgres", "connections reset", partial(connections_are_reset, of="Postgres"), (0, 1)),
    Fault("Postgres", "network deaf", partial(network_is_deaf, of="Postgres"), (1, 8)),
    Fault("Postgres", "restarted", partial(postgres_restarts, mode="fast"), (0, 3)),
    Fault("Postgres", "crashed", partial(postgres_restarts, mode="immediate"), (0, 3)),
    Fault("Postgres", "backends terminated", backends_are_terminated, (0, 1)),
    Fault("registry", "away", registry_is_away, (0, 3)),
)
