"""The download of the servers' files, against a Maven repository of the test's own."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rich.console import Console

from bridge.errors import ConfigError, Unavailable
from bridge.local import cache
from bridge.local.artifacts import Artifact, locked_artifacts

QUIET = Console(quiet=True)


class Repository(SimpleHTTPRequestHandler):
    """Serves files; `truncated` ones break off in the middle, as a lost connection does."""

    truncated: set[str] = set()  # noqa: RUF012  one server at a time
    asked: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        name = self.path.rsplit("/", 1)[1]
        self.asked.append(name)
        if name not in self.truncated:
            return super().do_GET()
        content = Path(self.translate_path(self.path)).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])
        return None

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A Maven repository with one jar and one archive, both locked; the cache is empty."""
    root = tmp_path / "repository"
    jar = _add(root, "kafka", "org.example:thing:jar:1.0", b"the jar" * 1000)
    archive = _add(root, "registry", "org.example:app:tar.gz:all:2.0", _archive())
    monkeypatch.setattr(
        cache, "locked_artifacts", lambda parts=("kafka", "registry"): [a for a in (jar, archive) if a.part in parts]
    )
    monkeypatch.setattr(Repository, "truncated", set())
    monkeypatch.setattr(Repository, "asked", [])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Repository, directory=str(root))) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        _configure(monkeypatch, tmp_path, server.server_port)
        yield root
        server.shutdown()


def test_fetch_downloads_once(repository: Path) -> None:
    cache.fetch(QUIET)

    (jar,) = cache.installed().kafka_jars
    assert jar.read_bytes() == b"the jar" * 1000
    assert (cache.installed().registry_home / "lib" / "run.jar").read_bytes() == b"run" * 100
    Repository.asked.clear()
    cache.fetch(QUIET)
    assert Repository.asked == []


@pytest.mark.parametrize("damage", [b"", b"the jar", b"the rat" * 1000])
def test_damaged_jar_is_fetched_anew(repository: Path, damage: bytes) -> None:
    cache.fetch(QUIET)
    (jar,) = cache.installed().kafka_jars
    jar.write_bytes(damage)

    cache.fetch(QUIET)

    assert jar.read_bytes() == b"the jar" * 1000


def test_damaged_tree_is_unpacked_anew(repository: Path) -> None:
    cache.fetch(QUIET)
    run = cache.installed().registry_home / "lib" / "run.jar"
    run.write_bytes(b"tun" * 100)

    cache.fetch(QUIET)

    assert run.read_bytes() == b"run" * 100


def test_truncated_download_is_never_used(repository: Path) -> None:
    Repository.truncated.add("thing-1.0.jar")

    with pytest.raises(Unavailable, match=r"cannot download thing-1\.0\.jar"):
        cache.fetch(QUIET)

    assert not cache.installed().kafka_jars[0].exists()
    Repository.truncated.clear()
    cache.fetch(QUIET)
    assert cache.installed().kafka_jars[0].exists()


def test_other_content_than_locked_is_refused(repository: Path) -> None:
    (repository / "org/example/thing/1.0/thing-1.0.jar").write_bytes(b"something else")

    with pytest.raises(Unavailable, match="SHA-256"):
        cache.fetch(QUIET)

    assert not cache.installed().kafka_jars[0].exists()


def test_missing_in_the_repository(repository: Path) -> None:
    (repository / "org/example/app/2.0/app-2.0-all.tar.gz").unlink()

    with pytest.raises(Unavailable, match=r"cannot download app-2\.0-all\.tar\.gz"):
        cache.fetch(QUIET)


def test_no_network_and_no_cache(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _configure(monkeypatch, tmp_path, port=1)

    with pytest.raises(Unavailable, match="no connection to the Maven repository"):
        cache.fetch(QUIET)


def test_no_network_but_a_cache(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.fetch(QUIET)
    _configure(monkeypatch, tmp_path, port=1)

    cache.fetch(QUIET)


def test_full_disk_is_said_before_the_download(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    huge = [Artifact(a.part, a.coordinate, a.sha256, 2**60) for a in cache.locked_artifacts()]
    monkeypatch.setattr(cache, "locked_artifacts", lambda _parts=(): huge)

    with pytest.raises(ConfigError, match="too little free space"):
        cache.fetch(QUIET)

    assert Repository.asked == []


def test_leftovers_of_a_killed_download_go(repository: Path) -> None:
    leftover = cache.cache_directory() / "partial-killed"
    leftover.mkdir(parents=True)
    (leftover / "half.jar").write_bytes(b"the j")

    cache.fetch(QUIET)

    assert not leftover.exists()


def test_lock_names_every_file_once_and_no_repository() -> None:
    locked = locked_artifacts()

    assert len({artifact.filename for artifact in locked}) == len(locked) > 40
    assert all(len(artifact.sha256) == 64 and artifact.size > 0 for artifact in locked)
    assert not any("/" in artifact.coordinate for artifact in locked)


def _add(root: Path, part: str, coordinate: str, content: bytes) -> Artifact:
    artifact = Artifact(part, coordinate, hashlib.sha256(content).hexdigest(), len(content))
    group, name, *_ = coordinate.split(":")
    directory = root.joinpath(*group.split("."), name, artifact.version)
    directory.mkdir(parents=True)
    (directory / artifact.filename).write_bytes(content)
    return artifact


def _archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        entry = tarfile.TarInfo("lib/run.jar")
        entry.size = 300
        tar.addfile(entry, io.BytesIO(b"run" * 100))
    return buffer.getvalue()


def _configure(monkeypatch: pytest.MonkeyPatch, directory: Path, port: int) -> None:
    """Point jgo, which downloads for us, to a repository on this machine."""
    configuration = directory / "jgo.conf"
    configuration.write_text(f"[repositories]\nlocal = http://127.0.0.1:{port}\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(configuration))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
