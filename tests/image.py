"""The container image, built and run without an engine: buildah builds it, bubblewrap runs what is in it.

Where no image registry is reached its base is a Debian that `debian` makes: into the user's cache, once. `python3
tests/image.py` does only that, before there are any packages.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[1]
CONTEXT = (".dockerignore", "LICENSE", "README.md", "pyproject.toml", "bridge", "config", "deploy", "requirements")
CONTEXT += ("schemas", "sql")
PROGRAMS = ("buildah", "bwrap", "mmdebstrap")
PYTHON = "3.11"  # Debian 12's
STORAGE = '[storage]\ndriver = "vfs"\ngraphroot = "{0}/graph"\nrunroot = "{0}/run"\n'


def missing() -> str | None:
    """Why an image cannot be built here, or None where it can."""
    lacking = [program for program in PROGRAMS if shutil.which(program) is None]
    if lacking:
        return f"{', '.join(lacking)}: not installed here"
    return None if os.geteuid() == 0 else "building without an engine, and running under other users, needs root"


def debian() -> Path:
    """A small Debian with Python, as a tar. Raises CalledProcessError where Debian's packages are not reached."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bridge-cdc" / "images"
    cache.mkdir(parents=True, exist_ok=True)
    tar = cache / "bookworm.tar"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tar.exists():
            unfinished = cache / "unfinished.tar"
            options = ["--quiet", "--variant=minbase", "--include=ca-certificates,python3-venv,tzdata"]
            options += ["--dpkgopt=force-unsafe-io", "--dpkgopt=path-exclude=/usr/share/locale/*"]
            subprocess.run(["mmdebstrap", *options, "bookworm", unfinished], check=True)
            unfinished.rename(tar)
    return tar


@dataclass(frozen=True)
class Image:
    """`root` is its file system, which other users may read; `config` what it says beside that, as Docker has it."""

    root: Path
    config: Mapping[str, Any]

    def start(
        self, uid: int, gid: int, *command: str, mounts: Mapping[Path, str], scratch: bool = False, **env: str
    ) -> subprocess.Popen[str]:
        """A program of it, on this machine's network: with nothing to write to (`scratch`: but /tmp), as process 1 of
        its own, without capabilities, and as that user for this machine's kernel, too.

        `mounts`: what of this machine is where in it, read-only. A signal for it goes to `inner`.
        """
        variables = dict(pair.split("=", 1) for pair in self.config["Env"]) | env
        options = ["--unshare-user", "--uid", str(uid), "--gid", str(gid), "--unshare-pid", "--unshare-ipc"]
        options += ["--unshare-uts", "--as-pid-1", "--die-with-parent", "--cap-drop", "ALL", "--clearenv"]
        options += ["--ro-bind", str(self.root), "/", "--dev", "/dev", "--proc", "/proc"]
        options += [word for source, place in mounts.items() for word in ("--ro-bind", str(source), place)]
        options += [word for name, value in variables.items() for word in ("--setenv", name, value)]
        options += ["--tmpfs", "/tmp"] if scratch else []  # noqa: S108 - its own
        return subprocess.Popen(
            ["bwrap", *options, *command],
            user=uid, group=gid, extra_groups=[], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip


def inner(process: subprocess.Popen[str]) -> int:
    """The process, as this machine counts, that is number 1 in there."""
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(child)


@contextmanager
def built(base: Path) -> Iterator[Image]:
    """The image of this checkout, made on the system in a tar as `make image` makes it; it is gone at the end."""
    with tempfile.TemporaryDirectory(prefix="bridge-image-") as name:
        directory = Path(name)
        context, wheels = directory / "context", directory / "context" / "deploy" / "wheels"
        context.mkdir()
        for entry in CONTEXT:
            source = CHECKOUT / entry
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, context / entry)
        _download(wheels)
        directory.chmod(0o755)
        (directory / "storage.conf").write_text(STORAGE.format(directory))
        environment = os.environ | {
            "ENGINE": "buildah", "BUILDAH_ISOLATION": "chroot", "TMPDIR": name,
            "CONTAINERS_STORAGE_CONF": str(directory / "storage.conf"),
        }  # fmt: skip

        def buildah(*arguments: str | Path, of: str = "buildah") -> str:
            done = subprocess.run([of, *arguments], env=environment, cwd=context, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
            return done.stdout.strip()

        (directory / "Containerfile").write_text(f"FROM scratch\nADD {base.name} /\n")
        buildah("build", "--file", directory / "Containerfile", "--tag", "localhost/base", base.parent)
        buildah("--build-arg", "BASE=localhost/base", "--tag", "localhost/tried", of="deploy/build")
        container = buildah("from", "localhost/tried")
        shutil.copytree(buildah("mount", container), directory / "root", symlinks=True)
        about = json.loads(buildah("inspect", "--type", "image", "localhost/tried"))
        shutil.rmtree(directory / "graph")
        yield Image(directory / "root", about["Docker"]["config"])


def _download(wheels: Path) -> None:
    """What requirements/image.txt pins, for Debian's Python."""
    machine = platform.machine()
    platforms = [word for glibc in ("2_17", "2_28") for word in ("--platform", f"manylinux_{glibc}_{machine}")]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--no-deps", "--only-binary=:all:"]
    pip += [*platforms, "--python-version", PYTHON, "--dest", str(wheels)]
    subprocess.run([*pip, "-r", CHECKOUT / "requirements" / "image.txt"], check=True)


if __name__ == "__main__":
    if missing() is None:
        debian()
