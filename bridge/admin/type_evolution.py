"""What a field's type becomes when its column's has changed: one that reads all that was written, or none.

Rather than to narrow a type, the former one stays where it holds the column's values as well.
"""

from __future__ import annotations

from typing import Any

from bridge.admin.avro_names import avro_names
from bridge.admin.column_types import SPELLED, decimal
from bridge.encoding.row import OURS, ours

Schema = Any
WIDER = ("int", "long", "float", "double")  # each is read as those behind it


def evolved(former: Schema, now: Schema, labels: list[str]) -> Schema | None:
    """The type for what was written as `former` and is `now`; None where there is none.

    `labels` are those of the column's type where that is an enum, some of which may be no names in Avro.
    """
    if former == now:
        return now
    kinds = _kind(former), _kind(now)
    match kinds:
        case ("string", "string"):
            return SPELLED if ours(former) == ours(SPELLED) and ours(now) != {"form": "json"} else now
        case ("uuid", "string") if not ours(now):
            return now
        case ("string", _):
            return SPELLED if ours(former).get("form") != "json" else None
        case ("decimal", "decimal"):
            return _decimal(former, now)
        case ("enum", "enum" | "string") if labels:
            return _enum(former, labels)
        case ("array", "array"):
            return _array(former, now, labels)
        case (finer, _) if finer == kinds[1].replace("micros", "millis"):
            return former  # somebody's choice: what is more precise is refused when it is written
        case _ if set(kinds) <= set(WIDER):
            return max(kinds, key=WIDER.index)
    return None


def bare(schema: Schema) -> Schema:
    """The type beside null, where it is one of the two branches of a union."""
    if isinstance(schema, list) and len(schema) == 2 and "null" in schema:
        return next(branch for branch in schema if branch != "null")
    return schema


def _kind(schema: Schema) -> str:
    if isinstance(schema, dict):
        return str(schema.get("logicalType", schema.get("type")))
    return schema if isinstance(schema, str) else "union"


def _decimal(former: Schema, now: Schema) -> Schema | None:
    """A decimal's bytes mean what its scale says, so that can only stay."""
    scale = former.get("scale", 0)
    if former["type"] != "bytes" or now["scale"] > scale:
        return None
    return decimal(max(former["precision"], now["precision"] - now["scale"] + scale), scale)


def _enum(former: Schema, labels: list[str]) -> Schema:
    """Symbols are only ever added, at the end; one whose value was renamed or dropped stays for what was written."""
    symbols, given = former["symbols"], ours(former).get("labels", {})
    known = {given.get(symbol, symbol): symbol for symbol in symbols}
    names = avro_names(labels, known)
    adjusted = {symbol: label for label, symbol in names.items() if label != symbol}
    added = [names[label] for label in labels if label not in known]
    evolved = {key: value for key, value in former.items() if key != OURS} | {"symbols": [*symbols, *added]}
    return {**evolved, OURS: {"labels": adjusted}} if adjusted else evolved


def _array(former: Schema, now: Schema, labels: list[str]) -> Schema | None:
    """Postgres does not keep how many dimensions an array was declared with, so the former schema's count."""
    items, items_now = bare(former["items"]), bare(now["items"])
    if _kind(items) == "array" and _kind(items_now) != "array":
        items_now = now
    found = evolved(items, items_now, labels)
    if found is None:
        return None
    return {"type": "array", "items": ["null", found] if isinstance(former["items"], list) else found}
