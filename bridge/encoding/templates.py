"""Types whose usual values are written by lines of their own, and not by a function: templates for straight.py.

msgspec has read a value as its type, with all checks; what is not usual raises something.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any, Final, NamedTuple, NoReturn

import msgspec

from bridge.encoding.avro.binary import LAST, MORE, varint
from bridge.encoding.avro.logical import EPOCH, EPOCH_DAY, FIRST_MICRO, LAST_MICRO, LOCAL_EPOCH, MICROSECOND

MOST_PARTS: Final = 4  # of a template, called {part}, {part}_1 and so on
NULL, PRESENT = b"\x00", b"\x02"  # the branches of a union of null and something else
# What `v`, which is not null, is as bytes: {part}. {head} begins them where the type is one of a union.
STRING: Final = """
{part}_1 = t = v.encode()
n = len(t)
{part} = {lengths}[n] if n < 8192 else {head}varint(n)
"""
WHOLE: Final = """
if 0 <= v < 8192:
    {part} = {lengths}[v]
else:
    {part} = {lows}[v & 8191] + LAST[v >> 13] if 0 < v < 0x8000000 else {head}whole(v, {bits})
"""
BOOLEAN: Final = """
{part} = {yes} if v else {no}
"""
UUID: Final = """
{part}_1 = t = v.encode()
if t.translate(SHAPE) != UUID_SHAPE:
    raise Unusual
{part} = {uuid}
"""
DAY: Final = """
{part} = {head}varint(v.toordinal() - EPOCH_DAY)
"""
TIMESTAMP: Final = """
x = (v - {epoch}) // MICROSECOND
if 0x20000000000 <= x < 0x80000000000000:
    {part} = {lows}[x & 8191]
    {part}_1 = MORE[x >> 13 & 16383]
    {part}_2 = MORE[x >> 27 & 16383]
    {part}_3 = LAST[x >> 41]
else:
    {part} = {head}instant(x)
    {part}_1 = {part}_2 = {part}_3 = b""
"""
DECIMAL: Final = """
t = bytes(v)
if t == b"null":
    {part} = {null}
    {part}_1 = b""
else:
    x = {unscaled}
    if 0 <= x < {limit}:
        n = (x.bit_length() >> 3) + 1
        {part}_1 = x.to_bytes(n)
    elif -{limit} < x < 0:
        n = ((~x).bit_length() >> 3) + 1
        {part}_1 = x.to_bytes(n, signed=True)
    else:
        raise Unusual
    {part} = {lengths}[n]
"""
ANY: Final = """
{part} = {write}(v)
"""


class Unusual(Exception):
    """Not what a value usually looks like; it may fit all the same."""


def _unusual() -> NoReturn:
    raise Unusual


def _whole(value: int, bits: int) -> bytes:
    if -(1 << bits) <= value < 1 << bits:
        return varint(value)
    raise Unusual


def _instant(micros: int) -> bytes:
    if FIRST_MICRO <= micros <= LAST_MICRO:
        return varint(micros)
    raise Unusual


NAMES: Final[dict[str, Any]] = {
    "LENGTHS": [LAST[size << 1] for size in range(8192)],  # numbers, too
    "PRESENT_LENGTHS": [PRESENT + LAST[size << 1] for size in range(8192)],
    "NULL": NULL,
    "PRESENT": PRESENT,
    "MORE": MORE,
    "LAST": LAST,
    "LOWS": [MORE[bits << 1] for bits in range(8192)],
    "PRESENT_LOWS": [PRESENT + MORE[bits << 1] for bits in range(8192)],
    "EPOCH": EPOCH,
    "LOCAL_EPOCH": LOCAL_EPOCH,
    "EPOCH_DAY": EPOCH_DAY,
    "MICROSECOND": MICROSECOND,
    "is_too_precise": re.compile(r"\.[0-9]{7}").search,
    "Unusual": Unusual,
    "unusual": _unusual,
    "SHAPE": bytes.maketrans(b"123456789abcdef", b"0" * 15),
    "UUID_SHAPE": b"-".join(b"0" * digits for digits in (8, 4, 4, 4, 12)),  # as printed
    "varint": varint,
    "whole": _whole,
    "instant": _instant,
}


class Template(NamedTuple):
    """How msgspec is to read a type, and the lines that write it, with what belongs into them."""

    held: Any
    lines: str
    values: dict[str, Any]


def template(schema: Any) -> Template | None:
    """For a type that is not null; None where only its own function writes it."""
    is_plain = isinstance(schema, str)
    kind = schema if is_plain else schema.get("type")
    match kind, None if is_plain else schema.get("logicalType"):
        case "string", None if is_plain:
            return Template(str, STRING, {})
        case "string", "uuid":
            return Template(str, UUID, {})
        case "int" | "long", None:
            return Template(int, WHOLE, {"bits": 31 if kind == "int" else 63})
        case "boolean", None:
            return Template(bool, BOOLEAN, {})
        case "long", "timestamp-micros":
            return Template(datetime, TIMESTAMP, {"epoch": "EPOCH"})
        case "long", "local-timestamp-micros":
            return Template(datetime, TIMESTAMP, {"epoch": "LOCAL_EPOCH"})
        case "int", "date":
            return Template(date, DAY, {})
        case "bytes", "decimal":
            # As Postgres prints a column with a scale. int() takes neither a point nor an exponent.
            scale = schema.get("scale", 0)
            unscaled = f'int(t.replace(b".", b"")) if t[-{scale + 1}] == 46 else unusual()' if scale else "int(t)"
            values = {"unscaled": unscaled, "limit": 10 ** schema["precision"]}
            return Template(msgspec.Raw, DECIMAL, values)
    return None


def branch(schema: Any) -> tuple[Template | None, bool]:
    """How a type is written straight, and whether it may be null, the first branch."""
    if isinstance(schema, list):
        is_usual = len(schema) == 2 and schema[0] == "null"
        return (template(schema[1]) if is_usual else None), True
    return template(schema), False


def held_straight(schema: Any) -> Any:
    """How msgspec is to read a field of this type for the writers here; None where they have no template for it."""
    found, is_nullable = branch(schema)
    if found is None:
        return None
    return found.held | None if is_nullable and found.held is not msgspec.Raw else found.held
