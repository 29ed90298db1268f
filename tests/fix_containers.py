"""The vendors' images, where Docker is there: BRIDGE_TEST_CONTAINERS=1."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bridge.local.stack import Endpoints
from bridge.local.state import free_ports

# Two listeners, because clients outside the container know the broker by another port than it does itself.
_KAFKA = {
    "KAFKA_NODE_ID": "1",
    "KAFKA_PROCESS_ROLES": "broker,controller",
    "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
    "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
    "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
    "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
}


@pytest.fixture(scope="session")
def containers() -> Iterator[Endpoints]:
    """Postgres, Kafka and the registry in containers that end with the session."""
    from testcontainers.community.postgres import PostgresContainer
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import HttpWaitStrategy, LogMessageWaitStrategy

    port = free_ports()["kafka"]
    broker = DockerContainer("apache/kafka:4.2.2").with_bind_ports(9092, port).with_envs(**_KAFKA)
    broker.with_env("KAFKA_ADVERTISED_LISTENERS", f"PLAINTEXT://localhost:{port}")
    broker.waiting_for(LogMessageWaitStrategy("Kafka Server started"))
    registry = DockerContainer("apicurio/apicurio-registry:3.3.3").with_exposed_ports(8080)
    registry.waiting_for(HttpWaitStrategy(8080, "/apis/ccompat/v7/subjects").for_status_code(200))
    with PostgresContainer("postgres:18", driver=None) as postgres, broker, registry:
        base = f"http://{registry.get_container_host_ip()}:{registry.get_exposed_port(8080)}"
        yield Endpoints(postgres.get_connection_url(), f"localhost:{port}", f"{base}/apis/ccompat/v7")
