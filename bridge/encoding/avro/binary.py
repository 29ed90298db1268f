"""JSON values to Avro's binary form in one pass: the plain types. Composed once for each schema (compiler.py).

Checks and writes together, because checking first and writing with fastavro afterwards takes twice as long
(docs/decisions/0003-avro-in-one-pass.md); tests hold the bytes equal to fastavro's. A function takes a value of any
JSON type and raises nothing but Mismatch, so it asks for the type before anything else.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

Write = Callable[[Any], bytes]

SURE: Final = 2.0**63  # a float below it was no whole number of more than 64 bits, which orjson would have rounded


class Mismatch(Exception):
    """A JSON value does not fit; `path` grows from the inside out while the stack unwinds. Never holds the value."""

    def __init__(self, expected: str) -> None:
        super().__init__(expected)
        self.expected = expected
        self.path: list[str] = []


class Unsure(Mismatch):
    """A number may have been rounded while it was read, and that matters: to be read again, exactly."""


# All groups of 14 bits as two bytes of a varint: those that more bytes follow, and those at the end.
MORE: Final = [bytes((bits & 127 | 128, bits >> 7 | 128)) for bits in range(16384)]
LAST: Final = [bytes((bits & 127 | 128, bits >> 7) if bits > 127 else (bits,)) for bits in range(16384)]


def varint(number: int) -> bytes:
    """An integer of 64 bits as Avro writes it: zigzag, then seven bits a byte, lowest first."""
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


def floating(form: struct.Struct, bits: int) -> Write:
    """Numbers to the nearest float, as every reader of JSON takes them; but no whole number is rounded."""
    expected = f"a number that a {bits}-bit float can hold"
    is_narrow = bits == 32  # what is a double first is rounded twice

    def write(value: Any) -> bytes:
        kind = value.__class__
        try:
            if kind is float:
                if -SURE < value < SURE and not (is_narrow and _is_between(value)):
                    return form.pack(value)
                raise Unsure(expected)
            if kind is int or kind is Decimal:
                number = _finite(value)
                data = form.pack(number)
                if is_narrow and _is_between(number) and number != value:
                    data = form.pack(math.nextafter(number, math.inf if value > number else -math.inf))
                if kind is Decimal or _comes_back(value, form.unpack(data)[0]):
                    return data
        except OverflowError:
            pass
        raise Mismatch(expected)

    return write


def _finite(value: int | Decimal) -> float:
    number = float(value)
    if math.isinf(number):
        raise OverflowError
    return number


def _is_between(number: float) -> bool:
    """Whether it is the middle of two 32-bit floats: only what it was rounded from tells the nearer one."""
    exponent = max(math.frexp(number)[1], -125)  # below, they are as far apart as there
    return math.ldexp(number, 25 - exponent) % 2 == 1


def _comes_back(value: int, held: float) -> bool:
    """Whether a float is `value`, or is printed as it in 6 to 17 digits: so Postgres prints a double of 1e23."""
    return held == value or any(Decimal(f"{held:.{count}e}") == value for count in range(5, 17))


float32: Final = floating(struct.Struct("<f"), 32)
float64: Final = floating(struct.Struct("<d"), 64)


def string(value: Any) -> bytes:
    try:
        text: bytes = value.encode()
    except AttributeError:
        raise Mismatch("text") from None
    except UnicodeEncodeError:
        raise Mismatch("text without lone surrogates") from None
    size = len(text)
    return (LAST[size << 1] if size < 8192 else varint(size)) + text


def binary(value: Any) -> bytes:
    data = _from_hex(value)
    return varint(len(data)) + data


def _from_hex(value: Any) -> bytes:
    if value.__class__ is str and value.startswith("\\x"):
        try:
            data = bytes.fromhex(value[2:])
        except ValueError:
            data = b""
        if len(data) * 2 == len(value) - 2:  # fromhex ignores white space
            return data
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
        if value.__class__ is not str or any(char > "\xff" for char in value):
            raise Mismatch("text of code points up to 255")
        data = value.encode("latin-1")
        if size is None:
            return varint(len(data)) + data
        if len(data) != size:
            raise Mismatch(f"{size} bytes")
        return data

    return write
