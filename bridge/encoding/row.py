"""The state of a tracked table's row, as `bridge.history` holds it, to Avro: exact or refused.

A state is JSON with the columns' names, and what JSON has no value for is text in it: NaN, the arrays of an enum.
Numbers are never made doubles on the way, and JSON within a row is copied as it is spelled.
"""

from __future__ import annotations

import shlex
import struct
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

from bridge.encoding.array_literal import read_array_literal
from bridge.encoding.avro import binary
from bridge.encoding.avro.binary import Mismatch, Write, varint
from bridge.encoding.avro.compiler import Compiler
from bridge.encoding.change_fields import Field
from bridge.encoding.templates import NULL, Unusual, held_straight

OURS: Final = "bridge"  # the attribute of a schema that holds what only the encoding needs to know
FLOATS: Final = {"float": struct.Struct("<f"), "double": struct.Struct("<d")}
MISSING: Final = b"{" + b'"$unrepresented"'  # how a value begins that could not be recorded
COLUMNS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
# What the straight way raises where a value is not usual
UNUSUAL: Final = (Mismatch, Unusual, msgspec.ValidationError, TypeError, ValueError, IndexError, RecursionError)
UNSPEAKABLE: Final = frozenset(map(chr, range(32))) | {'"', "\\"}  # of names, which msgspec does not take


def ours(schema: Any) -> dict[str, Any]:
    """What the attribute `bridge` of a schema or a field says."""
    found = schema.get(OURS) if isinstance(schema, dict) else None
    return found if isinstance(found, dict) else {}


class RowCompiler(Compiler):
    """Writers of values as states hold them."""

    def _plain(self, schema: dict[str, Any], kind: str) -> Write:
        match kind:
            case "string" if "form" in ours(schema):
                return json_text if ours(schema)["form"] == "json" else spelled_text
            case "float" | "double":
                return _or_special(super()._plain(schema, kind), FLOATS[kind])
            case "enum":
                labels = ours(schema).get("labels", {})
                return binary.enum([labels.get(symbol, symbol) for symbol in schema["symbols"]])
            case "array":
                return _or_literal(super()._plain(schema, kind))
        return super()._plain(schema, kind)

    def _union(self, branches: list[Any]) -> Write:
        write = super()._union(branches)
        if held_as(branches) is not msgspec.Raw:
            return write
        absent = write(None)
        return lambda value: absent if value is None or bytes(value) == b"null" else write(value)


def held_as(schema: Any) -> Any:
    """What msgspec is to make of a value of this schema: Raw where its spelling counts."""
    if isinstance(schema, list):
        held = [held_as(branch) for branch in schema if branch != "null"]
        return held[0] if len(held) == 1 else Any
    if "form" in ours(schema):
        return msgspec.Raw
    if isinstance(schema, dict) and schema["type"] == "array" and held_as(schema["items"]) is not Any:
        return list[held_as(schema["items"])] | None  # type: ignore[misc]  # a type only at run time
    return Any


def json_text(value: Any) -> bytes:
    """JSON of any kind, as it is spelled."""
    data = _spelling(value)
    if data.startswith(MISSING):
        raise Mismatch("a value: this one could not be recorded")
    return varint(len(data)) + data


def spelled_text(value: Any) -> bytes:
    """Text as it is, and anything else as JSON spells it: numbers with all their digits."""
    data = _spelling(value)
    if data.startswith(b'"'):
        return binary.string(msgspec.json.decode(data))
    if data == b"null":
        raise Mismatch("text")
    return json_text(value)


def _spelling(value: Any) -> bytes:
    """Of what was not read: `held_as` says where. A number must not become so many bytes."""
    if value.__class__ is not msgspec.Raw:
        raise Mismatch("nothing: the schema has it within a record, a map or a union, where spelling is not kept")
    return bytes(value)


def _or_special(write: Write, form: struct.Struct) -> Write:
    specials = {name: form.pack(float(name)) for name in ("NaN", "Infinity", "-Infinity")}
    return lambda value: (value.__class__ is str and specials.get(value)) or write(value)


def _or_literal(write: Write) -> Write:
    def write_array(value: Any) -> bytes:
        if value.__class__ is str:
            try:
                value = read_array_literal(value)
            except ValueError:
                raise Mismatch("an array") from None
        return write(value)

    return write_array


class Column(NamedTuple):
    """A field of the row's record; `name` is the column's. `default` is what is written where a state has none."""

    name: str
    schema: Any
    held: Any
    write: Write
    default: bytes | None


class Row:
    """The record of a table's rows."""

    def __init__(self, compiler: RowCompiler, schema: dict[str, Any]) -> None:
        """`schema` as fastavro has parsed it. Raises ConfigError, and what the compiler raises for an invalid one."""
        self.name: str = schema["name"]
        self.field_names = {ours(field).get("column", field["name"]): field["name"] for field in schema["fields"]}
        self._columns = [
            Column(
                name, field["type"], held_as(field["type"]), compiler.compile(field["type"]), compiler.default(field)
            )
            for name, field in zip(self.field_names, schema["fields"], strict=True)
        ]
        self.fields = [Field(f"f{index}", column.schema, column.write) for index, column in enumerate(self._columns)]
        self.is_usual = not any(UNSPEAKABLE.intersection(column.name) for column in self._columns)
        self.read = self._reader() if self.is_usual else COLUMNS

    def _reader(self) -> Callable[[str], Any]:
        """What reads a usual state as an object with `fields`; it raises one of `UNUSUAL` for others."""
        held: list[Any] = []
        for index, column in enumerate(self._columns):
            kind = held_straight(column.schema) or column.held
            # What is not there is null, where that is its default; else the row is no usual one
            is_null = isinstance(column.schema, list) and column.default == NULL  # 0 and "" are that byte, too
            held.append((f"f{index}", kind, None) if is_null else (f"f{index}", kind))
        renamed = {f"f{index}": column.name for index, column in enumerate(self._columns)}
        kind = msgspec.defstruct("Held", held, rename=renamed.get, forbid_unknown_fields=True, kw_only=True, gc=False)
        return msgspec.json.Decoder(kind, float_hook=Decimal).decode

    def write(self, state: str) -> bytes:
        """The Avro body of any state, value by value. Raises Mismatch with the column that does not fit.

        A column that the schema does not have yet, and that is null, is as good as not there: that is what whoever
        reads with the next schema makes of it.
        """
        try:
            found = COLUMNS(state)
        except msgspec.ValidationError:
            raise Mismatch("an object") from None
        for name in found.keys() - self.field_names.keys():
            if bytes(found[name]) != b"null":
                raise Mismatch(f"no column {name[:100]!r}: bridge schema generate adds it, if the table has it yet")
        parts = []
        for column in self._columns:
            try:
                parts.append(_written(column, found.get(column.name)))
            except Mismatch as mismatch:
                mismatch.path.append(f".{column.name}")
                mismatch.expected += _advice(column, found.get(column.name))
                raise
        return b"".join(parts)


def _advice(column: Column, raw: msgspec.Raw | None) -> str:
    """What helps where the table may hold a value and the field's type cannot, as infinity in a time."""
    if raw is None or column.held is msgspec.Raw or bytes(raw).startswith(MISSING):
        return ""
    name = shlex.quote(column.name)
    return f"; bridge schema generate follows an altered column, and with --text {name} a field holds any value"


def _written(column: Column, raw: msgspec.Raw | None) -> bytes:
    if raw is not None:
        try:
            return column.write(msgspec.json.Decoder(column.held, float_hook=Decimal).decode(raw))
        except msgspec.ValidationError:
            raise Mismatch("an array" if column.held is not Any else "a number of at most 4,300 digits") from None
    if column.default is None:
        raise Mismatch("a value, because the field has no default")
    return column.default
