"""Writes `artifacts.lock` anew: `python -m bridge.local.relock`. Run it after changing a version below."""

from __future__ import annotations

import tempfile
from pathlib import Path

from jgo.maven import Artifact, MavenContext

from bridge.local.artifacts import file_sha256

KAFKA = "org.apache.kafka:kafka_2.13:4.2.2"
# Kafka brings slf4j 1.7 and log4j-core, but not what joins them; the version is that of its log4j-core.
LOG_BINDING = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5"
REGISTRY = ("io.apicurio", "apicurio-registry-app", "3.3.3", "all", "tar.gz")
# The peer of `bridge bench`; the converter writes Avro with our registry. Connect's own jars are not a plugin's.
PEER = {
    "connect": "org.apache.kafka:connect-runtime:4.3.1",
    "debezium": "io.debezium:debezium-connector-postgres:3.6.3.Final",
    "converter": "io.apicurio:apicurio-registry-utils-converter:2.6.13.Final",
}
CONNECTS_OWN = {"connect-api", "connect-json", "kafka-clients", "slf4j-api"}
# For the tests: what Java's consumers decode with, and a compiler, for the JRE has none.
TESTS = {
    "serdes": "io.apicurio:apicurio-registry-avro-serde-kafka:3.1.7",
    "compiler": "org.eclipse.jdt:ecj:3.45.0",
}
LEFT_OUT = {
    "debezium": CONNECTS_OWN,
    "converter": CONNECTS_OWN,
    # Kafka's jars are a part of their own, and nothing is mocked.
    "serdes": {"kafka-clients", "slf4j-api", "lz4-java", "snappy-java", "zstd-jni"}
    | {"mockito-core", "byte-buddy", "byte-buddy-agent", "objenesis"},
}


def main() -> None:
    """Resolve all parts with their runtime dependencies, fetch every file once and write down its hash."""
    with tempfile.TemporaryDirectory() as directory:
        context = MavenContext(repo_cache=Path(directory), timeout=30)
        # Kafka alone: resolved together, the binding's version management would override Kafka's own.
        kafka = [*_resolve(context, KAFKA), context.create_dependency(LOG_BINDING).artifact]
        lines = [_line("kafka", artifact) for artifact in kafka]
        for part, root in (PEER | TESTS).items():
            left_out = LEFT_OUT.get(part, set())
            found = [artifact for artifact in _resolve(context, root) if artifact.artifactId not in left_out]
            lines += [_line(part, artifact) for artifact in found]
        group, name, version, classifier, packaging = REGISTRY
        archive = context.project(group, name).at_version(version).artifact(classifier, packaging)
        lines.append(_line("registry", archive))
    header = "# Written by `python -m bridge.local.relock`: part, Maven coordinate, SHA-256, size in bytes.\n"
    Path(__file__).with_name("artifacts.lock").write_text(header + "".join(sorted(set(lines))))


def _resolve(context: MavenContext, root: str) -> list[Artifact]:
    inputs, transitive = context.resolver.resolve([context.create_dependency(root)])
    return [dependency.artifact for dependency in (*inputs, *transitive)]


def _line(part: str, artifact: Artifact) -> str:
    path = artifact.resolve()
    fields = [artifact.groupId, artifact.artifactId, artifact.packaging, artifact.classifier, artifact.version]
    coordinate = ":".join(field for field in fields if field)
    return f"{part} {coordinate} {file_sha256(path)} {path.stat().st_size}\n"


if __name__ == "__main__":
    main()
