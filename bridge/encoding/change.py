"""Changes of a tracked table to Avro records with its columns' types: schemas that `bridge schema generate` writes.

Such a schema says by its attribute `bridge` that it is one. Its record has, in any order and as far as it wants them,
`before` and `after`, records of the table's columns; `source`, a record; and fields that are called as in the payload.
"""

from __future__ import annotations

import json
from typing import Any, Final

import fastavro
import msgspec

from bridge.encoding.avro.binary import Mismatch, Write, varint
from bridge.encoding.avro.compiler import Compiler
from bridge.encoding.avro.schema import INVALID_SCHEMA
from bridge.encoding.change_fields import Field, State
from bridge.encoding.change_payload import WHATEVER, Change
from bridge.encoding.row import OURS, Row, RowCompiler, ours
from bridge.encoding.usual_change import usual_change
from bridge.errors import ConfigError, EncodingError

CHANGE: Final = "change"  # the form of such a record
STATES: Final = {"before": "previous_state", "after": "new_state"}


def is_change(document: Any) -> bool:
    """Whether a schema, as JSON, is of a tracked table's changes."""
    return ours(document).get("form") == CHANGE


class ChangeSchema:
    """One such schema, and the encoding of payloads with it."""

    def __init__(self, subject: str, text: str) -> None:
        """Parse `text`. Raises ConfigError, naming the subject, for an invalid or unsupported schema."""
        self.subject = subject
        self._where = f"the schema {subject}.avsc"
        self._definitions: dict[str, Any] = {}
        try:
            document = json.loads(text)
            parsed: Any = fastavro.parse_schema(document, self._definitions)
            if not is_change(parsed):
                missing = f'"{OURS}": {{"form": "{CHANGE}"}}'
                raise ConfigError(f"{self._where} is not of a tracked table: it has no {missing}")
            self._plain = Compiler(self._where, self._definitions)
            self.rows: dict[str, Row] = {}  # by the payload's name of the state
            self.fields: list[Field | State] = []  # by the payload's names
            self._take_fields(parsed)
        except INVALID_SCHEMA as error:
            raise ConfigError(f"{self._where} is not valid Avro: {error}") from error
        self.text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
        # The Avro body of an `entity.changed` payload, JSON text. It raises as `encode_slowly()`.
        self.encode = usual_change(self.fields, self.rows, self.encode_slowly)

    def encode_slowly(self, payload: str) -> bytes:
        """The same, value by value. Raises EncodingError with the JSON path, never with the value."""
        try:
            return self._one_by_one(payload)
        except Mismatch as mismatch:
            path = "".join(reversed(mismatch.path))
            raise EncodingError(f"{self.subject}: ${path}: expected {mismatch.expected}") from None
        except msgspec.ValidationError:
            raise EncodingError(f"{self.subject}: $: expected a change of a tracked table") from None
        except (msgspec.DecodeError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
            raise EncodingError(f"{self.subject}: the payload is not a change that can be read exactly") from error

    def _one_by_one(self, payload: str) -> bytes:
        """Raises Mismatch, and more, for what does not fit."""
        change = WHATEVER(payload)
        parts = []
        for field in self.fields:
            try:
                value = getattr(change, field.name)
                parts.append(self._state(field, value) if isinstance(field, State) else field.write(value))
            except Mismatch as mismatch:
                mismatch.path.append(f".{field.name}")
                raise
        return b"".join(parts)

    def _state(self, field: State, value: Any) -> bytes:
        if value is None:
            return field.absent
        if value.__class__ is not str:
            raise Mismatch("JSON as text")
        return field.begins + self.rows[field.name].write(value)

    def _take_fields(self, record: dict[str, Any]) -> None:
        """A record within a record is written like its fields one after another."""
        for field in record["fields"]:
            name, kind = field["name"], self._resolved(field["type"])
            if name in STATES:
                self.fields.append(self._take_state(field))
            elif isinstance(kind, dict) and kind["type"] == "record":
                self._take_fields(kind)
            elif name == "changed_fields":
                write = _renamed(self._plain.compile(field["type"]), self.rows)
                self.fields.append(Field(name, kind, write))
            elif name in Change.__struct_fields__:
                self.fields.append(Field(name, kind, self._plain.compile(field["type"])))
            else:
                self.fields.append(Field("seq", [], self._constant(field)))  # of no type that has lines of its own

    def _take_state(self, field: dict[str, Any]) -> State:
        branches = field["type"]
        if not isinstance(branches, list) or len(branches) != 2 or "null" not in branches:
            raise ConfigError(f"{self._where}: the type of {field['name']} is not null or a record")
        null_index = branches.index("null")
        schema = self._resolved(branches[1 - null_index])
        if not isinstance(schema, dict) or schema["type"] != "record":
            raise ConfigError(f"{self._where}: the type of {field['name']} is not null or a record")
        known = next((row for row in self.rows.values() if row.name == schema["name"]), None)
        self.rows[STATES[field["name"]]] = known or Row(RowCompiler(self._where, self._definitions), schema)
        return State(STATES[field["name"]], varint(null_index), varint(1 - null_index))

    def _constant(self, field: dict[str, Any]) -> Write:
        default = self._plain.default(field)
        if default is None:
            raise ConfigError(
                f"{self._where}: a change has nothing for the field {field['name']}", hint="Give it a default"
            )
        return lambda _: default

    def _resolved(self, schema: Any) -> Any:
        return self._definitions.get(schema, schema) if isinstance(schema, str) else schema


def _renamed(write: Write, rows: dict[str, Row]) -> Write:
    """With the names of the fields in place of the columns', where these are no names in Avro."""

    def write_names(columns: Any) -> bytes:
        names = next(iter(rows.values())).field_names if rows else {}
        is_array = columns.__class__ in (list, tuple)
        return write([names.get(column, column) for column in columns] if is_array else columns)

    return write_names
