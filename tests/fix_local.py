"""The real servers that the tests run against.

By default the session starts a stack of its own (`bridge.local`) and ends it, however the session ends.
BRIDGE_TEST_DATABASE_URL, BRIDGE_TEST_KAFKA_BOOTSTRAP_SERVERS and BRIDGE_TEST_REGISTRY_URL together name servers that
run already; BRIDGE_TEST_CONTAINERS=1 takes the vendors' images from Docker.
"""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator
from dataclasses import replace

import confluent_kafka
import psycopg
import pytest
from in_memory import in_memory
from ports import free_port
from rich.console import Console

from bridge.local.artifacts import JAVA_TESTS, SERVERS, locked_artifacts
from bridge.local.cache import fetch
from bridge.local.postgres import version
from bridge.local.stack import Endpoints, Stack
from bridge.local.state import State, write_state

_KEPT = ("BRIDGE_TEST_", "BRIDGE_LOCAL_POSTGRES_BIN")
_GIVEN = ("BRIDGE_TEST_DATABASE_URL", "BRIDGE_TEST_KAFKA_BOOTSTRAP_SERVERS", "BRIDGE_TEST_REGISTRY_URL")


def pytest_configure() -> None:
    """Nothing of the developer's shell may leak into a test."""
    # A shell without job control starts what it puts in the background with SIGINT ignored, and that is inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in list(os.environ):
        if name.startswith(("BRIDGE_", "PG")) and not name.startswith(_KEPT):
            del os.environ[name]
    _given()  # complains at once about half a set


def pytest_report_header() -> str:
    client = f"librdkafka {confluent_kafka.libversion()[0]}"
    if (given := _given()) is not None:
        with psycopg.connect(given.database_url, connect_timeout=10) as db:
            return f"servers: given; {db.execute('select version()').fetchone()[0]}; {client}"
    if os.environ.get("BRIDGE_TEST_CONTAINERS"):
        return f"servers: containers; {client}"
    of = {artifact.coordinate.split(":")[1]: artifact.version for artifact in locked_artifacts()}
    kafka, registry = of["kafka_2.13"], of["apicurio-registry-app"]
    return f"servers: Postgres {version()}, Kafka {kafka}, Apicurio Registry {registry}, {client}"


def pytest_collection_finish(session: pytest.Session) -> None:
    """Download before the first test, so that its time-out does not count the download."""
    needed = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    parts = SERVERS if {"stack", "servers"} & needed and _is_own_stack() else ()
    parts += JAVA_TESTS if "java" in needed else ()
    if parts and not session.config.option.collectonly:
        capture = session.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            fetch(Console(stderr=True), parts)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The session's servers, for tests that stop and start them; each such test leaves all of them running."""
    if not _is_own_stack():
        pytest.skip("stops servers, so it needs the session's own")
    with in_memory(tmp_path_factory, "stack") as directory:
        own = State.new()
        directory.mkdir()
        write_state(directory, replace(own, ports={name: free_port() for name in own.ports}))
        stack = Stack(directory)
        stack.up(attached=True)
        with psycopg.connect(stack.endpoints.database_url, autocommit=True) as db:
            # Tests kill processes and never the machine: what the operating system has been given is kept.
            db.execute("alter system set fsync = off")
            db.execute("alter system set max_wal_size = '256MB'")
            # An autovacuum has locks, an old snapshot and a transaction id for a moment, in the middle of any test.
            db.execute("alter system set autovacuum_naptime = '1 h'")
            db.execute("select pg_reload_conf()")
        yield stack
        stack.down(purge=True)


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Endpoints:
    """Where Postgres, Kafka and the registry are."""
    if (given := _given()) is not None:
        return given
    if os.environ.get("BRIDGE_TEST_CONTAINERS"):
        return request.getfixturevalue("containers")
    return request.getfixturevalue("stack").endpoints


@pytest.fixture
def kafka(servers: Endpoints) -> str:
    """Kafka's bootstrap servers; take topic and group names that begin with `unique`."""
    return servers.kafka_bootstrap_servers


@pytest.fixture
def registry(servers: Endpoints) -> str:
    """The registry's URL; take subject names that begin with `unique`."""
    return servers.registry_url


@pytest.fixture
def unique() -> str:
    """A prefix that no other test has: for topics, groups, subjects, bridge names."""
    return f"t{secrets.token_hex(4)}"


def _is_own_stack() -> bool:
    return _given() is None and not os.environ.get("BRIDGE_TEST_CONTAINERS")


def _given() -> Endpoints | None:
    given = [os.environ.get(name) for name in _GIVEN]
    if not any(given):
        return None
    if not all(given):
        raise pytest.UsageError(f"set all of {', '.join(_GIVEN)}, or none")
    return Endpoints(*given)
