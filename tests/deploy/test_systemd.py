"""deploy/systemd: what systemd itself says of the unit."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.errors import ConfigError
from bridge.relay.signals import GRACE_SECONDS

SYSTEMD = Path(__file__).parents[2] / "deploy" / "systemd"
UNIT = (SYSTEMD / "bridge.service").read_text()
WORST_EXPOSURE = 15  # tenths; what is left above 1.0 is its way to its servers, and an allow list of their addresses


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with its drop-in, for a program that is there."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed here")
    shutil.copytree(SYSTEMD / "bridge.service.d", tmp_path / "bridge.service.d")
    (tmp_path / "bridge.service").write_text(UNIT.replace("/opt/bridge/bin/bridge", sys.executable))
    return tmp_path / "bridge.service"


def analyze(unit: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", *arguments, str(unit)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_unit_is_understood_and_hardened(unit: Path) -> None:
    verified = analyze(unit, "verify", "--man=no")
    assert (verified.returncode, verified.stderr) == (0, "")
    (unit.parent / "bridge.service.d" / "wrong.conf").write_text("[Service]\nProtectSytem=strict\n")
    assert "ProtectSytem" in analyze(unit, "verify", "--man=no").stderr  # drop-ins are looked at
    measured = analyze(unit, "security", "--offline=true", "--no-pager", f"--threshold={WORST_EXPOSURE}")
    assert measured.returncode == 0, measured.stdout


def test_it_ends_in_time_and_is_not_started_again_in_vain() -> None:
    (stop,) = re.findall(r"^TimeoutStopSec=(\d+)$", UNIT, re.M)
    assert int(stop) >= GRACE_SECONDS + 5
    (codes,) = re.findall(r"^RestartPreventExitStatus=(.+)$", UNIT, re.M)
    assert str(ConfigError.exit_code) in codes.split()
