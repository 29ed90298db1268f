"""Changes of a tracked table to Avro records with its columns' types: schemas that `bridge schema generate` writes.

Such a schema says by its attribute `bridge` that it is one. Its record has, in any order and as far as it wants them,
`before` and `after`, records of the table's columns; `source`, a record; and fields that are called as in the payload.
"""

from __future__ import annotations

import json
from operator import attrgetter
from typing import Any, Final

import fastavro
import msgspec

from bridge.encoding.avro.binary import Mismatch, Write, varint
from bridge.encoding.avro.compiler import Compiler
from bridge.encoding.avro.schema import INVALID_SCHEMA
from bridge.encoding.row import OURS, Row, RowCompiler, ours
from bridge.errors import ConfigError, EncodingError

CHANGE: Final = "change"  # the form of such a record
STATES: Final = {"before": "previous_state", "after": "new_state"}


class Change(msgspec.Struct, gc=False):
    """The payload of `entity.changed`, as bridge.change_payload() makes it."""

    id: Any
    seq: Any
    entity_type: Any
    entity_id: Any
    action: Any
    entity_type_id: Any = None
    entity_event_type: Any = None
    performed_by: Any = None
    actor_status: Any = None
    previous_state: str | None = None
    new_state: str | None = None
    changed_fields: Any = None
    change_summary: Any = None
    occurred_at: Any = None


def is_change(document: Any) -> bool:
    """Whether a schema, as JSON, is of a tracked table's changes."""
    return ours(document).get("form") == CHANGE


class ChangeSchema:
    """One such schema, and the encoding of payloads with it."""

    def __init__(self, subject: str, text: str) -> None:
        """Parse `text`. Raises ConfigError, naming the subject, for an invalid or unsupported schema."""
        self.subject = subject
        self._where = f"the schema {subject}.avsc"
        definitions: dict[str, Any] = {}
        try:
            document = json.loads(text)
            parsed: Any = fastavro.parse_schema(document, definitions)
            if not is_change(parsed):
                missing = f'"{OURS}": {{"form": "{CHANGE}"}}'
                raise ConfigError(f"{self._where} is not of a tracked table: it has no {missing}")
            self._definitions = definitions
            self._plain = Compiler(self._where, definitions)
            self._rows: dict[str, Row] = {}
            self._fields: list[tuple[str, Write]] = []
            self._take_fields(parsed)
        except INVALID_SCHEMA as error:
            raise ConfigError(f"{self._where} is not valid Avro: {error}") from error
        self.text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
        names = [name for name, _ in self._fields]
        self._values = attrgetter(*names, "action")  # one more, so that it is a tuple
        self._writes = [write for _, write in self._fields]
        self._decode = msgspec.json.Decoder(Change).decode

    def encode(self, payload: str) -> bytes:
        """The Avro body of an `entity.changed` payload, JSON text.

        Raises EncodingError with the JSON path, never with the value.
        """
        try:
            values = self._values(self._decode(payload))
            try:
                return b"".join([write(value) for write, value in zip(self._writes, values, strict=False)])
            except Mismatch:
                self._find(values)
                raise
        except Mismatch as mismatch:
            path = "".join(reversed(mismatch.path))
            raise EncodingError(f"{self.subject}: ${path}: expected {mismatch.expected}") from None
        except (msgspec.DecodeError, ValueError, ArithmeticError, RecursionError) as error:
            raise EncodingError(f"{self.subject}: the payload is not a change that can be read exactly") from error

    def _find(self, values: tuple[Any, ...]) -> None:
        """Raise the Mismatch once more, with its path."""
        for (name, write), value in zip(self._fields, values, strict=False):
            try:
                write(value)
            except Mismatch as mismatch:
                mismatch.path.append(f".{name}")
                raise

    def _take_fields(self, record: dict[str, Any]) -> None:
        """A record within a record is written like its fields one after another."""
        for field in record["fields"]:
            name, kind = field["name"], self._resolved(field["type"])
            if name in STATES:
                self._fields.append((STATES[name], self._state(field)))
            elif isinstance(kind, dict) and kind["type"] == "record":
                self._take_fields(kind)
            elif name == "changed_fields":
                self._fields.append((name, _renamed(self._plain.compile(field["type"]), self._rows)))
            elif name in Change.__struct_fields__:
                self._fields.append((name, self._plain.compile(field["type"])))
            else:
                self._fields.append(("action", self._constant(field)))

    def _state(self, field: dict[str, Any]) -> Write:
        branches = field["type"]
        if not isinstance(branches, list) or len(branches) != 2 or "null" not in branches:
            raise ConfigError(f"{self._where}: the type of {field['name']} is not null or a record")
        null_index = branches.index("null")
        schema = self._resolved(branches[1 - null_index])
        if not isinstance(schema, dict) or schema["type"] != "record":
            raise ConfigError(f"{self._where}: the type of {field['name']} is not null or a record")
        row = self._rows.get(schema["name"])
        if row is None:
            row = self._rows[schema["name"]] = Row(RowCompiler(self._where, self._definitions), schema)
        absent, index, write_row = varint(null_index), varint(1 - null_index), row.write
        return lambda state: absent if state is None else index + write_row(state)

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
        if columns.__class__ is list:
            names = next(iter(rows.values())).field_names if rows else {}
            columns = [names.get(column, column) for column in columns]
        return write(columns)

    return write_names
