"""One dead event explained: what it died of, what would become of it now, and what waits behind it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from bridge.admin.dead import Decided, Wanted, list_decisions
from bridge.admin.dead_content import Content, read_contents
from bridge.encoding.encoder import Encoder
from bridge.encoding.exact_json import exact_json
from bridge.encoding.limits import TopicLimits
from bridge.errors import BridgeError, ConfigError, PoisonEvent, Unavailable
from bridge.event import STATES
from bridge.kafka.topics import topic_limits
from bridge.postgres.queries import query
from bridge.settings import Settings
from bridge.text import place

MOST = 1_000_000  # events that wait are counted up to this
FIELD = re.compile(r": \$((?:\.\w+|\[[0-9]+\]|\[\*\])*): expected ")
STEP = re.compile(r"\.(\w+)|\[([0-9]+)\]")
KINDS = {dict: "an object", list: "an array", str: "text", bool: "true or false", int: "a whole number"}


@dataclass(frozen=True, slots=True)
class Explained:
    """`field` is the path that the reason names, and `holds` the kind of what is there, None where that is not known.

    `on_retry` says what would become of it now, `is_mended` whether it would be published. `waiting` events wait behind
    it, exact below MOST. `decisions`: what was decided about it before.
    """

    event: Content
    field: str | None
    holds: str | None
    is_mended: bool
    on_retry: str
    waiting: int
    decisions: tuple[Decided, ...]


def explain(conn: psycopg.Connection, settings: Settings, event_id: UUID) -> Explained:
    """Encodes it with the settings and schema files of now; nothing is written anywhere.

    Raises BridgeError where it is not dead, or was decided about.
    """
    limits, doubt = _limits(settings)
    found = next(read_contents(conn, Wanted(event_ids=[event_id]), cut=limits.cut), None)
    decisions = tuple(list_decisions(conn, event_id, 10))
    if found is None:
        last = f"; the last decision about it: {decisions[0].decision}" if decisions else ""
        raise BridgeError(f"{event_id} is no dead event, or was decided about already{last}")
    path = FIELD.search(found.reason)
    is_mended, on_retry = _try(settings, found, limits)
    (waiting,) = conn.execute(query("dead_behind"), {"seq": found.seq, "most": MOST}).fetchone() or (0,)
    return Explained(
        found,
        None if path is None else f"${path[1]}",
        None if path is None else kind_at(found.payload, path[1], is_change=found.entity_type is not None),
        is_mended,
        on_retry + doubt,
        waiting,
        decisions,
    )


def _limits(settings: Settings) -> tuple[TopicLimits, str]:
    """Of the topics as they are now, and what is not known of them."""
    try:
        return TopicLimits(topic_limits(settings)), ""
    except (Unavailable, ConfigError) as error:
        return TopicLimits({}), f" (if its topic accepts its size, which is not known: {error.message})"


def _try(settings: Settings, found: Content, limits: TopicLimits) -> tuple[bool, str]:
    """Whether there is a record, and where it would go; the registry is not asked."""
    try:
        record = Encoder(settings, lambda _: 0, limits).record(found.event)
    except PoisonEvent as error:
        return False, f"it would die again: {error}"
    except BridgeError as error:
        return False, f"it would wait: {error}"
    except Exception as error:  # a bug, which would be one event's matter there, too
        return False, f"it would die again: unforeseen: {place(error)}"
    return True, f"it would be published to {record.topic}"


def kind_at(payload: str, path: str, *, is_change: bool) -> str | None:
    """The kind of what a payload has at a path, never the value; None in a map, whose keys are data.

    A change has the row before and after it as JSON text.
    """
    if "[*]" in path:
        return None
    try:
        value: Any = exact_json(payload)
        for depth, (name, index) in enumerate(STEP.findall(path)):
            value = value[name] if name else value[int(index)]
            if is_change and depth == 0 and name in STATES and value is not None:
                value = exact_json(value)
    except (KeyError, IndexError):
        return "nothing"
    except (TypeError, ValueError, ArithmeticError, RecursionError):
        return None
    return "null" if value is None else KINDS.get(type(value), "a number with a fraction")
