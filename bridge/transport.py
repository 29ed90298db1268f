"""Which connections let nobody in between listen or answer: pure decisions, for all three servers.

A connection to this machine needs no TLS. Any other must be encrypted, and the server proven to be the one that was
named; where an operator wants it otherwise, a section's `allow_insecure` says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

VERIFIED = "verify-full"  # the one sslmode of libpq's by which the server must prove that it is the one that was named
PROMISES = {
    "disable": "would not be encrypted",
    "allow": "might not be encrypted",
    "prefer": "might not be encrypted",
    "require": "would be encrypted, but whoever answers would be believed",
    "verify-ca": "would be encrypted, but any server with a certificate of the same CA would be believed",
}


class Exposed(NamedTuple):
    """A connection that somebody in between could read, or answer; why, and what to do."""

    message: str
    hint: str


def exposed(section: str, message: str, mend: str) -> Exposed:
    """Of the server of a section of the configuration: "database", "kafka" or "registry"."""
    option = f"{section}.allow_insecure = true (BRIDGE_{section.upper()}_ALLOW_INSECURE=true)"
    return Exposed(message, f"{mend}, or set {option} if the network in between can be trusted")


def is_local(host: str) -> bool:
    """Whether a host is this machine: a loopback address, `localhost`, or a Unix socket, as libpq names them.

    What is spelled in an unusual way (127.1, a decimal number, a name that only resolves to a loopback address) is not:
    who decides by the spelling must not guess what a resolver makes of it.
    """
    if host.startswith(("/", "@")) or host.lower() == "localhost":
        return True
    address = _address(host)
    return address is not None and address.is_loopback


def exposed_database(parameters: Mapping[str, str]) -> Exposed | None:
    """What is wrong with the way to Postgres, if anything is.

    `parameters`: what libpq connects with, from all of its sources (`bridge.libpq.in_effect`).
    """
    mode = parameters.get("sslmode", "prefer")
    far = [host for host in hosts(parameters) if not is_local(host)]
    if mode == VERIFIED or not far:
        return None
    promise = PROMISES.get(mode, "has an sslmode that is not known")
    more = f" and {len(far) - 1} more" if len(far) > 1 else ""
    message = f"the connection to Postgres at {far[0]}{more}, not on this machine, {promise} (sslmode={mode})"
    ca = "sslrootcert=<file of its CA> (or sslrootcert=system)"
    return exposed("database", message, f"Add sslmode={VERIFIED} and {ca} to database.url")


def exposed_registry(url: str) -> Exposed | None:
    """What is wrong with the way to the schema registry, or to one of several with commas between them."""
    for one in url.split(","):
        parts = urlsplit(one.strip())
        if parts.scheme != "https" and not is_local(parts.hostname or ""):
            message = f"the connection to the registry at {parts.hostname}, not on this machine, would not be encrypted"
            return exposed("registry", message, "Write https:// in registry.url")
    return None


def hosts(parameters: Mapping[str, str]) -> Iterator[str]:
    """Where libpq would connect to: an address wins over its name, and what is empty is the default socket."""
    names, addresses = (parameters.get(name, "").split(",") for name in ("host", "hostaddr"))
    for number in range(max(len(names), len(addresses))):
        name, address = (each[number] if number < len(each) else "" for each in (names, addresses))
        yield address or name or "/"


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
