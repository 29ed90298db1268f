"""The three servers of one directory, as `bridge local` and the tests use them."""

from __future__ import annotations

import secrets
import shlex
import subprocess
import sys
import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from bridge.errors import ConfigError
from bridge.local.cache import fetch
from bridge.local.directory import locked, prepare
from bridge.local.directory import purge as purge_directory
from bridge.local.kafka import Kafka
from bridge.local.postgres import Postgres
from bridge.local.registry import Registry
from bridge.local.server import Server
from bridge.local.state import State, free_ports, read_state, write_state

_POLL_SECONDS = 0.1
_QUIET = Console(quiet=True)
NAMES = (Postgres.name, Kafka.name, Registry.name)


@dataclass(frozen=True)
class Endpoints:
    """What a client needs to reach the servers."""

    database_url: str
    kafka_bootstrap_servers: str
    registry_url: str


@dataclass(frozen=True)
class ServerStatus:
    """`pid` is None while the server is down."""

    name: str
    title: str
    port: int
    pid: int | None


class Stack:
    """Postgres, Kafka and a schema registry on 127.0.0.1, with all they keep in one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self._guard: subprocess.Popen[bytes] | None = None
        self._token = secrets.token_hex(8)

    @property
    def postgres(self) -> Postgres:
        return Postgres(self.directory, self._state())

    @property
    def kafka(self) -> Kafka:
        return Kafka(self.directory, self._state())

    @property
    def registry(self) -> Registry:
        return Registry(self.directory, self._state())

    @property
    def servers(self) -> tuple[Server, ...]:
        """The slowest to start comes first."""
        return (self.registry, self.kafka, self.postgres)

    @property
    def endpoints(self) -> Endpoints:
        """Where the servers listen, or will. Raises ConfigError when there is no stack."""
        return Endpoints(self.postgres.url, self.kafka.bootstrap_servers, self.registry.url)

    def exists(self) -> bool:
        return read_state(self.directory) is not None

    def status(self) -> list[ServerStatus]:
        """What runs. Raises ConfigError when there is no stack."""
        found = [(server, server.process()) for server in reversed(self.servers)]
        return [
            ServerStatus(server.name, server.title, server.port, process.pid if process else None)
            for server, process in found
        ]

    def up(
        self,
        console: Console = _QUIET,
        *,
        only: Collection[str] = NAMES,
        attached: bool = False,
        new_ports: bool = False,
    ) -> Endpoints:
        """Start what does not run, of the servers named in `only`, and wait until all of these answer.

        The servers outlive this process, unless `attached`: then they end with it, however it ends.
        An `up` that does not finish leaves none of the servers that it started.
        """
        prepare(self.directory)
        if not set(only) <= {Postgres.name}:
            fetch(console)
        with locked(self.directory, console):
            state = read_state(self.directory) or self._new_state()
            stopped = [server.name for server in self.servers if server.process() is None]
            if new_ports:
                if len(stopped) < len(self.servers):
                    raise ConfigError("the servers run, so their ports cannot change", hint="`bridge local down` first")
                state = replace(state, ports=free_ports())
            new = [name for name in stopped if name in only]
            if not new:
                console.print(f"the servers of {self.directory} are running already")
            attached_before = state.owned if state.owner == self._token else []
            self._start(replace(state, owner=self._token, owned=[*attached_before, *new]), only, console)
            if not attached:
                self._release()
        return self.endpoints

    def down(self, *, purge: bool = False, console: Console = _QUIET) -> None:
        """Stop the servers; `purge` removes their data too. Raises ConfigError when there is no stack."""
        self._state()
        with locked(self.directory, console):
            self._stop(NAMES)
            self._release()
            if purge:
                purge_directory(self.directory)

    def stop_owned(self, token: str) -> None:
        """For the guard: stop what the `up` with this token started, unless it finished or somebody took over."""
        if not self._is_owner(token):  # a finished `up` waits for its guard and holds the lock
            return
        with locked(self.directory, _QUIET):
            if self._is_owner(token):
                self._stop(self._state().owned)
                self._disown()

    def _is_owner(self, token: str) -> bool:
        state = read_state(self.directory)
        return state is not None and state.owner == token

    def _new_state(self) -> State:
        """Start over. Servers of a stack whose directory was deleted under them have nothing left to serve."""
        state = State.new()
        write_state(self.directory, state)
        for server in self.servers:
            server.kill()
        return state

    def _start(self, state: State, only: Collection[str], console: Console) -> None:
        write_state(self.directory, state)
        self._post_guard()
        pending = {server.title: server.starting() for server in self.servers if server.name in only}
        try:
            while pending:
                for title, steps in list(pending.items()):
                    try:
                        next(steps)
                    except StopIteration:
                        del pending[title]
                        console.print(f"{title} is ready")
                time.sleep(_POLL_SECONDS)
        except BaseException:
            for steps in pending.values():
                steps.close()
            self._stop(state.owned)
            self._release()
            raise

    def _stop(self, names: Collection[str]) -> None:
        for server in self.servers:
            if server.name in names:
                server.end_set_up()
                server.stop()

    def _disown(self) -> None:
        write_state(self.directory, replace(self._state(), owner=None, owned=[]))

    def _release(self) -> None:
        """Let the servers outlive this process."""
        self._disown()
        self._dismiss_guard()

    def _post_guard(self) -> None:
        if self._guard is not None:
            return
        guard = [sys.executable, "-P", "-m", "bridge.local.guard", str(self.directory), self._token]
        quiet = subprocess.DEVNULL  # or whoever reads this command's output would wait for the guard's end
        self._guard = subprocess.Popen(guard, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, start_new_session=True)

    def _dismiss_guard(self) -> None:
        if self._guard is not None:
            self._guard.communicate()
            self._guard = None

    def _state(self) -> State:
        state = read_state(self.directory)
        if state is None:
            raise ConfigError(
                f"there are no local servers in {self.directory}",
                hint=f"Start them: bridge local up --dir {shlex.quote(str(self.directory))}",
            )
        return state
