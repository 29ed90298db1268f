"""The container image: what is in it, and that it does the whole job read-only, without rights, under any user."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from fix_command import data_of, lines_of
from fix_relay import Site, eventually
from fix_s3 import open_bucket
from image import CHECKOUT, PYTHON, Image, built, debian, inner, missing
from otlp_receiver import receiver
from ports import free_port

from bridge import __version__
from bridge.configuration.load import load

pytestmark = pytest.mark.timeout(1200)  # a build may take minutes where others are at work

NOBODY = 65532
# What a stranger would look for first.
TOOLS = ("sh", "bash", "dash", "busybox", "pip", "pip3", "gcc", "cc", "ld", "apt", "apt-get", "dpkg", "perl", "curl")
GRACE_SECONDS = 30  # Kubernetes' terminationGracePeriodSeconds, where nobody sets another


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    if (why := missing()) is not None:
        pytest.skip(why)
    try:
        base = debian()
    except subprocess.CalledProcessError:
        pytest.skip("Debian's packages, of which the image's base is made here, are not reached")
    with built(base) as image:
        yield image


def test_it_holds_what_bridge_needs_and_no_tools(image: Image) -> None:
    files = [path for path in image.root.rglob("*") if path.is_file() and not path.is_symlink()]
    print(f"the image's size: {sum(path.stat().st_size for path in files) / 1e6:.0f} MB in {len(files):,} files")
    names = {path.name for path in files}
    assert not names & {*TOOLS, "ensurepip"}
    assert not any(image.root.rglob("pip")), "pip is there"
    assert {path.name for path in (image.root / "opt/bridge/bin").iterdir()} == {
        "bridge", "python", "python3", f"python{PYTHON}",
    }  # fmt: skip
    assert [path for path in image.root.rglob("*") if path.lstat().st_mode & 0o6000] == [], "set-user-ID programs"
    writable = [path for path in image.root.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o022]
    assert writable == [image.root / "tmp"]
    assert {"libc6", "libssl3", f"python{PYTHON}-minimal"} <= {
        path.name for path in (image.root / "var/lib/dpkg/status.d").iterdir()
    }
    assert (image.root / "usr/share/doc/libc6/copyright").read_text()
    packages = image.root / f"opt/bridge/lib/python{PYTHON}/site-packages"
    assert {path.name.partition("-")[0] for path in packages.glob("*.dist-info")}.isdisjoint({"hatchling", "editables"})
    bills = [path.read_text() for path in packages.glob("bridge_cdc-*.dist-info/sboms/*")]
    assert bills == [path.read_text() for path in (CHECKOUT / "requirements").glob("*.cdx.json")]


def test_it_says_how_it_is_to_be_run(image: Image) -> None:
    config = image.config
    assert (config["Entrypoint"], config["Cmd"], config["User"]) == (["bridge"], ["run"], f"{NOBODY}:{NOBODY}")
    assert config["Healthcheck"]["Test"] == ["CMD", "bridge", "health"]
    assert config["StopSignal"] == "SIGTERM"
    assert {"BRIDGE_HTTP=:9108", "BRIDGE_CONFIG=/etc/bridge/bridge.toml"} <= set(config["Env"])
    assert "9108/tcp" in config["ExposedPorts"]
    labels = config["Labels"]
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.base.name"] == "localhost/base"
    assert labels["org.opencontainers.image.created"] > "2026"


class Containers:
    """Starts the image's commands for one bridge; each has the site's configuration and its database's address."""

    def __init__(self, image: Image, site: Site, mounted: Path) -> None:
        """`mounted`: a directory that every user may read."""
        self._image = image
        self._mounts = {mounted: "/etc/bridge"}
        self._started: list[subprocess.Popen[str]] = []
        shutil.copytree(site.config.parent / "schemas", mounted / "schemas")
        text = site.config.read_text().replace(f'url = "{site.settings.database.url}"', "")
        (mounted / "bridge.toml").write_text(text)
        (mounted / "url").write_text(site.settings.database.url)

    def start(
        self, user: tuple[int, int], *arguments: str, scratch: bool = False, port: int, **env: str
    ) -> subprocess.Popen[str]:
        process = self._image.start(
            *user, *self._image.config["Entrypoint"], *arguments, mounts=self._mounts, scratch=scratch,
            BRIDGE_DATABASE_URL_FILE="/etc/bridge/url", BRIDGE_HTTP=f"127.0.0.1:{port}", **env,
        )  # fmt: skip
        self._started.append(process)
        return process

    def run(
        self, user: tuple[int, int], *arguments: str, port: int = 1, code: int = 0, scratch: bool = False, **env: str
    ) -> str:
        """What a command of the image prints."""
        out, err = self.start(user, *arguments, scratch=scratch, port=port, **env).communicate(timeout=60)
        assert self._started[-1].returncode == code, out + err
        return out

    def close(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def containers(image: Image, site: Site, empty_database: str) -> Iterator[Containers]:
    site.use_database(empty_database)
    with tempfile.TemporaryDirectory(prefix="bridge-image-") as name:
        mounted = Path(name)
        mounted.chmod(0o755)
        containers = Containers(image, site, mounted)
        yield containers
        containers.close()


def test_it_does_the_whole_job(containers: Containers, site: Site) -> None:
    """Migrates, carries events under two users in turn, hands over, and what it carried is right."""
    named, anyone = (NOBODY, NOBODY), (secrets.randbelow(1_000_000) + 1_000_000_000, 0)  # as OpenShift does
    assert "up to date" not in containers.run(anyone, "migrate")
    site.roles.grant(site.settings.database.url)
    site.scalar("select bridge.set_shard_count(2)::text")

    first_port, second_port = free_port(), free_port()
    began = time.monotonic()
    first = containers.start(named, "run", port=first_port)
    eventually(lambda: is_well(containers, named, "--ready", port=first_port))
    print(f"from its start until it is ready: {time.monotonic() - began:.1f} s")
    site.publish(500)
    eventually(lambda: site.pending() == 0)
    eventually(lambda: containers.run(named, "health", port=first_port) == "ok\n")  # which looks now and then

    # Several workers, whose parent is process 1, need a place for their sockets.
    second = containers.start(anyone, "run", "--workers", "2", scratch=True, port=second_port)
    eventually(lambda: owners(site) == 2)
    site.publish(500)
    began = time.monotonic()
    assert stopped(first) == 0
    eventually(lambda: owners(site) == 2)
    took = time.monotonic() - began
    print(f"from SIGTERM until others have all shards: {took:.1f} s")
    assert took < GRACE_SECONDS
    site.publish(500)
    eventually(lambda: site.pending() == 0)
    eventually(lambda: containers.run(anyone, "health", port=second_port) == "ok\n")
    assert stopped(second) == 0
    containers.run(named, "health", port=second_port, code=1)  # nobody answers any more

    shown = containers.run(anyone, "tail", f"{site.name}.things", "--from-beginning", "--max", "3", "--json")
    assert [record["value"].keys() for record in lines_of(shown)] == [{"n", "text"}] * 3
    verified = data_of(containers.run(anyone, "verify", "--json", scratch=True))
    assert verified["lost"] == verified["duplicated"] == 0, verified
    assert site.audit().is_clean


def test_it_sends_traces(containers: Containers, site: Site) -> None:
    user = (NOBODY, NOBODY)
    containers.run(user, "migrate")
    site.roles.grant(site.settings.database.url)
    site.publish(10)
    with receiver() as collector:
        containers.run(user, "run", "--until-empty", port=0, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
        scopes = [scope for sent in collector.requests for of in sent.resource_spans for scope in of.scope_spans]
    assert "batch" in {span.name for scope in scopes for span in scope.spans}


def test_its_cold_files_go_to_s3(containers: Containers, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    user = (NOBODY, NOBODY)
    containers.run(user, "migrate")
    with site.connect() as db:
        db.execute("create table public.item as select n from generate_series(1, 1000) as n")
    with open_bucket() as bucket:
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
        bucket.create()
        folder = bucket.folder()
        containers.run(user, "archive", "export", "public.item", "--to", folder, **bucket.environment)
        assert len(bucket.files(folder, "manifest-*.json")) == 1
        assert "1,000 rows" in containers.run(user, "archive", "verify", folder, **bucket.environment)


def is_well(containers: Containers, user: tuple[int, int], *options: str, port: int) -> bool:
    process = containers.start(user, "health", *options, port=port)
    process.communicate(timeout=60)
    return process.returncode == 0


def owners(site: Site) -> int:
    """How many relays have shards; 0 while one of these is free."""
    statement = "select case when bool_and(owner is not null) then count(distinct owner) else 0 end from bridge.shard"
    return int(site.scalar(statement))


def stopped(process: subprocess.Popen[str]) -> int:
    """The exit code after SIGTERM."""
    os.kill(inner(process), signal.SIGTERM)
    _, err = process.communicate(timeout=GRACE_SECONDS)
    assert "Traceback" not in err
    return process.returncode


def test_what_the_readme_writes_is_an_event_with_a_route(database: str) -> None:
    (statement,) = re.findall(r'psql crm -c "(.*?)"$', (CHECKOUT / "deploy" / "README.md").read_text(), re.S | re.M)
    with psycopg.connect(database) as db:
        db.execute(statement)
        written = {event_type for (event_type,) in db.execute("select event_type from bridge.event_queue").fetchall()}
    assert written == {"contact.created"}
    assert written <= {route.event_type for route in load(CHECKOUT / "config" / "demo.toml", {}).routes}
