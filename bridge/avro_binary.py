"""JSON values to Avro's binary form in one pass: compiled once per schema into one function per field.

Checks and writes together, because checking first and writing with fastavro afterwards takes twice as long
(docs/decisions/0003-avro-in-one-pass.md); tests hold the bytes equal to fastavro's.

How JSON maps to Avro, where Avro leaves it open:
  * timestamps: ISO 8601 text with an offset, exact to the microsecond (`local-` ones: without); never a number;
  * date, time, uuid: text; decimal: text or a number, exact; bytes and fixed: Postgres's hex text, `\\x00ff`;
  * a union's branch is chosen by the JSON type, so two branches of one JSON type are refused.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Final

Write = Callable[[Any], bytes]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LOCAL_EPOCH: Final = datetime(1970, 1, 1)
EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
UUID_TEXT: Final = re.compile("-".join(f"[0-9a-fA-F]{{{digits}}}" for digits in (8, 4, 4, 4, 12))).fullmatch
DECIMAL_TEXT: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?").fullmatch
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


def uuid(value: Any) -> bytes:
    if value.__class__ is str and UUID_TEXT(value):
        text: str = value
        return b"\x48" + text.lower().encode()
    raise Mismatch("a uuid")


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


def _micros(value: Any, epoch: datetime, expected: str) -> int:
    try:
        # fromisoformat drops digits after the sixth of a fraction without a word
        if value[4] == "-" and value[13] == ":" and (len(value) < 27 or not value[20:27].isdigit()):
            since = datetime.fromisoformat(value) - epoch  # TypeError: one has an offset and the other has not
            return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    except (TypeError, ValueError, IndexError, KeyError, OverflowError):
        pass
    raise Mismatch(expected)


def timestamp(epoch: datetime, micros_a_unit: int) -> Write:
    offset = "without an offset" if epoch is LOCAL_EPOCH else "with an offset"
    expected = f"a time in ISO 8601 {offset}, of years 1 to 9999, with at most microseconds"

    def write(value: Any) -> bytes:
        return varint(_micros(value, epoch, expected) // micros_a_unit)

    return write


def day(value: Any) -> bytes:
    try:
        if value[4] == "-" and value[7] == "-":
            return varint(date.fromisoformat(value).toordinal() - EPOCH_DAY)
    except (TypeError, ValueError, IndexError, KeyError):
        pass
    raise Mismatch("a date as YYYY-MM-DD, of years 1 to 9999")


def time_of_day(micros_a_unit: int) -> Write:
    def write(value: Any) -> bytes:
        try:
            if value[2] == ":" and not value[15:16].isdigit():
                at = time.fromisoformat(value)
                if at.tzinfo is None:
                    seconds = (at.hour * 60 + at.minute) * 60 + at.second
                    return varint((seconds * 1_000_000 + at.microsecond) // micros_a_unit)
        except (TypeError, ValueError, IndexError, KeyError):
            pass
        raise Mismatch("a time of day as HH:MM:SS, with at most microseconds")

    return write


def decimal(precision: int, scale: int, size: int | None) -> Write:
    """`size` is that of a fixed, or None for bytes. Text or a number, never rounded."""
    expected = f"a decimal of at most {precision} digits, {scale} of them after the point"
    limit = 10**precision

    def write(value: Any) -> bytes:
        unscaled = _unscaled(value, scale, expected)
        if not -limit < unscaled < limit:
            raise Mismatch(expected)
        length = (unscaled if unscaled >= 0 else ~unscaled).bit_length() // 8 + 1
        if size is None:
            return varint(length) + unscaled.to_bytes(length, "big", signed=True)
        if length > size:
            raise Mismatch(expected)
        return unscaled.to_bytes(size, "big", signed=True)

    return write


def _unscaled(value: Any, scale: int, expected: str) -> int:
    if value.__class__ is str:
        fits = len(value) <= 200 and DECIMAL_TEXT(value) is not None
    else:
        fits = value.__class__ in (int, Decimal)
    try:
        number = Decimal(value if fits else "NaN")
        if -1000 < number.adjusted() < 1000:  # a larger power of ten would take for ever
            numerator, denominator = number.as_integer_ratio()
            unscaled, rest = divmod(numerator * int(10**scale), denominator)
            if not rest:
                return unscaled
    except (ArithmeticError, ValueError):
        pass
    raise Mismatch(expected)


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
