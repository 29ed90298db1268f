"""Whoever builds a release gets the same bytes: the time, the place, the umask and the language do not matter."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import sbom

CHECKOUT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "__pycache__", "build", "dist", ".bridge", ".hypothesis", ".*_cache")


def build(directory: Path, umask: int, locale: str) -> dict[str, str]:
    """Build sdist and wheel from a copy whose files are new, and have the modes of `umask`; their hashes by name."""
    shutil.copytree(CHECKOUT, directory, ignore=LEFT_OUT, symlinks=True)
    for file in directory.rglob("*"):
        if not file.is_symlink():
            file.chmod((0o777 if file.is_dir() or file.stat().st_mode & 0o100 else 0o666) & ~umask)
            os.utime(file, (umask, umask))
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", "dist"],
        cwd=directory,
        env={"PATH": os.environ["PATH"], "HOME": str(directory), "LC_ALL": locale, "TZ": "Asia/Tokyo"},
        umask=umask,
        check=True,
        capture_output=True,
    )
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in (directory / "dist").iterdir()}


def test_two_builds_have_one_hash(tmp_path: Path) -> None:
    ours = build(tmp_path / "one", 0o022, "C")
    theirs = build(tmp_path / "another" / "place", 0o077, "tr_TR.UTF-8")
    assert len(ours) == 2
    assert ours == theirs
    (wheel,) = (tmp_path / "one" / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (bill,) = [name for name in archive.namelist() if ".dist-info/sboms/" in name]
        assert archive.read(bill) == sbom.SBOM.read_bytes()
        assert {file.external_attr >> 16 & 0o777 for file in archive.infolist()} <= {0o644, 0o755}
