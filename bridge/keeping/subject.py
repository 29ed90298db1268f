"""Whose data are erased: which rows are the subject's, and what is left of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from bridge.encoding.headers import ERASED
from bridge.event import ENTITY_EVENTS, EVENT_QUEUE

EMPTY = '{"erased": true}'  # as Postgres writes it
OUTBOX, HISTORY = "bridge.outbox", "bridge.history"
STATES = ("previous_state", "new_state")
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
    """Whether `bridge erase` has been at it."""
    document = row["headers"] if "headers" in row else row["meta"]
    return isinstance(document, str) and ERASED in orjson.loads(document)


def erased(names: Sequence[str], stored: Sequence[str | None], erasure: str) -> list[str | None]:
    """What is left of a row, with values as texts (`bridge.keeping.cold_row`); as `bridge.erase_rows` does it."""
    mark = f'{{"{ERASED}": "{erasure}"}}'
    if "payload" in names:
        left: dict[str, str | None] = {"payload": EMPTY, "headers": mark}
    elif "headers" in names:
        states = {name: EMPTY for name, text in zip(names, stored, strict=True) if name in STATES and text is not None}
        left = {**dict.fromkeys(("performed_by", "changed_fields")), "change_summary": "erased", "headers": mark}
        left |= states
    else:
        left = {**dict.fromkeys(("user_id", "ip_address", "user_agent", "device", "geo")), "meta": mark}
    return [left.get(name, text) for name, text in zip(names, stored, strict=True)]
