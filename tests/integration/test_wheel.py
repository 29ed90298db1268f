"""The wheel works away from the checkout: it carries sql/, schemas/ and config/."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bridge` command of a virtual environment that holds the wheel, and nothing of the checkout."""
    directory = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(directory), str(CHECKOUT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = directory.glob("*.whl")
    venv.create(directory / "venv")
    target = Path(sysconfig.get_path("purelib", vars={"base": str(directory / "venv")}))
    pip = [sys.executable, "-m", "pip", "--python", str(directory / "venv" / "bin" / "python"), "install"]
    subprocess.run([*pip, "--quiet", "--no-deps", "--no-index", str(wheel)], check=True)
    # The dependencies are those of this environment. A .pth in a .pth is not followed, so that the editable
    # installation of the checkout stays unknown.
    (target / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return directory / "venv" / "bin" / "bridge"


def run(bridge: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [bridge, *arguments],
        cwd=bridge.parent,
        env={"PATH": os.environ["PATH"], "HOME": str(bridge.parent), **env},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_dry_run_prints_all_migrations(bridge: Path) -> None:
    printed = run(bridge, "migrate", "--dry-run")

    assert (printed.returncode, printed.stderr) == (0, "")
    assert "create table bridge.outbox" in printed.stdout
    assert "crm" in printed.stdout


def test_wheel_migrates_a_database(bridge: Path, empty_database: str) -> None:
    migrated = run(bridge, "migrate", BRIDGE_DATABASE_URL=empty_database)
    again = run(bridge, "migrate", BRIDGE_DATABASE_URL=empty_database)

    assert (migrated.returncode, migrated.stderr) == (0, "")
    assert "up to date" in again.stdout


def test_wheel_carries_what_the_checkout_has(bridge: Path) -> None:
    package = next(bridge.parents[1].glob("lib/*/site-packages/bridge"))
    shipped = {str(path.relative_to(package)) for path in package.rglob("*") if path.is_file()}
    for folder in ("sql", "schemas", "config", "bridge/postgres/queries", "bridge/consumer", "bridge/local"):
        files = [path for path in (CHECKOUT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        assert files
        assert {str(path.relative_to(CHECKOUT)).removeprefix("bridge/") for path in files} <= shipped
