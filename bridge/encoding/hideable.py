"""Which fields of payloads a schema lets a route hide: where `[masked]` fits, and what has a default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import fastavro
import msgspec

from bridge.encoding.avro.binary import Mismatch
from bridge.encoding.avro.compiler import Compiler
from bridge.encoding.avro.schema import AvroSchema
from bridge.encoding.change import ChangeSchema, is_change
from bridge.encoding.fields import MASKED
from bridge.encoding.row import RowCompiler, held_as, ours
from bridge.encoding.values import is_of_changes
from bridge.settings import Route

MASK_JSON = msgspec.json.encode(MASKED)


class Hideable(NamedTuple):
    """What may be done about one field without making every event dead that has it."""

    may_be_masked: bool
    may_be_dropped: bool


def hideable(route: Route, schema: AvroSchema) -> Mapping[str, Hideable] | None:
    """By the name that the route gives it: a field of the payload, or a column. None where the schema does not tell.

    `schema` is one that `avro_body()` takes for the route.
    """
    definitions: dict[str, Any] = {}
    parsed: Any = fastavro.parse_schema(schema.whole, definitions)
    where = f"the schema {schema.subject}.avsc"
    if is_change(schema.document):
        compiler: Compiler = RowCompiler(where, definitions)
        rows = ChangeSchema(schema.subject, schema.text).rows.values()
        fields = [field for row in rows for field in definitions[row.name]["fields"]]
        return {ours(field).get("column", field["name"]): _of(compiler, field) for field in fields}
    if is_of_changes(route) or not isinstance(parsed, dict) or parsed["type"] != "record":
        return None  # of the generic record of changes the rows are text
    compiler = Compiler(where, definitions)
    return {field["name"]: _of(compiler, field) for field in parsed["fields"]}


def _of(compiler: Compiler, field: dict[str, Any]) -> Hideable:
    write, kind = compiler.compile(field["type"]), field["type"]
    try:
        write(msgspec.json.decode(MASK_JSON, type=held_as(kind)) if isinstance(compiler, RowCompiler) else MASKED)
        fits = True
    except (Mismatch, msgspec.ValidationError):
        fits = False
    return Hideable(fits, compiler.default(field) is not None)
