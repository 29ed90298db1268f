"""The files of the Java servers, as `artifacts.lock` names them: Maven coordinate, SHA-256, size."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path


@dataclass(frozen=True)
class Artifact:
    """One file of a Maven repository: `group:artifact:packaging[:classifier]:version`, hash, size in bytes."""

    part: str
    coordinate: str
    sha256: str
    size: int

    @property
    def filename(self) -> str:
        _, name, packaging, *classifier, version = self.coordinate.split(":")
        return "-".join([name, version, *classifier]) + f".{packaging}"

    @property
    def version(self) -> str:
        return self.coordinate.rsplit(":", 1)[1]


SERVERS = ("kafka", "registry")
PEER = ("kafka", "connect", "debezium", "converter")  # what `bridge bench` compares with, beside the servers
JAVA_TESTS = ("kafka", "serdes", "compiler")  # what Java programs of the tests are compiled and run with


def locked_artifacts(parts: Collection[str] = SERVERS) -> list[Artifact]:
    """Every file that `parts` need, as `artifacts.lock` lists them."""
    lines = files("bridge.local").joinpath("artifacts.lock").read_text().splitlines()
    fields = [line.split() for line in lines if line and not line.startswith("#")]
    return [Artifact(part, coordinate, sha256, int(size)) for part, coordinate, sha256, size in fields if part in parts]


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
