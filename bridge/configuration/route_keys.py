"""What each key of a route may be, and as what it comes into `Route`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bridge.configuration.knobs import Wrong, kind_name, shown
from bridge.encoding.headers import MAX_HEADER_BYTES, MAX_HEADERS, RESERVED
from bridge.settings import Encoding, OnDead

TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")
MAX_EVENT_TYPE = 128  # characters, in bridge.event_queue
MAX_TABLE = 200  # characters of an entity_type


def topic_trouble(name: str) -> str | None:
    """Why Kafka would not take a topic's name, if it would not."""
    if not TOPIC.fullmatch(name) or name in (".", ".."):
        return f"must be 1 to 249 letters, digits, '.', '_' or '-' (Kafka), not {shown(name)}"
    return f"must not begin with __, as Kafka's own topics do, not {name!r}" if name.startswith("__") else None


def read_key(key: str, value: object) -> Any:
    """The value of a route's key as `Route` has it. Raises Wrong, which completes "the route's key ..."."""
    return READERS[key](value)


def joint_troubles(route: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with keys that are right by themselves: at which key, and why."""
    encoding = route.get("encoding", Encoding.AVRO)
    if "event_type" in route and "table" in route:
        yield "table", "stands beside an event_type: a route is for the one or the other"
    if encoding is not Encoding.AVRO and "subject" in route:
        yield "subject", f"has no meaning beside encoding = {encoding.value!r}, which needs no schema"
    if encoding is Encoding.RAW:
        for key in ("table", "drop", "mask"):
            if key in route:
                yield key, "has no meaning beside encoding = 'raw', whose payload is no more than bytes"
    for name in set(route.get("drop", ())) & set(route.get("mask", ())):
        yield "mask", f"names {shown(name)}, which drop takes out"


def missing_keys(row: Mapping[str, object]) -> list[str]:
    """The keys that a route needs and has not."""
    missing = [key for key in ("topic",) if key not in row]
    return missing if "event_type" in row or "table" in row else ["event_type (or table)", *missing]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Wrong(f"must be text, not {kind_name(value)}")
    if not value or not value.isprintable():
        raise Wrong(f"must be printable text, not {shown(value)}")
    return value


def _event_type(value: object) -> str:
    text = _short(value, MAX_EVENT_TYPE)
    if "*" in text[:-1]:
        raise Wrong(f"may have a * at its end only, for all types that begin like it, not {shown(text)}")
    return text


def _table(value: object) -> str:
    return _short(value, MAX_TABLE)


def _short(value: object, most: int) -> str:
    text = _text(value)
    if len(text) > most:
        raise Wrong(f"must have {most} characters at most, as in the database, not {len(text)}")
    return text


def _topic(value: object) -> str:
    if not isinstance(value, str):
        raise Wrong(f"must be text, not {kind_name(value)}")
    if trouble := topic_trouble(value):
        raise Wrong(trouble)
    return value


def _encoding(value: object) -> Encoding:
    try:
        return Encoding(str(value))
    except ValueError:
        raise Wrong(f"must be one of {', '.join(Encoding)}, not {shown(value)}") from None


def _on_dead(value: object) -> OnDead:
    try:
        return OnDead(str(value))
    except ValueError:
        raise Wrong(f"must be one of {', '.join(OnDead)}, not {shown(value)}") from None


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise Wrong(f"must be true or false, not {shown(value)}")
    return value


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise Wrong(f"must be an array of names, not {shown(value)}")
    names = tuple(_text(name) for name in value)
    if len(set(names)) < len(names):
        raise Wrong("names something twice")
    return names


def _headers(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        raise Wrong(f"must be a table of names and texts, not {kind_name(value)}")
    for name, text in value.items():
        _text(name)
        _text(text)
        if name.lower().startswith(RESERVED):
            raise Wrong(f"must not set {shown(name)}: names that begin with {', '.join(RESERVED)} are bridge's")
    headers = tuple(sorted(value.items()))
    if len(headers) > MAX_HEADERS or sum(len(n.encode()) + len(t.encode()) for n, t in headers) > MAX_HEADER_BYTES:
        raise Wrong(f"must be {MAX_HEADERS} at most, and {MAX_HEADER_BYTES} bytes together")
    return headers


READERS: Mapping[str, Callable[[object], Any]] = {
    "event_type": _event_type,
    "table": _table,
    "topic": _topic,
    "subject": _text,
    "encoding": _encoding,
    "headers": _headers,
    "drop": _names,
    "mask": _names,
    "tombstone": _flag,
    "on_dead": _on_dead,
}
