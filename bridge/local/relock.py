"""Writes `artifacts.lock` anew: `python -m bridge.local.relock`. Run it after changing a version below."""

from __future__ import annotations

import tempfile
from pathlib import Path

from jgo.maven import Artifact, MavenContext

from bridge.local.artifacts import file_sha256

KAFKA = "org.apache.kafka:kafka_2.13:4.3.1"
# Kafka brings slf4j 1.7 and log4j-core, but not what joins them; the version is that of its log4j-core.
LOG_BINDING = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4"
REGISTRY = ("io.apicurio", "apicurio-registry-app", "3.3.3", "all", "tar.gz")


def main() -> None:
    """Resolve Kafka with its runtime dependencies, fetch every file once and write down its hash."""
    with tempfile.TemporaryDirectory() as directory:
        context = MavenContext(repo_cache=Path(directory), timeout=30)
        # Kafka alone: resolved together, the binding's version management would override Kafka's own.
        inputs, transitive = context.resolver.resolve([context.create_dependency(KAFKA)])
        dependencies = [*inputs, *transitive, context.create_dependency(LOG_BINDING)]
        lines = [_line("kafka", dependency.artifact) for dependency in dependencies]
        group, name, version, classifier, packaging = REGISTRY
        archive = context.project(group, name).at_version(version).artifact(classifier, packaging)
        lines.append(_line("registry", archive))
    header = "# Written by `python -m bridge.local.relock`: part, Maven coordinate, SHA-256, size in bytes.\n"
    Path(__file__).with_name("artifacts.lock").write_text(header + "".join(sorted(lines)))


def _line(part: str, artifact: Artifact) -> str:
    path = artifact.resolve()
    fields = [artifact.groupId, artifact.artifactId, artifact.packaging, artifact.classifier, artifact.version]
    coordinate = ":".join(field for field in fields if field)
    return f"{part} {coordinate} {file_sha256(path)} {path.stat().st_size}\n"


if __name__ == "__main__":
    main()
