"""What a stack remembers between commands.

<directory>/state.json   ports, password, and who is starting servers right now
            postgres/ kafka/ registry/   each server's data
            postgres.log kafka.log registry.log
"""

from __future__ import annotations

import json
import os
import random
import secrets
import socket
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bridge.errors import ConfigError

_PORTS = ("postgres", "kafka", "kafka_controller", "registry", "registry_management")
# Below the range from which kernels draw the ports of outgoing connections, so that none of those can occupy the
# port of a server that is down for a moment.
PORT_RANGE = range(15000, 32000)


@dataclass(frozen=True)
class State:
    """`owner` is the token of the `up` that has servers which must not outlive it (see guard.py)."""

    ports: dict[str, int]
    password: str
    owner: str | None = None
    owned: list[str] = field(default_factory=list)

    @classmethod
    def new(cls) -> State:
        """Free ports and a password of its own."""
        return cls(free_ports(), secrets.token_urlsafe(18))


def free_ports() -> dict[str, int]:
    """A port for every listener, each free at this moment."""
    ports: list[int] = []
    while len(ports) < len(_PORTS):
        port = random.SystemRandom().choice(PORT_RANGE)
        if port not in ports and is_port_free(port):
            ports.append(port)
    return dict(zip(_PORTS, ports, strict=True))


def is_port_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def read_state(directory: Path) -> State | None:
    """The stack's state, or None where there is no stack. Raises ConfigError when the file is not readable."""
    path = directory / "state.json"
    try:
        return State(**json.loads(path.read_text()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"cannot read {path} ({error})", hint="Remove the directory to start over") from error


def write_state(directory: Path, state: State) -> None:
    """Replace the state in one step, so that a crash leaves the old or the new."""
    partial = directory / "state.json.new"
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(asdict(state), file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(directory / "state.json")
