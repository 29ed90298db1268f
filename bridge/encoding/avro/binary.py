"""JSON values to Avro's binary form in one pass; composed once for each schema (avro_compiler.py).

Checks and writes together, because checking first and writing with fastavro afterwards takes twice as long
(docs/decisions/0003-avro-in-one-pass.md); tests hold the bytes equal to fastavro's.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

Write = Callable[[Any], bytes]

FLOAT_MAX: Final = 3.4028235677973366e38  # from here on a double rounds to an infinite float
DOUBLE_MAX: Final = 1 << 1023
INFINITY: Final = float("inf")


class Mismatch(Exception):
    """A JSON value does not fit; `path` grows from the inside out while the stack unwinds. Never holds the value."""

    def __init__(self, expected: str) -> None:
        super().__init__(expected)
        self.expected = expected
        self.path: list[str] = []


# All groups of 14 bits as two bytes of a varint: those that more bytes follow, and those at the end.
MORE: Final = [bytes((bits & 127 | 128, bits >> 7 | 128)) for bits in range(16384)]
LAST: Final = [bytes((bits & 127 | 128, bits >> 7) if bits > 127 else (bits,)) for bits in range(16384)]


def varint(number: int) -> bytes:
    """An integer as Avro writes it: zigzag, then seven bits a byte, lowest first."""
    rest = number << 1 if number >= 0 else (-number << 1) - 1
    if rest < 16384:
        return LAST[rest]
    out = MORE[rest & 16383]
    while (rest := rest >> 14) > 16383:
        out += MORE[rest & 16383]
    return out + LAST[rest]


def null(value: Any) -> bytes:
    if value is None:
        return b""
    raise Mismatch("null")


def boolean(value: Any) -> bytes:
    if value is True:
        return b"\x01"
    if value is False:
        return b"\x00"
    raise Mismatch("true or false")


def int32(value: Any) -> bytes:
    if value.__class__ is int and -0x80000000 <= value <= 0x7FFFFFFF:
        return varint(value)
    raise Mismatch("an integer of 32 bits")


def int64(value: Any) -> bytes:
    if value.__class__ is int and -0x8000000000000000 <= value <= 0x7FFFFFFFFFFFFFFF:
        return varint(value)
    raise Mismatch("an integer of 64 bits")


def float32(value: Any) -> bytes:
    number = _finite(value)
    if abs(number) < FLOAT_MAX:
        return struct.pack("<f", number)
    raise Mismatch("a number that a 32-bit float can hold")


def float64(value: Any) -> bytes:
    return struct.pack("<d", _finite(value))


def _finite(value: Any) -> float:
    if value.__class__ is float and -INFINITY < value < INFINITY:
        return value
    if value.__class__ in (int, Decimal) and -DOUBLE_MAX < value < DOUBLE_MAX:
        return float(value)
    raise Mismatch("a finite number")


def string(value: Any) -> bytes:
    try:
        text: bytes = value.encode()
    except AttributeError:
        raise Mismatch("text") from None
    except UnicodeEncodeError:
        raise Mismatch("text without lone surrogates") from None
    return varint(len(text)) + text


def binary(value: Any) -> bytes:
    data = _from_hex(value)
    return varint(len(data)) + data


def _from_hex(value: Any) -> bytes:
    try:
        if value.startswith("\\x"):
            data = bytes.fromhex(value[2:])
            if len(data) * 2 == len(value) - 2:  # fromhex ignores white space
                return data
    except (AttributeError, ValueError):
        pass
    raise Mismatch("bytes as hex text that begins with \\x")


def enum(symbols: list[str]) -> Write:
    written = {symbol: varint(index) for index, symbol in enumerate(symbols)}
    expected = f"one of {', '.join(symbols[:20])}"

    def write(value: Any) -> bytes:
        if value.__class__ is str and value in written:
            return written[value]
        raise Mismatch(expected)

    return write


def fixed(size: int) -> Write:
    def write(value: Any) -> bytes:
        data = _from_hex(value)
        if len(data) == size:
            return data
        raise Mismatch(f"{size} bytes")

    return write


def latin1(size: int | None) -> Write:
    """Bytes as a schema's defaults write them; `size` is that of a fixed."""

    def write(value: Any) -> bytes:
        try:
            data: bytes = value.encode("latin-1")
        except (AttributeError, UnicodeEncodeError):
            raise Mismatch("text of code points up to 255") from None
        if size is None:
            return varint(len(data)) + data
        if len(data) != size:
            raise Mismatch(f"{size} bytes")
        return data

    return write


def array(item: Write) -> Write:
    def write(value: Any) -> bytes:
        if value.__class__ is not list:
            raise Mismatch("an array")
        parts = [varint(len(value))] if value else []
        index = 0
        try:
            for index, element in enumerate(value):  # noqa: B007
                parts.append(item(element))
        except Mismatch as mismatch:
            mismatch.path.append(f"[{index}]")
            raise
        return b"".join(parts) + b"\x00"

    return write


def mapping(item: Write) -> Write:
    def write(value: Any) -> bytes:
        if value.__class__ is not dict:
            raise Mismatch("an object")
        parts = [varint(len(value))] if value else []
        try:
            for key, element in value.items():
                parts.append(string(key) + item(element))
        except Mismatch as mismatch:
            mismatch.path.append("[*]")  # a map's keys are data
            raise
        return b"".join(parts) + b"\x00"

    return write


def record(fields: list[tuple[str, Write]], defaults: Mapping[str, bytes]) -> Write:
    """`defaults` are already in binary form. Nothing is written twice, or a recursive value could take for ever."""
    count = len(fields)
    names = frozenset(name for name, _ in fields)

    def write(value: Any) -> bytes:
        if value.__class__ is not dict:
            raise Mismatch("an object")
        if len(value) != count:
            return incomplete(value)
        parts = []
        name = ""
        try:
            for name, field in fields:
                parts.append(field(value[name]))
        except KeyError:
            return incomplete(value)  # as many fields as there should be, so one of them is unknown
        except Mismatch as mismatch:
            mismatch.path.append(f".{name}")
            raise
        return b"".join(parts)

    def incomplete(value: dict[str, Any]) -> bytes:
        unknown = sorted(value.keys() - names)
        if unknown:
            raise Mismatch(f"no field {unknown[0][:100]!r}")
        parts = []
        for name, field in fields:
            try:
                if name in value:
                    parts.append(field(value[name]))
                elif name in defaults:
                    parts.append(defaults[name])
                else:
                    raise Mismatch("a value, because the field has no default")
            except Mismatch as mismatch:
                mismatch.path.append(f".{name}")
                raise
        return b"".join(parts)

    return write


def nullable(present: Write, null_index: int) -> Write:
    absent, index = varint(null_index), varint(1 - null_index)

    def write(value: Any) -> bytes:
        return absent if value is None else index + present(value)

    return write


def branch(index: int, write: Write) -> Write:
    prefix = varint(index)
    return lambda value: prefix + write(value)


def union(by_type: Mapping[type, tuple[bytes, Write]], expected: str) -> Write:
    def write(value: Any) -> bytes:
        found = by_type.get(value.__class__)
        if found is None:
            raise Mismatch(expected)
        index, chosen = found
        return index + chosen(value)

    return write
