"""The payload of `entity.changed`, JSON text that bridge.change_payload() makes, as an object."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec


class Change(msgspec.Struct, gc=False):
    """The payload of `entity.changed`, as bridge.change_payload() makes it."""

    id: str
    seq: int
    entity_type: str
    entity_id: str
    action: str
    entity_type_id: str | None = None
    entity_event_type: str | None = None
    performed_by: str | None = None
    actor_status: str | None = None
    previous_state: Any = None
    new_state: Any = None
    changed_fields: tuple[str, ...] | None = None
    change_summary: str | None = None
    occurred_at: datetime | None = None


class AnyChange(Change, gc=False):
    """The same, whatever is in it."""

    id: Any
    seq: Any
    entity_type: Any
    entity_id: Any
    action: Any
    entity_type_id: Any = None
    entity_event_type: Any = None
    performed_by: Any = None
    actor_status: Any = None
    changed_fields: Any = None
    change_summary: Any = None
    occurred_at: Any = None


USUAL: Final = msgspec.json.Decoder(Change).decode
WHATEVER: Final = msgspec.json.Decoder(AnyChange, float_hook=Decimal).decode
