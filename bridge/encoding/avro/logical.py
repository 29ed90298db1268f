"""Avro's logical types from JSON text, exact or refused.

* timestamps: ISO 8601 with an offset (`local-` ones: without), as precise as the type, never cut; never a number;
* date, time of day, uuid: text; decimal: text or a number.

`datetime` accepts far more than its name says, and drops digits: the patterns below say what may reach it.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any, Final

from bridge.encoding.avro.binary import Mismatch, Write, varint

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LOCAL_EPOCH: Final = datetime(1970, 1, 1)
EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
PRECISION: Final = {1: "microseconds", 1000: "milliseconds"}
UUID_TEXT: Final = re.compile("-".join(f"[0-9a-fA-F]{{{digits}}}+" for digits in (8, 4, 4, 4, 12))).fullmatch
DECIMAL_TEXT: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?").fullmatch
# Only what `datetime` does not look at by itself; it refuses other digits than ASCII's, but takes 24:00 in new Pythons.
TIMESTAMP_TEXT: Final = re.compile(
    r"....-..-..[T ](?!24)..:..(?::..(?:[.,][0-9]{1,6}+)?+)?+(?:Z|[+-]..(?::?[0-5].(?::?[0-5].)?+)?+)?+"
).fullmatch
TIME_TEXT: Final = re.compile(r"(?!24)..:..:..(?:\.[0-9]{1,6}+)?+").fullmatch
MICROSECOND: Final = timedelta(microseconds=1)
FIRST_MICRO, LAST_MICRO = ((last - LOCAL_EPOCH) // MICROSECOND for last in (datetime.min, datetime.max))


def uuid(value: Any) -> bytes:
    if value.__class__ is str and UUID_TEXT(value):
        text: str = value
        return b"\x48" + text.lower().encode()
    raise Mismatch("a uuid")


def timestamp(epoch: datetime, unit: int) -> Write:
    """`unit`: how many microseconds the number counts in."""
    offset = "without an offset" if epoch is LOCAL_EPOCH else "with an offset"
    expected = (
        f"a time in ISO 8601, as YYYY-MM-DDTHH:MM:SS, {offset}, of years 1 to 9999, with at most {PRECISION[unit]}"
    )

    def write(value: Any) -> bytes:
        if value.__class__ is str and TIMESTAMP_TEXT(value):
            try:
                micros = (datetime.fromisoformat(value) - epoch) // MICROSECOND
            except (ValueError, TypeError):  # TypeError: one has an offset and the other has not
                raise Mismatch(expected) from None
            if FIRST_MICRO <= micros <= LAST_MICRO:
                return varint(micros if unit == 1 else _uncut(micros, unit, expected))
        raise Mismatch(expected)

    return write


def time_of_day(unit: int) -> Write:
    """`unit`: how many microseconds the number counts in."""
    expected = f"a time of day as HH:MM:SS, with at most {PRECISION[unit]}"

    def write(value: Any) -> bytes:
        if value.__class__ is str and TIME_TEXT(value):
            try:
                at = time.fromisoformat(value)
            except ValueError:
                raise Mismatch(expected) from None
            micros = ((at.hour * 60 + at.minute) * 60 + at.second) * 1_000_000 + at.microsecond
            return varint(micros if unit == 1 else _uncut(micros, unit, expected))
        raise Mismatch(expected)

    return write


def _uncut(micros: int, unit: int, expected: str) -> int:
    number, rest = divmod(micros, unit)
    if rest:
        raise Mismatch(expected)
    return number


def day(value: Any) -> bytes:
    try:
        if value.__class__ is str and value[4] == "-" and value[7] == "-":
            return varint(date.fromisoformat(value).toordinal() - EPOCH_DAY)
    except (ValueError, IndexError):
        pass
    raise Mismatch("a date as YYYY-MM-DD, of years 1 to 9999")


def decimal(precision: int, scale: int, size: int | None) -> Write:
    """`size` is that of a fixed, or None for bytes. Text or a number, never rounded."""
    expected = f"a decimal of at most {precision} digits, {scale} of them after the point"
    context = Context(precision, traps=[InvalidOperation, Inexact])
    unit = Decimal((0, (1,), -scale))

    def write(value: Any) -> bytes:
        kind = value.__class__
        if kind is not Decimal and kind is not int and not (kind is str and DECIMAL_TEXT(value)):
            raise Mismatch(expected)
        try:
            unscaled = int(Decimal(value).quantize(unit, context=context).scaleb(scale, context))
        except ArithmeticError:
            raise Mismatch(expected) from None
        length = (unscaled if unscaled >= 0 else ~unscaled).bit_length() // 8 + 1
        if size is None:
            return varint(length) + unscaled.to_bytes(length, "big", signed=True)
        if length > size:
            raise Mismatch(expected)
        return unscaled.to_bytes(size, "big", signed=True)

    return write
