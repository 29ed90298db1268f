"""What a reader of Avro must get for a JSON value: an oracle for tests.

It shares nothing with the encoder: rational numbers instead of doubles, days by their numbers instead of time zones.
"""

from __future__ import annotations

import json
import math
import re
import struct
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

INTS = {"int": 31, "long": 63}
FLOATS = {"float": "<f", "double": "<d"}
MILLIS = ("time-millis", "timestamp-millis", "local-timestamp-millis")
TIMES = {
    "date": "int", "time-millis": "int", "time-micros": "long", "timestamp-millis": "long", "timestamp-micros": "long",
    "local-timestamp-millis": "long", "local-timestamp-micros": "long",
}  # fmt: skip
CLOCK = r"([01]\d|2[0-3]):([0-5]\d)"
SECONDS = r":([0-5]\d)(?:[.,](\d{1,6}))?"
OFFSET = r"(Z|[+-](?:[01]\d|2[0-3])(?:(?::[0-5]\d){0,2}|(?:[0-5]\d){0,2}))"
DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII).fullmatch
TIME = re.compile(f"{CLOCK}{SECONDS}".replace("[.,]", r"\."), re.ASCII).fullmatch
STAMP = re.compile(rf"(\d{{4}}-\d\d-\d\d)[T ]{CLOCK}(?:{SECONDS})?{OFFSET}?", re.ASCII).fullmatch
UUIDS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII).fullmatch
DECIMALS = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII).fullmatch


@dataclass(frozen=True)
class Number:
    """A number with a fraction or an exponent, as the oracle reads it."""

    text: str


class Unfit(Exception):
    """The value does not fit the schema."""


def is_utf8(value: Any) -> bool:
    return not isinstance(value, str) or value == value.encode("utf-8", "ignore").decode()


def read(text: str) -> Any:
    """The document as the oracle sees it. Raises ValueError, RecursionError."""
    return json.loads(text, parse_float=Number, parse_constant=lambda _: int("NaN"))


def meaning(schema: Any, value: Any, names: dict[str, Any]) -> Any:
    """The Python value that fastavro reads for a JSON value. Raises Unfit."""
    if isinstance(schema, list):
        return meaning(_branch(schema, value, names), value, names)
    if isinstance(schema, str):
        schema = names.get(schema, {"type": schema})
    kind, logical = schema["type"], schema.get("logicalType")
    if logical == "decimal":
        return _decimal(schema, value)
    if kind in ("record", "array", "map"):
        return _container(schema, value, names)
    if TIMES.get(logical) == kind:
        _need(isinstance(value, str))
        return _time(logical, value)
    if kind in INTS:
        _need(type(value) is int and -(2 ** INTS[kind]) <= value < 2 ** INTS[kind])
        return value
    if kind in FLOATS:
        return _float(value, FLOATS[kind])
    if kind in ("bytes", "fixed"):
        _need(isinstance(value, str) and re.fullmatch(r"\\x([0-9a-fA-F]{2})*", value))
        _need(kind == "bytes" or len(value) == 2 + 2 * schema["size"])
        return bytes.fromhex(value[2:])
    if kind == "enum":
        _need(isinstance(value, str) and value in schema["symbols"])
        return value
    if kind == "string":
        _need(isinstance(value, str) and is_utf8(value))
        if logical == "uuid":
            _need(UUIDS(value))
            return UUID(value)
        return value
    _need(value is None if kind == "null" else isinstance(value, bool))
    return value


def _need(condition: object) -> None:
    if not condition:
        raise Unfit


def _branch(union: list[Any], value: Any, names: dict[str, Any]) -> Any:
    kinds = {}
    for branch in union:
        schema = names.get(branch, {"type": branch}) if isinstance(branch, str) else branch
        is_text = schema.get("logicalType") in TIMES
        kinds["decimal" if schema.get("logicalType") == "decimal" else "string" if is_text else schema["type"]] = branch
    if len(union) == 2 and "null" in kinds and value is not None:
        return next(branch for branch in union if branch != "null")
    wanted: dict[type, tuple[str, ...]] = {
        type(None): ("null",),
        bool: ("boolean",),
        int: ("int", "long", "float", "double", "decimal"),
        Number: ("float", "double", "decimal"),
        list: ("array",),
        dict: ("map", "record"),
        str: ("string", "bytes", "fixed", "enum", "decimal"),
    }
    found = [kinds[kind] for kind in wanted[type(value)] if kind in kinds]
    _need(found)
    return found[0]


def _container(schema: Any, value: Any, names: dict[str, Any]) -> Any:
    _need(isinstance(value, list if schema["type"] == "array" else dict))
    if schema["type"] == "array":
        return [meaning(schema["items"], item, names) for item in value]
    _need(all(is_utf8(key) for key in value))
    if schema["type"] == "map":
        return {key: meaning(schema["values"], item, names) for key, item in value.items()}
    _need(value.keys() <= {field["name"] for field in schema["fields"]})
    _need(all(field["name"] in value or "default" in field for field in schema["fields"]))
    return {
        field["name"]: meaning(field["type"], value[field["name"]], names)
        if field["name"] in value
        else field["default"]
        for field in schema["fields"]
    }


def _decimal(schema: Any, value: Any) -> Decimal:
    text = value.text if isinstance(value, Number) else str(value) if type(value) is int else value
    _need(isinstance(text, str) and DECIMALS(text))
    power = int(text.lower().partition("e")[2] or 0)
    _need(abs(power) < 1000)
    scaled = Fraction(text) * 10 ** schema.get("scale", 0)
    _need(scaled.denominator == 1 and abs(scaled) < 10 ** schema["precision"])
    return Decimal(Decimal(scaled.numerator).as_tuple()._replace(exponent=-schema.get("scale", 0)))


def _float(value: Any, form: str) -> float:
    _need(type(value) in (int, Number))
    exact = Fraction(value.text if isinstance(value, Number) else value)
    try:
        (held,) = struct.unpack(form, struct.pack(form, float(exact)))
    except OverflowError:
        raise Unfit from None
    if form == "<f":  # the double may have been the middle of two, or next to it
        (bits,) = struct.unpack("<I", struct.pack("<f", abs(held)))
        near = [(struct.unpack("<f", struct.pack("<I", one))[0], one % 2) for one in (max(bits - 1, 0), bits, bits + 1)]
        fits = [one for one in near if math.isfinite(one[0])]
        held = math.copysign(min(fits, key=lambda one: (abs(Fraction(one[0]) - abs(exact)), one[1]))[0], held)
    if isinstance(value, int):  # a whole number comes back, as itself or as what is printed of the double that it made
        _need(any(Fraction(spelled) == exact for spelled in (held, *(f"{held:.{digits}e}" for digits in range(17)))))
    return math.copysign(held, -1 if isinstance(value, Number) and value.text.startswith("-") else held)


def _time(logical: str, text: str) -> Any:
    if logical == "date":
        return _day(text)
    is_time = logical.startswith("time-")
    found = TIME(text) if is_time else STAMP(text)
    _need(found)
    day, hour, minute, second, fraction, offset = (None, *found.groups(), None) if is_time else found.groups()
    micros = ((int(hour) * 60 + int(minute)) * 60 + int(second or 0)) * 10**6 + int((fraction or "").ljust(6, "0"))
    _need(logical not in MILLIS or micros % 1000 == 0)
    if is_time:
        return (datetime.min + timedelta(microseconds=micros)).time()
    is_local = logical.startswith("local-")
    _need(is_local == (offset is None))
    micros += (_day(day).toordinal() - 1) * 86_400 * 10**6 - _offset(offset) * 10**6
    _need(0 <= micros < date.max.toordinal() * 86_400 * 10**6)
    return datetime.min.replace(tzinfo=None if is_local else UTC) + timedelta(microseconds=micros)


def _day(text: str) -> date:
    found = DAY(text)
    _need(found)
    try:
        return date(*map(int, found.groups()))
    except ValueError:
        raise Unfit from None


def _offset(text: str | None) -> int:
    if text in (None, "Z"):
        return 0
    hours, minutes, seconds = (int(part) for part in re.findall(r"\d\d", text + ":00:00")[:3])
    return (-1 if text[0] == "-" else 1) * ((hours * 60 + minutes) * 60 + seconds)


def same(one: Any, other: Any) -> bool:
    """Equal, of one type, and to the last bit."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return repr(one) == repr(other) if isinstance(one, float) else bool(one == other)
