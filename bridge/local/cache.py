"""The per-user cache of the Java servers' files: downloaded once, never used unverified.

Nothing is resolved at run time. Whatever the cache holds is hashed again at each start (a fraction of a second), so
a damaged file is fetched anew instead of being run.
"""

from __future__ import annotations

import fcntl
import shutil
import tarfile
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from rich.console import Console

from bridge.errors import ConfigError
from bridge.local.artifacts import SERVERS, Artifact, file_sha256, locked_artifacts
from bridge.local.download import download, progress

_MANIFEST = "MANIFEST.sha256"


@dataclass(frozen=True)
class JavaServers:
    """Where the verified files are: Kafka's jars, and the directory into which the registry was unpacked."""

    kafka_jars: tuple[Path, ...]
    registry_home: Path


def cache_directory() -> Path:
    """The per-user cache; `XDG_CACHE_HOME` moves it."""
    return platformdirs.user_cache_path("bridge-cdc") / "servers"


def installed() -> JavaServers:
    """Where the files are once `fetch` has run."""
    registry = next(artifact for artifact in locked_artifacts() if artifact.part == "registry")
    return JavaServers(jars("kafka"), _unpacked(cache_directory(), registry))


def jars(part: str) -> tuple[Path, ...]:
    """Where the jars of `part` are once `fetch` has run."""
    return tuple(cache_directory() / artifact.filename for artifact in locked_artifacts((part,)))


def fetch(console: Console, parts: Collection[str] = SERVERS) -> None:
    """Verify the files of `parts`; what is missing or damaged is downloaded first.

    Raises Unavailable when a file cannot be downloaded, ConfigError when the disk is full.
    """
    cache = cache_directory()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _locked(cache):
            for leftover in cache.glob("partial-*"):  # of a run that was killed: the lock is ours, so nobody uses it
                shutil.rmtree(leftover)
            missing = [artifact for artifact in locked_artifacts(parts) if not _is_intact(cache, artifact)]
            if missing:
                _download_all(cache, missing, console)
    except OSError as error:
        raise ConfigError(
            f"cannot use the cache {cache} ({error.strerror})", hint="Move it with XDG_CACHE_HOME"
        ) from error


def _unpacked(cache: Path, archive: Artifact) -> Path:
    return cache / f"{archive.filename.removesuffix('.tar.gz')}-{archive.sha256[:12]}"


def _is_intact(cache: Path, artifact: Artifact) -> bool:
    if artifact.filename.endswith(".tar.gz"):
        return _is_tree_intact(_unpacked(cache, artifact))
    path = cache / artifact.filename
    return path.is_file() and file_sha256(path) == artifact.sha256


def _is_tree_intact(tree: Path) -> bool:
    manifest = tree / _MANIFEST
    if not manifest.is_file():
        return False
    entries = [line.split("  ", 1) for line in manifest.read_text().splitlines()]
    return all((tree / name).is_file() and file_sha256(tree / name) == sha256 for sha256, name in entries)


def _download_all(cache: Path, missing: list[Artifact], console: Console) -> None:
    total = sum(artifact.size for artifact in missing)
    if shutil.disk_usage(cache).free < 3 * total:
        raise ConfigError(
            f"{cache} has too little free space to download the servers ({total / 1e6:.0f} MB)",
            hint="Free some space, or move the cache with XDG_CACHE_HOME",
        )
    stopping = threading.Event()
    with progress(console, len(missing), total) as advance:

        def advance_or_stop(count: int) -> None:
            if stopping.is_set():
                raise InterruptedError
            advance(count)

        with ThreadPoolExecutor(max_workers=6) as pool:
            try:
                for done in [pool.submit(_install, cache, artifact, advance_or_stop) for artifact in missing]:
                    done.result()
            except BaseException:
                stopping.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _install(cache: Path, artifact: Artifact, advance: Callable[[int], None]) -> None:
    """Download into a directory of its own, verify, and only then move to the name under which it is used."""
    with tempfile.TemporaryDirectory(dir=cache, prefix="partial-") as partial:
        path = download(Path(partial), artifact, advance)
        if not artifact.filename.endswith(".tar.gz"):
            path.replace(cache / artifact.filename)
            return
        tree = Path(partial) / "tree"
        _unpack(path, tree)
        target = _unpacked(cache, artifact)
        shutil.rmtree(target, ignore_errors=True)
        tree.rename(target)


def _unpack(archive: Path, tree: Path) -> None:
    with tarfile.open(archive) as tar:
        tar.extractall(tree, filter="data")
    names = sorted(str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file())
    (tree / _MANIFEST).write_text("".join(f"{file_sha256(tree / name)}  {name}\n" for name in names))


@contextmanager
def _locked(cache: Path) -> Iterator[None]:
    """One download at a time for this user; the kernel frees the lock when its holder dies."""
    with (cache / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
