"""Whose data are erased: which rows are the subject's, and what is left of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from bridge.encoding.headers import ERASED
from bridge.event import ENTITY_EVENTS, EVENT_QUEUE, STATES

EMPTY = '{"erased": true}'  # as Postgres writes it
CERTIFICATE = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
OUTBOX, HISTORY = "bridge.outbox", "bridge.history"
LOGS = ("bridge.activity_log", "bridge.activity_log_archive")

Row = Mapping[str, object]  # values by column; documents are JSON text


@dataclass(frozen=True, slots=True)
class Subject:
    """The key of an application's own events, or an entity by its type and id."""

    key: str
    entity_type: str | None = None

    @property
    def kafka_key(self) -> str:
        """The key of its records."""
        return self.key if self.entity_type is None else f"{self.entity_type}:{self.key}"

    @property
    def source(self) -> str:
        """As events have it."""
        return EVENT_QUEUE if self.entity_type is None else ENTITY_EVENTS

    @property
    def parents(self) -> tuple[str, ...]:
        """The tables that may hold its rows."""
        return (OUTBOX,) if self.entity_type is None else (HISTORY, *LOGS)

    def owns(self, row: Row) -> bool:
        """Whether it is one of its rows, erased or not; as `bridge.erasure_filter` has it."""
        if self.entity_type is None:
            return row["event_key"] == self.key
        return (row["entity_type"], row["entity_id"]) == (self.entity_type, self.key) and row["action"] != "TRUNCATE"

    def is_in(self, row: Row) -> bool:
        """Whether a row has anything of it left."""
        return self.owns(row) and not is_erased(row)


def is_erased(row: Row) -> bool:
    """Whether `bridge erase` has left it as it is; a header alone does not say so, for writers choose theirs."""
    document = row["headers" if "headers" in row else "meta"]
    mark = orjson.loads(document) if isinstance(document, str) else None
    erasure = mark.get(ERASED) if isinstance(mark, dict) else None
    if not isinstance(erasure, str) or not CERTIFICATE(erasure):
        return False
    return all(row[name] == value for name, value in _remnant(row, erasure).items())


def erased(row: Mapping[str, str | None], erasure: str) -> list[str | None]:
    """What is left of a row, with values as texts (`bridge.keeping.cold_row`); as `bridge.erase_rows` does it."""
    remnant = _remnant(row, erasure)
    return [remnant.get(name, text) for name, text in row.items()]


def _remnant(row: Row, erasure: str) -> dict[str, str | None]:
    """The columns that are changed, and to what."""
    mark = f'{{"{ERASED}": "{erasure}"}}'
    if "payload" in row:
        return {"payload": EMPTY, "headers": mark}
    if "headers" in row:
        states = {name: EMPTY for name in STATES if row[name] is not None}
        return {"performed_by": None, "changed_fields": None, "change_summary": "erased", "headers": mark, **states}
    return {**dict.fromkeys(("user_id", "ip_address", "user_agent", "device", "geo")), "meta": mark}
