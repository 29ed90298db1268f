"""Avro's logical types from JSON text, exact or refused.

* timestamps: ISO 8601 with an offset, exact to the microsecond (`local-` ones: without); never a number;
* date, time of day, uuid: text; decimal: text or a number.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Final

from bridge.encoding.avro.binary import Mismatch, Write, varint

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LOCAL_EPOCH: Final = datetime(1970, 1, 1)
EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
UUID_TEXT: Final = re.compile("-".join(f"[0-9a-fA-F]{{{digits}}}" for digits in (8, 4, 4, 4, 12))).fullmatch
DECIMAL_TEXT: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?").fullmatch


def uuid(value: Any) -> bytes:
    if value.__class__ is str and UUID_TEXT(value):
        text: str = value
        return b"\x48" + text.lower().encode()
    raise Mismatch("a uuid")


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
