"""A change of a table, from its payload to its record, in as few calls as can be where it is a usual one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, get_args, get_type_hints

from bridge.encoding.change_fields import Field, State, together
from bridge.encoding.change_payload import Change, reader
from bridge.encoding.row import UNUSUAL, Row
from bridge.encoding.straight import writer
from bridge.encoding.templates import branch

# What changes of a table mostly have alike
ALIKE: Final = ("action", "changed_fields", "performed_by", "actor_status", "change_summary", "entity_type")

READ_AS: Final = get_type_hints(Change)
Written = Callable[[str], bytes]  # a payload, JSON text


def usual_change(fields: Sequence[Field | State], rows: Mapping[str, Row], otherwise: Written) -> Written:
    """What writes payloads as `fields`, by the payload's names, of which some are states of `rows`.

    Where something is not usual, for some schemas always, `otherwise` does it.
    """
    row, *others = rows.values() or (None,)
    if row is None or not row.is_usual or any(other is not row for other in others):
        return otherwise
    read = reader([field.name for field in fields])
    calls = {"read": read, "read_row": row.read, "UNUSUAL": UNUSUAL, "otherwise": otherwise}
    return writer(together([_as_read(field) for field in fields], ALIKE), row.fields, calls)


def _as_read(field: Field | State) -> Field | State:
    """With lines of its own only where these take what the payload is read as; of a time none has text."""
    if isinstance(field, State):
        return field
    found, kind = branch(field.schema)[0], READ_AS[field.name]
    return field if found is None or found.held in (kind, *get_args(kind)) else field._replace(schema=[])
