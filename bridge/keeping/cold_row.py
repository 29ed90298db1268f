"""A row of a table as cold files have it: each value exact, in an Avro type that says what it is.

The database yields a row as texts (`bridge.cold_columns`, "stored"); a file keeps numbers, times, bytes and ids as
what they are, and everything else as Postgres' own text, with the type named beside it. Each way leads back exactly.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson

Stored = Sequence[str | None]  # a row's values as texts

EPOCH = datetime(1970, 1, 1)
MICROSECOND = timedelta(microseconds=1)


class ColdColumn(NamedTuple):
    """One column; `type` is as SQL writes it, `kind` how a file keeps its values."""

    number: int
    name: str
    type: str
    is_not_null: bool
    kind: str


class _Kind(NamedTuple):
    avro: list[Any]  # the branches of its union, beside null
    to_avro: Callable[[str], Any]
    to_stored: Callable[[Any], str]
    to_sql: Callable[[str], str] = str  # a stored text as its type's input function takes it


def _micros(text: str) -> int | str:
    return int(text) if text.lstrip("-").isdecimal() else text


def _micros_back(value: datetime | int | str) -> str:
    if isinstance(value, datetime):
        value = (value.replace(tzinfo=None) - EPOCH) // MICROSECOND
    return str(value)


def _moment(text: str, zone: str) -> str:
    micros = _micros(text)
    return micros if isinstance(micros, str) else f"{(EPOCH + micros * MICROSECOND).isoformat(sep=' ')}{zone}"


def _real(form: str) -> _Kind:
    avro = "float" if form == ">f" else "double"

    def unpacked(text: str) -> float:
        return float(struct.unpack(form, bytes.fromhex(text))[0])

    # Python's text of a number is exact; of a float4 it has more digits than needed, which Postgres rounds back.
    return _Kind([avro], unpacked, lambda value: struct.pack(form, value).hex(), lambda text: repr(unpacked(text)))


_KINDS = {
    "int": _Kind(["int"], int, str),
    "long": _Kind(["long"], int, str),
    "oid": _Kind(["long"], int, str),
    "boolean": _Kind(["boolean"], lambda text: text == "t", lambda value: "t" if value else "f"),
    "float": _real(">f"),
    "double": _real(">d"),
    "bytes": _Kind(["bytes"], lambda text: bytes.fromhex(text[2:]), lambda value: f"\\x{value.hex()}"),
    "uuid": _Kind([{"type": "string", "logicalType": "uuid"}], str, str),
    "timestamp-micros": _Kind(
        [{"type": "long", "logicalType": "timestamp-micros"}, "string"],
        _micros,
        _micros_back,
        lambda text: _moment(text, "+00"),
    ),
    "local-timestamp-micros": _Kind(
        [{"type": "long", "logicalType": "local-timestamp-micros"}, "string"],
        _micros,
        _micros_back,
        lambda text: _moment(text, ""),
    ),
    "string": _Kind(["string"], str, str),
}


def knows(kind: str) -> bool:
    """Whether a file with such a column can be read here."""
    return kind in _KINDS


def checksum_of(stored: Stored) -> int:
    """What a row adds to the checksum of its file and table; `bridge.sum_rows` computes the same."""
    return int(hashlib.md5(orjson.dumps(list(stored)), usedforsecurity=False).hexdigest()[:15], 16)


class RowCoder:
    """Between rows as the database yields them, records of a file, and what COPY takes."""

    def __init__(self, columns: Sequence[ColdColumn], table: str) -> None:
        self.columns = tuple(columns)
        self._kinds = [_KINDS[column.kind] for column in columns]
        self.fields = _field_names(columns)
        self.schema = {
            "type": "record",
            "name": "Row",
            "namespace": "bridge.cold",
            "doc": f"A row of {table}",
            "fields": [
                {"name": field, "type": ["null", *kind.avro], "column": column.name, "postgresType": column.type}
                for field, kind, column in zip(self.fields, self._kinds, columns, strict=True)
            ],
        }

    def record(self, stored: Stored) -> dict[str, Any]:
        """A row as an Avro record."""
        return {
            field: None if text is None else kind.to_avro(text)
            for field, kind, text in zip(self.fields, self._kinds, stored, strict=True)
        }

    def stored(self, record: dict[str, Any]) -> list[str | None]:
        """And back. `record` is as its file's reader has it. Raises KeyError and the like for another schema's."""
        values = ((kind, record[field]) for field, kind in zip(self.fields, self._kinds, strict=True))
        return [None if value is None else kind.to_stored(value) for kind, value in values]

    def sql(self, stored: Stored) -> list[str | None]:
        """A row's values as COPY takes them."""
        return [None if text is None else kind.to_sql(text) for kind, text in zip(self._kinds, stored, strict=True)]


def _field_names(columns: Sequence[ColdColumn]) -> list[str]:
    """The columns' own names where Avro allows them."""
    names = {column.name for column in columns}
    fields = []
    for column in columns:
        field = column.name
        if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", field, re.ASCII):
            field = f"column_{column.number}"
            while field in names:
                field += "_"
        fields.append(field)
    return fields


def utc_now() -> str:
    """This moment, to a second, for what a person reads."""
    return datetime.now(UTC).isoformat(timespec="seconds")
