"""What a value must be, beyond its type: by itself, and beside others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bridge.configuration.kafka_properties import canonical, refused
from bridge.configuration.knobs import PROPERTIES, SCHEMAS, shown
from bridge.configuration.limits import LIMITS
from bridge.configuration.mistake import DEFAULT, Given, Mistake, Origin
from bridge.configuration.route_keys import topic_trouble
from bridge.configuration.routes import folded
from bridge.configuration.urls import database_trouble, is_port, registry_trouble
from bridge.settings import Settings

Trouble = Callable[[Any], str | None]

# librdkafka takes SASL_SSL://host:9092, too, and a host without its port.
SERVER = re.compile(r"((SASL_)?(PLAINTEXT|SSL)://)?(\[[0-9a-f:.]+\]|[^@/\s,:\[\]]+)(:(?P<port>\d+))?", re.IGNORECASE)
NAME = re.compile(r"[a-zA-Z0-9._-]{1,64}")
TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]*")  # RFC 6750
FILES = ("registry.ca_file", "registry.certificate_file", "registry.key_file")


def _name(text: str) -> str | None:
    return None if NAME.fullmatch(text) else f"must be 1 to 64 letters, digits, '.', '_' or '-', not {shown(text)}"


def _servers(text: str) -> str | None:
    found = [SERVER.fullmatch(server.strip()) for server in text.split(",")] if text else []
    ok = all(server is not None and (server["port"] is None or is_port(server["port"])) for server in found)
    return None if ok else "must be host:port,host:port; a login belongs into kafka.properties"


def _username(text: str) -> str | None:
    return "must not contain ':', which ends it in HTTP" if ":" in text else None


def _token(text: str) -> str | None:
    return None if TOKEN.fullmatch(text) else "must be letters, digits and '-._~+/=', as a bearer token is"


def _file(text: str) -> str | None:
    try:
        with Path(text).open("rb"):
            return None
    except (OSError, ValueError) as error:
        return f"cannot be read from {shown(text)}: {getattr(error, 'strerror', None) or 'it is no path'}"


def _directory(text: str) -> str | None:
    return None if text else "must be a directory; leave it out for the schemas that ship with bridge"


def _registry(url: str) -> str | None:
    return registry_trouble(url) if url else None


RULES: Mapping[str, Trouble] = {
    **{name: limit.trouble for name, limit in LIMITS.items()},
    "database.url": database_trouble,
    "kafka.bootstrap_servers": _servers,
    "registry.url": _registry,
    "registry.username": _username,
    "registry.token": _token,
    **dict.fromkeys(FILES, lambda text: _file(text) if text else None),
    "relay.name": _name,
    "topics.control": topic_trouble,
    "topics.dead_letters": topic_trouble,
    SCHEMAS: _directory,
}


def _is_text(value: str) -> bool:
    """In the environment, bytes that are not UTF-8 arrive as lone surrogates."""
    return "\0" not in value and not any("\ud800" <= char <= "\udfff" for char in value)


def value_mistakes(given: Mapping[str, Given]) -> Iterator[Mistake]:
    """What is wrong with each value by itself."""
    for name, (value, origin) in given.items():
        trouble = RULES[name](value) if name in RULES else None
        if trouble:
            yield Mistake(name, origin, f"{name} {trouble}")
        elif isinstance(value, str) and not _is_text(value):
            yield Mistake(name, origin, f"{name} must be UTF-8 without a NUL character")


def property_mistakes(given: Mapping[str, Given]) -> Iterator[Mistake]:
    """Kafka's properties that are not the operator's, or that are given twice under two names."""
    first: dict[str, str] = {}
    for full, (value, origin) in given.items():
        if not full.startswith(f"{PROPERTIES}."):
            continue
        name = full.removeprefix(f"{PROPERTIES}.")
        earlier = first.setdefault(canonical(name), name)
        if why := refused(name, value):
            yield Mistake(full, origin, f"{PROPERTIES} must not set {name!r}: {why.why}")
        elif name.endswith(".url") and "@" in value:  # librdkafka repeats it in its log
            message = f"{full} must not contain a login"
            yield Mistake(full, origin, message, "Set sasl.oauthbearer.client.id and .client.secret")
        elif earlier != name:
            there = given[f"{PROPERTIES}.{earlier}"].origin
            yield Mistake(full, origin, f"{name!r} is another name of {earlier!r} ({there})", "Leave one out")


def joint_mistakes(settings: Settings, origins: Mapping[str, Origin]) -> Iterator[tuple[set[str], Mistake]]:
    """What is wrong with values beside others, each with the names of all of them."""
    relay, topics = settings.relay, settings.topics
    if relay.poll_min_seconds > relay.poll_max_seconds:
        yield _joint("relay.poll_min_seconds", "must be at most", "relay.poll_max_seconds", origins)
    if folded(topics.control) == folded(topics.dead_letters):
        yield _joint("topics.dead_letters", "must be another topic than", "topics.control", origins)
    registry = settings.registry
    if registry.password and not registry.username:
        yield _joint("registry.password", "has no effect without", "registry.username", origins)
    if registry.token and registry.username:
        yield _joint("registry.token", "is another login than", "registry.username", origins)
    if registry.key_file and not registry.certificate_file:
        yield _joint("registry.key_file", "has no effect without", "registry.certificate_file", origins)
    if settings.schemas is not None and not settings.schemas.is_dir():
        message = f"there is no directory {settings.schemas}"
        hint = "Put the <subject>.avsc files there, or correct schemas"
        yield {SCHEMAS}, Mistake(SCHEMAS, origins[SCHEMAS], message, hint)


def _joint(name: str, must: str, other: str, origins: Mapping[str, Origin]) -> tuple[set[str], Mistake]:
    """Said where the first was given, or else the second."""
    origin = origins[name] if origins[name] != DEFAULT else origins[other]
    return {name, other}, Mistake(name, origin, f"{name} {must} {other} ({origins[other]})")
