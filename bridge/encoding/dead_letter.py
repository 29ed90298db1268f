"""The copy of a dead event for the dead-letter topic: its payload as JSON text, and why it is dead."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.encoding.headers import (
    CE_TYPE,
    DEAD_CUT,
    DEAD_REASON,
    DEAD_SEQ,
    DEAD_SOURCE,
    DEAD_TABLE,
    event_headers,
    writer_headers,
)
from bridge.encoding.record import size
from bridge.errors import PoisonEvent
from bridge.event import DeadLetter, Event, Header, Record


class DoesNotFit(Exception):
    """The topic accepts next to nothing."""


CUT = 200  # characters left of a key, a type or a reason where the dead letter would not fit
IS_CUT: Header = (DEAD_CUT, b"true")


def dead_letter(letter: DeadLetter, topic: str, shared: Iterable[Header], timestamp_ms: int, limit: int) -> Record:
    """The copy, of at most `limit` bytes: the header `bridge_cut` says that it is not the whole event.

    `shared` are the headers that do not differ between events of one type. Raises DoesNotFit for a limit of some
    hundred bytes, which not even the cut copy keeps.
    """
    event = letter.event
    is_whole = bool(event.payload)
    own: list[Header] = []
    try:
        own = writer_headers(event.headers or "{}")
    except PoisonEvent:  # they may be why it is dead
        is_whole = False
    if not is_whole:
        own = [*own, IS_CUT]
    if len(event.payload) <= limit:  # or even to try would take its size in memory
        whole = _copy(event, letter.reason, topic, [*shared, *own], timestamp_ms)
        if size(whole) <= limit:
            return whole
    event = event._replace(key=event.key[:CUT], payload=event.payload[:limit])
    few = [header for header in shared if header[0] != CE_TYPE]
    cut_type: Header = (CE_TYPE, event.event_type[:CUT].encode())
    cut = _copy(event, letter.reason[:CUT], topic, [*few, cut_type, IS_CUT], timestamp_ms)
    payload = cut.value or b""
    cut = cut._replace(value=payload[: max(len(payload) - max(size(cut) - limit, 0), 0)])
    if size(cut) > limit:
        raise DoesNotFit(f"its max.message.bytes is {limit}, which is too little for a dead letter")
    return cut


def _copy(event: Event, reason: str, topic: str, more: list[Header], timestamp_ms: int) -> Record:
    table: list[Header] = [] if event.entity_type is None else [(DEAD_TABLE, event.entity_type[:CUT])]
    headers: list[Header] = [
        *more,
        *table,
        *event_headers(event),
        (DEAD_REASON, reason.encode("utf-8", "replace")),
        (DEAD_SOURCE, event.source),
        (DEAD_SEQ, str(event.seq)),
    ]
    return Record(topic, event.key.encode(), event.payload.encode(), headers, timestamp_ms)
