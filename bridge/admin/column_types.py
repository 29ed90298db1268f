"""The Avro type of a column: its values as a state holds them, and nothing else, fit it exactly.

Types that Avro has no counterpart of are text as Postgres prints them, and so are those that are not built in, for a
state holds them so: composite types, ranges of one's own, what extensions bring.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.admin.avro_names import is_name
from bridge.admin.table_columns import Column, Type
from bridge.encoding.row import OURS

Schema = Any  # JSON of an Avro type

BUILT_IN: Mapping[str, Schema] = {
    "int2": "int",
    "int4": "int",
    "int8": "long",
    "float4": "float",
    "float8": "double",
    "bool": "boolean",
    "bytea": "bytes",
    "uuid": {"type": "string", "logicalType": "uuid"},
    "date": {"type": "int", "logicalType": "date"},
    "time": {"type": "long", "logicalType": "time-micros"},
    "timestamp": {"type": "long", "logicalType": "local-timestamp-micros"},
    "timestamptz": {"type": "long", "logicalType": "timestamp-micros"},
    "json": {"type": "string", OURS: {"form": "json"}},
    "jsonb": {"type": "string", OURS: {"form": "json"}},
}
SPELLED: Schema = {"type": "string", OURS: {"form": "text"}}
NUMERIC_HEADER = 4  # added to what numeric's modifier says


def column_type(column: Column, types: Mapping[int, Type], enum_name: str) -> Schema:
    """The type of a column's values that are not null; an enum is called `enum_name`, a full name."""
    if column.use == "masked":
        return "string"
    return _type(types[column.type], column.modifier, column.dimensions, types, enum_name)


def _type(type_: Type, modifier: int, dimensions: int, types: Mapping[int, Type], enum_name: str) -> Schema:
    if type_.is_domain:
        return _type(types[type_.base], type_.modifier, type_.dimensions, types, enum_name)
    if type_.element:
        element = types[type_.element]
        if not type_.is_plain and element.delimiter != ",":
            return "string"
        schema: Schema = _type(element, modifier, 0, types, enum_name)
        if not type_.is_plain and schema == BUILT_IN["json"]:
            schema = "string"  # where a whole array is text in a state, its elements are text, too
        schema = ["null", schema]
        for _ in range(max(dimensions, 1)):
            schema = {"type": "array", "items": schema}
        return schema
    if type_.labels:
        if all(map(is_name, type_.labels)):
            return {"type": "enum", "name": enum_name, "symbols": type_.labels}
        return "string"
    if not type_.is_built_in:
        return "string"
    if type_.name == "numeric":
        return _numeric(modifier)
    return BUILT_IN.get(type_.name, "string")


def _numeric(modifier: int) -> Schema:
    """With a scale a decimal; without one its digits as text. A scale may be below 0, or above the precision."""
    if modifier < NUMERIC_HEADER:
        return SPELLED
    precision = (modifier - NUMERIC_HEADER) >> 16 & 0xFFFF
    scale = ((modifier - NUMERIC_HEADER) & 0x7FF ^ 0x400) - 0x400
    return decimal(max(precision, scale, precision - scale), max(scale, 0))


def decimal(precision: int, scale: int) -> Schema:
    """An Avro decimal of so many digits, so many of them after the point."""
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}
