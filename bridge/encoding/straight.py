"""A record's usual values written in one straight piece of code, made for its fields as dataclasses make theirs.

Half of what a record of a dozen fields costs are the calls of a function for each (tests/bench/test_typed.py). What is
not usual raises something, and is written again field by field by whoever called, which decides whether it fits; so
nothing here has to be complete, only right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from textwrap import indent
from typing import Any, Final, NamedTuple

import msgspec

from bridge.encoding.avro.binary import LAST, MORE, Write, varint
from bridge.encoding.avro.logical import EPOCH, EPOCH_DAY, LOCAL_EPOCH, MICROSECOND, UUID_TEXT

# msgspec rounds a time that is more precise than a microsecond, so such a text does not come here.
is_too_precise: Final = re.compile(r"\.[0-9]{7}").search
MOST_KNOWN: Final = 1000  # pieces that are kept written
NULL, PRESENT = b"\x00", b"\x02"  # the branches of a union of null and something else
# What `v`, which is not null, is as bytes: {part}. {head} begins them where the type is one of a union.
STRING: Final = """
t = v.encode()
{part} = {lengths}[len(t)] + t
"""
WHOLE: Final = """
if 0 <= v < 8192:
    {part} = {lengths}[v]
else:
    {part} = {lows}[v & 8191] + LAST[v >> 13] if 0 < v < 0x8000000 else {head}whole(v, {bits})
"""
BOOLEAN: Final = """
{part} = {head}(b"\\x01" if v else b"\\x00")
"""
UUID: Final = """
if not is_uuid(v):
    raise Unusual
{part} = {head}b"\\x48" + v.lower().encode()
"""
DAY: Final = """
{part} = {head}varint(v.toordinal() - EPOCH_DAY)
"""
TIMESTAMP: Final = """
x = (v - {epoch}) // MICROSECOND
{part} = {lows}[x & 8191] + MORE[x >> 13 & 16383] + INSTANTS[x >> 27]
"""
DECIMAL: Final = """
t = bytes(v)
if t == b"null":
    {part} = NULL
else:
    x = {unscaled}
    if not -{limit} < x < {limit}:
        raise Unusual
    n = ((x if x >= 0 else ~x).bit_length() >> 3) + 1
    {part} = {lengths}[n] + x.to_bytes(n, "big", signed=True)
"""
ANY: Final = """
{part} = {write}(v)
"""
ONE: Final = """
def write(one):
{before}
    return b"".join(({parts}))
"""
BOTH: Final = """
def write(one, other):
{before}
    return b"".join(({parts})), b"".join(({others}))
"""


class Unusual(Exception):
    """Not what a value usually looks like; it may fit all the same."""


class Field(NamedTuple):
    """Of a record: the attribute that holds a value, its type, and what writes any of its values."""

    name: str
    schema: Any
    write: Write


class Alike(NamedTuple):
    """Fields one after another that have few values: the attributes, and the bytes of their values together."""

    names: Sequence[str]
    known: Mapping[tuple[Any, ...], bytes]


def _unusual() -> int:
    raise Unusual


def _whole(value: int, bits: int) -> bytes:
    if -(1 << bits) <= value < 1 << bits:
        return varint(value)
    raise Unusual


class _Instants(dict[int, bytes]):
    """Of a time between 1970 and 3111, how its varint ends behind 28 bits, by its microseconds over 2^27.

    Times in a table's changes are near each other.
    """

    def __missing__(self, key: int) -> bytes:
        if not 0 < key < 1 << 28:
            raise Unusual
        if len(self) >= MOST_KNOWN:
            self.clear()
        self[key] = end = LAST[key] if key < 16384 else MORE[key & 16383] + LAST[key >> 14]
        return end


NAMES: Final[dict[str, Any]] = {
    "LENGTHS": [LAST[size << 1] for size in range(8192)],  # numbers, too
    "PRESENT_LENGTHS": [PRESENT + LAST[size << 1] for size in range(8192)],
    "NULL": NULL,
    "PRESENT": PRESENT,
    "MORE": MORE,
    "LAST": LAST,
    "LOWS": [MORE[bits << 1] for bits in range(8192)],
    "PRESENT_LOWS": [PRESENT + MORE[bits << 1] for bits in range(8192)],
    "INSTANTS": _Instants(),
    "EPOCH": EPOCH,
    "LOCAL_EPOCH": LOCAL_EPOCH,
    "EPOCH_DAY": EPOCH_DAY,
    "MICROSECOND": MICROSECOND,
    "Unusual": Unusual,
    "unusual": _unusual,
    "is_uuid": UUID_TEXT,
    "varint": varint,
    "whole": _whole,
}


class Straight(NamedTuple):
    """How msgspec is to read a type that has a template, and the template."""

    held: Any
    template: str
    values: dict[str, Any]


def straight(schema: Any) -> Straight | None:
    """For a type that is not null; None where only its own function writes it."""
    is_plain = isinstance(schema, str)
    kind = schema if is_plain else schema.get("type")
    match kind, None if is_plain else schema.get("logicalType"):
        case "string", None if is_plain:
            return Straight(str, STRING, {})
        case "string", "uuid":
            return Straight(str, UUID, {})
        case "int" | "long", None:
            return Straight(int, WHOLE, {"bits": 31 if kind == "int" else 63})
        case "boolean", None:
            return Straight(bool, BOOLEAN, {})
        case "long", "timestamp-micros":
            return Straight(datetime, TIMESTAMP, {"epoch": "EPOCH"})
        case "long", "local-timestamp-micros":
            return Straight(datetime, TIMESTAMP, {"epoch": "LOCAL_EPOCH"})
        case "int", "date":
            return Straight(date, DAY, {})
        case "bytes", "decimal":
            # As Postgres prints a column with a scale. int() takes neither a point nor an exponent.
            scale = schema.get("scale", 0)
            unscaled = f'int(t.replace(b".", b"")) if t[-{scale + 1}] == 46 else unusual()' if scale else "int(t)"
            values = {"unscaled": unscaled, "limit": 10 ** schema["precision"]}
            return Straight(msgspec.Raw, DECIMAL, values)
    return None


def writer(fields: Sequence[Field | Alike]) -> Callable[[Any], bytes]:
    """Writes an object that has a value of each field. Raises anything but a wrong result."""
    made: Callable[[Any], bytes] = _made(fields, ONE)
    return made


def pair_writer(fields: Sequence[Field]) -> Callable[[Any, Any], tuple[bytes, bytes]]:
    """Writes two objects of which most is the same."""
    made: Callable[[Any, Any], tuple[bytes, bytes]] = _made(fields, BOTH)
    return made


def _made(fields: Sequence[Field | Alike], frame: str) -> Any:
    names, lines = dict(NAMES), []
    for number, field in enumerate(fields):
        if isinstance(field, Alike):
            names[f"known{number}"] = field.known
            lines.append(f"p{number} = known{number}[{', '.join(f'one.{name}' for name in field.names)},]")
            continue
        names[f"write{number}"] = field.write
        lines.append(f"v = one.{field.name}\n" + _lines(field, number, f"p{number}"))
        if frame is BOTH:
            again = _lines(field, number, f"q{number}")
            same = f"if u == v:\n    q{number} = p{number}\nelse:\n    v = u\n" + indent(again, "    ")
            is_comparable = _branch(field.schema)[0] is not None
            lines.append(f"u = other.{field.name}\n" + (same if is_comparable else f"v = u\n{again}"))
    source = frame.format(
        before=indent("\n".join(lines), "    "),
        parts="".join(f"p{number}, " for number in range(len(fields))),
        others="".join(f"q{number}, " for number in range(len(fields))),
    )
    exec(source, names)  # noqa: S102  # of templates, numbers, and names that were made here
    return names["write"]


def _lines(field: Field, number: int, part: str) -> str:
    found, is_nullable = _branch(field.schema)
    if found is None:
        found, is_nullable = Straight(Any, ANY, {}), False
    text = found.template.strip("\n").format(
        part=part,
        head="PRESENT + " if is_nullable else "",
        lengths="PRESENT_LENGTHS" if is_nullable else "LENGTHS",
        lows="PRESENT_LOWS" if is_nullable else "LOWS",
        write=f"write{number}",
        **found.values,
    )
    return f"if v is None:\n    {part} = NULL\nelse:\n{indent(text, '    ')}" if is_nullable else text


def _branch(schema: Any) -> tuple[Straight | None, bool]:
    """How a type is written straight, and whether it may be null, the first branch."""
    if isinstance(schema, list):
        is_usual = len(schema) == 2 and schema[0] == "null"
        return (straight(schema[1]) if is_usual else None), True
    return straight(schema), False


def held_straight(schema: Any) -> Any:
    """How msgspec is to read a field of this type for the writers here; None where they have no template for it."""
    found, is_nullable = _branch(schema)
    if found is None:
        return None
    return found.held | None if is_nullable and found.held is not msgspec.Raw else found.held
