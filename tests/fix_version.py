"""Other versions of bridge, to run beside this one: the one before, from git, and ones that may come, made of this one.

Each is a directory that `Site.start` and `Site.bridge` take as `version`.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = ("bridge", "sql", "schemas", "config")
BEFORE = ROOT / "tests" / "data" / "version_before"


def named() -> str:
    """What tests/data/version_before names."""
    (revision,) = [line for line in BEFORE.read_text().splitlines() if not line.startswith("#")]
    return revision


def is_released() -> bool:
    """Whether that is a release: until one is, migrations are edited in place, and no database moves on by them."""
    return named().startswith("v")


def unpack(directory: Path) -> Path:
    """That version as it was; skips where this clone does not have it."""
    archive = subprocess.run(["git", "-C", str(ROOT), "archive", named(), *PARTS], capture_output=True)
    if archive.returncode:
        pytest.skip(f"{named()} is not in this clone: {archive.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(directory, filter="data")
    return directory


@pytest.fixture(scope="session")
def version_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That version; one that was not released has today's sql/, as if it had been written with it."""
    directory = unpack(tmp_path_factory.mktemp("before"))
    if not is_released():
        shutil.rmtree(directory / "sql")
        shutil.copytree(ROOT / "sql", directory / "sql")
    return directory


def version_after(directory: Path, migration: str, changes: Mapping[str, tuple[str, str]] | None = None) -> Path:
    """This version with one more migration, 9001, and another text of every function and view of the engine.

    `changes`: in its files, what stands there, and what will.
    """
    for part in PARTS:
        shutil.copytree(ROOT / part, directory / part, ignore=shutil.ignore_patterns("__pycache__"))
    engine = directory / "sql" / "engine"
    (engine / "migrations" / "9001_made_up.sql").write_text(migration)
    for file in [*(engine / "functions").iterdir(), *(engine / "views").iterdir()]:
        file.write_text(file.read_text() + "-- Of another version.\n")
    for file, (old, new) in (changes or {}).items():
        text = (directory / file).read_text()
        assert old in text, file
        (directory / file).write_text(text.replace(old, new))
    return directory
