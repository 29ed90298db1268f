"""The Java servers' files: locked by SHA-256, downloaded once into a per-user cache, never used unverified.

`artifacts.lock` names every file by its Maven coordinate; nothing is resolved at run time. Whatever the cache holds is
hashed again at each start (a fraction of a second), so a damaged file is fetched anew instead of being run.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import platformdirs
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from bridge.errors import ConfigError, Unavailable

_ATTEMPTS = 3
_CONNECT_TIMEOUT_SECONDS = 15
_MANIFEST = "MANIFEST.sha256"


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


@dataclass(frozen=True)
class JavaServers:
    """Where the verified files are: Kafka's jars, and the directory into which the registry was unpacked."""

    kafka_jars: tuple[Path, ...]
    registry_home: Path


def locked_artifacts() -> list[Artifact]:
    """Every file the servers need, as `artifacts.lock` lists them."""
    lines = files("bridge.local").joinpath("artifacts.lock").read_text().splitlines()
    fields = [line.split() for line in lines if line and not line.startswith("#")]
    return [Artifact(part, coordinate, sha256, int(size)) for part, coordinate, sha256, size in fields]


def cache_directory() -> Path:
    """The per-user cache; `XDG_CACHE_HOME` moves it."""
    return platformdirs.user_cache_path("bridge-cdc") / "servers"


def installed() -> JavaServers:
    """Where the files are once `fetch` has run."""
    artifacts = locked_artifacts()
    jars = tuple(cache_directory() / artifact.filename for artifact in artifacts if artifact.part == "kafka")
    registry = next(artifact for artifact in artifacts if artifact.part == "registry")
    return JavaServers(jars, _unpacked(cache_directory(), registry))


def fetch(console: Console) -> None:
    """Verify the servers' files; what is missing or damaged is downloaded first.

    Raises Unavailable when a file cannot be downloaded, ConfigError when the disk is full.
    """
    cache = cache_directory()
    cache.mkdir(parents=True, exist_ok=True)
    artifacts = locked_artifacts()
    with _locked(cache):
        for leftover in cache.glob("partial-*"):  # of a run that was killed: the lock is ours, so nobody uses it
            shutil.rmtree(leftover)
        missing = [artifact for artifact in artifacts if not _is_intact(cache, artifact)]
        if missing:
            _download_all(cache, missing, console)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
    with _progress(console, len(missing), total) as advance:

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


@contextmanager
def _progress(console: Console, count: int, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal and one plain line elsewhere; gives the function that adds bytes."""
    title = f"downloading the servers ({count} files, {total / 1e6:.0f} MB)"
    if not console.is_terminal:
        console.print(title)
        yield lambda count: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=total)
        yield lambda count: progress.advance(task, count)


def _install(cache: Path, artifact: Artifact, advance: Callable[[int], None]) -> None:
    """Download into a directory of its own, verify, and only then move to the name under which it is used."""
    with tempfile.TemporaryDirectory(dir=cache, prefix="partial-") as partial:
        path = _download(Path(partial), artifact, advance)
        if not artifact.filename.endswith(".tar.gz"):
            path.replace(cache / artifact.filename)
            return
        tree = Path(partial) / "tree"
        _unpack(path, tree)
        target = _unpacked(cache, artifact)
        shutil.rmtree(target, ignore_errors=True)
        tree.rename(target)


def _download(directory: Path, artifact: Artifact, advance: Callable[[int], None]) -> Path:
    """One verified file below `directory`. Raises Unavailable when it cannot be had."""
    import requests
    from jgo.config import GlobalSettings
    from jgo.maven import MavenContext, PythonResolver

    @contextmanager
    def report(filename: str, size: int) -> Iterator[Callable[[int], None]]:
        yield advance

    group, name, packaging, *classifier, version = artifact.coordinate.split(":")
    problem = ""
    for attempt in range(_ATTEMPTS):
        context = MavenContext(
            repo_cache=directory / str(attempt),
            resolver=PythonResolver(progress_callback=report),
            remote_repos=GlobalSettings.load().repositories or None,  # a mirror, where the user's jgo.conf names one
            timeout=_CONNECT_TIMEOUT_SECONDS,
        )
        component = context.project(group, name).at_version(version)
        try:
            path = component.artifact("".join(classifier), packaging).resolve()
        except requests.ConnectionError as error:
            problem = f"no connection to the Maven repository ({type(error).__name__})"
        except (requests.RequestException, RuntimeError) as error:
            problem = f"the Maven repository did not give it ({type(error).__name__})"
        else:
            if file_sha256(path) == artifact.sha256:
                return path
            problem = "what arrived does not have the SHA-256 of artifacts.lock"
    raise Unavailable(
        f"cannot download {artifact.filename}: {problem}",
        hint=f"The servers need this once; try again, or copy {cache_directory()} from another machine",
    )


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
