"""The vendors' images of deploy/compose.yaml, where Docker is there: BRIDGE_TEST_CONTAINERS=1."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ports import free_port

from bridge.local.stack import Endpoints

_SERVICES = yaml.safe_load((Path(__file__).parents[1] / "deploy" / "compose.yaml").read_text())["services"]


@pytest.fixture(scope="session")
def containers() -> Iterator[Endpoints]:
    """Postgres, Kafka and the registry in containers that end with the session."""
    from testcontainers.community.postgres import PostgresContainer
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import HttpWaitStrategy, LogMessageWaitStrategy

    port = free_port()
    broker = DockerContainer(_SERVICES["kafka"]["image"]).with_bind_ports(9092, port)
    broker.with_envs(**_SERVICES["kafka"]["environment"])
    broker.with_env("KAFKA_ADVERTISED_LISTENERS", f"PLAINTEXT://localhost:{port}")  # as who is outside knows it
    broker.waiting_for(LogMessageWaitStrategy("Kafka Server started"))
    registry = DockerContainer(_SERVICES["registry"]["image"]).with_exposed_ports(8080)
    registry.waiting_for(HttpWaitStrategy(8080, "/apis/ccompat/v7/subjects").for_status_code(200))
    with PostgresContainer(_SERVICES["postgres"]["image"], driver=None) as postgres, broker, registry:
        base = f"http://{registry.get_container_host_ip()}:{registry.get_exposed_port(8080)}"
        yield Endpoints(postgres.get_connection_url(), f"localhost:{port}", f"{base}/apis/ccompat/v7")
