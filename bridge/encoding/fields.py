"""Takes fields out of a payload, or hides what they hold, before it is encoded: a route's `drop` and `mask`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import orjson

from bridge.encoding.exact_json import verbatim_json
from bridge.errors import EncodingError
from bridge.event import STATES

MASKED: Final = "[masked]"  # as bridge.enable_tracking writes it
TOLD_TWICE: Final = "entity_type_id"  # the column that stands in a change's payload beside its states, too

Filter = Callable[[str], str]  # JSON text to JSON text


def without(drop: Iterable[str], mask: Iterable[str], *, is_change: bool) -> Filter:
    """What takes these fields out of JSON text; numbers stay as they are spelled. A mask leaves null as it is.

    `is_change`: they are columns of the states in the payload of `entity.changed`, and names in its `changed_fields`
    and its summary.
    The filter raises EncodingError.
    """
    dropped, masked = frozenset(drop), frozenset(mask)

    def hide(fields: Any) -> Any:
        if not isinstance(fields, dict):  # to let it pass might tell what is to be hidden
            raise TypeError("no object")
        return {
            name: MASKED if name in masked and value is not None else value
            for name, value in fields.items()
            if name not in dropped
        }

    def hide_in_change(change: Any) -> Any:
        for state in STATES:
            if change[state] is not None:
                change[state] = _text(hide(verbatim_json(change[state])))
        if change.get(TOLD_TWICE) is not None and TOLD_TWICE in dropped | masked:
            change[TOLD_TWICE] = None  # a uuid, so no mask fits
        changed = change["changed_fields"]
        if changed is not None:
            kept = [name for name in changed if name not in dropped]
            if kept != changed:  # the summary names them, too, if it is ours; of another text nobody knows
                is_ours = change.get("change_summary") == _summary(change, changed)
                change |= {"changed_fields": kept, "change_summary": _summary(change, kept) if is_ours else None}
        return change

    def apply(payload: str) -> str:
        try:
            return _text((hide_in_change if is_change else hide)(verbatim_json(payload)))
        except (ValueError, TypeError, RecursionError) as error:
            raise EncodingError("the payload is not JSON that fields could be taken out of") from error

    return apply


def _summary(change: Any, changed_fields: Iterable[str]) -> str:
    """As bridge.change_summary() has it."""
    return f"{change['action']} of {change['entity_type']}: {', '.join(changed_fields)}"


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()
