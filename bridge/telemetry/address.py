"""Where HTTP is served: `host:port`, `[::1]:port`, `:port` for all of the machine's addresses, `unix:/path`."""

from __future__ import annotations

import errno
import os
import re
import socket
from typing import NamedTuple

from bridge.errors import ConfigError

FORM = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:\[\]]*)):(?P<port>[0-9]{1,5})")
WAITING = 128  # connections that the kernel keeps for us; it takes no more than net.core.somaxconn


class Address(NamedTuple):
    """A host, empty for every address of the machine, and a port, 0 for any that is free; or a socket's path."""

    host: str
    port: int
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Raises ConfigError for what is none."""
    if text.startswith("unix:/"):
        return Address("", 0, text.removeprefix("unix:"))
    match = FORM.fullmatch(text.strip())
    if match is None or int(match["port"]) > 65535:
        hint = "Write 127.0.0.1:9108, [::1]:9108, or :9108 for every address of this machine"
        raise ConfigError(f"{text!r} is no address to serve HTTP at", hint=hint)
    return Address(match["v6"] or match["host"] or "", int(match["port"]))


def listen(address: Address) -> socket.socket:
    """A socket that listens there. Raises ConfigError where that cannot be, a port that is in use among it."""
    try:
        if address.path:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(address.path)
            listener.listen(WAITING)
            return listener
        if not address.host:
            return _listen_everywhere(address.port)
        family, _, _, _, where = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(where[:2], family=family, backlog=WAITING)
    except (OSError, UnicodeError) as error:  # a host's name may be none
        why = _why(error)
        hint = "Stop what listens there, or give --http another port; port 0 takes any that is free"
        raise ConfigError(f"cannot serve HTTP at {address}: {why}", hint=hint) from error


def connect_to(address: Address, seconds: float) -> socket.socket:
    """A connection to what listens there; where it listens everywhere, to this machine. Raises OSError."""
    if not address.path:
        return socket.create_connection((address.host or "localhost", address.port), timeout=seconds)
    conn = socket.socket(socket.AF_UNIX)
    conn.settimeout(seconds)
    try:
        conn.connect(address.path)
    except BaseException:
        conn.close()
        raise
    return conn


def _why(error: OSError | UnicodeError) -> str:
    """Without what Python adds to it, which is the address once more."""
    if isinstance(error, UnicodeError):
        return "that is no host's name"
    if isinstance(error, socket.gaierror) or error.errno is None:
        return error.strerror or str(error)
    return os.strerror(error.errno)


def _listen_everywhere(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("::", port), family=socket.AF_INET6, backlog=WAITING, dualstack_ipv6=True)
        except OSError as error:
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):  # IPv6 is built in, and switched off
                raise
    return socket.create_server(("", port), backlog=WAITING)
