"""The payload of `entity.changed`, JSON text that bridge.change_payload() makes, as an object."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, get_type_hints

import msgspec
from msgspec.structs import fields


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
    previous_state: str | None = None
    new_state: str | None = None
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
    previous_state: Any = None
    new_state: Any = None
    changed_fields: Any = None
    change_summary: Any = None
    occurred_at: Any = None


WHATEVER: Final = msgspec.json.Decoder(AnyChange, float_hook=Decimal).decode


def reader(names: Collection[str]) -> Callable[[str], Change]:
    """What reads payloads, and of what need not be there those fields alone that are among `names`.

    It raises what msgspec does.
    """
    types = get_type_hints(Change)
    skipped = {field.name: None for field in fields(Change) if not field.required and field.name not in names}
    wanted = [
        (field.name, types[field.name]) if field.required else (field.name, types[field.name], None)
        for field in fields(Change)
        if field.name not in skipped
    ]
    kind: Any = msgspec.defstruct("Wanted", wanted, namespace=skipped, gc=False)
    made: Callable[[str], Change] = msgspec.json.Decoder(kind).decode
    return made
