"""The Avro schema of a tracked table's changes, as JSON, from the table as it is and the schema as it was.

Every column is nullable, with null as its default, whatever the table says: so a column can be added, dropped, renamed
or made nullable, and each schema still reads what all the others wrote.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from bridge.admin.avro_names import adjusted, avro_names
from bridge.admin.column_types import SPELLED, column_type
from bridge.admin.table_columns import Column, Identity, Shape
from bridge.admin.type_evolution import bare, evolved
from bridge.encoding.change import CHANGE, is_change
from bridge.encoding.row import OURS, ours
from bridge.errors import ConfigError

Schema = Any
UUID = {"type": "string", "logicalType": "uuid"}
TIME = {"type": "long", "logicalType": "timestamp-micros"}
DROPPED = "Not a column any more: null in what is written now."


class Wishes(NamedTuple):
    """What a person asks for; `name` is a full one. None and nothing: as the former schema has it."""

    name: str | None = None
    after_only: bool = False
    text: Collection[str] = ()


def typed_schema(shape: Shape, wishes: Wishes, former: Schema | None = None) -> Schema:
    """The schema of the table's changes, which reads what was written with `former`.

    Raises ConfigError for what cannot be: a column that is not there, a type that became another.
    """
    if former is not None and not is_change(former):
        raise ConfigError("the file holds another schema", hint="Name another file, or remove this one")
    of_table = ours(former).get("table")
    if wishes.name is None and of_table not in (None, shape.identity.entity_type):
        raise ConfigError(
            f"the file holds the schema of the table {of_table!r}",
            hint="Name another file; where that table is this one now, give its schema's name with --name",
        )
    unknown = sorted(set(wishes.text) - {column.name for column in shape.columns})
    if unknown:
        raise ConfigError(f"the table has no column {unknown[0]} that is recorded")
    name = wishes.name or (full_name(former) if former else _name_of(shape.identity))
    after_only = wishes.after_only or (former is not None and _field(former, "before") is None)
    within = f"{name}_"  # the namespace of its parts: Java has no package that is called as a class is
    row = {
        "type": "record",
        "name": "Row",
        "namespace": within,
        "fields": list(_fields(shape, wishes, within, _row_of(former) if former else None)),
    }
    states = [{"name": "after", "type": ["null", row], "default": None, "doc": "The row as it became; null: none."}]
    if not after_only:
        before = {"name": "before", "type": ["null", row], "default": None, "doc": "The row as it was; null: none."}
        states = [before, {**states[0], "type": ["null", f"{within}.Row"]}]
    namespace, _, short = name.rpartition(".")
    return {
        "type": "record",
        "name": short,
        **({"namespace": namespace} if namespace else {}),
        "doc": _doc(shape.identity.comment, former) or f"A change of {shape.identity.schema}.{shape.identity.name}.",
        OURS: {"form": CHANGE, "table": shape.identity.entity_type},
        "fields": [*_envelope(states), {"name": "source", "type": _source(within), "doc": "Where it comes from."}],
    }


def _envelope(states: list[Schema]) -> list[Schema]:
    return [
        *states,
        {
            "name": "action",
            "type": "string",
            "doc": "INSERT, UPDATE, DELETE or TRUNCATE; READ: the row was there, and is told by bridge snapshot.",
        },
        {
            "name": "changed_fields",
            "type": ["null", {"type": "array", "items": "string"}],
            "default": None,
            "doc": "The fields that changed; null unless UPDATE.",
        },
        {
            "name": "performed_by",
            "type": ["null", UUID],
            "default": None,
            "doc": "Who did it, where that is known.",
        },
        {
            "name": "actor_status",
            "type": "string",
            "doc": "How far performed_by can be relied on: ok, unverified, stale, invalid or missing.",
        },
        {
            "name": "change_summary",
            "type": ["null", "string"],
            "default": None,
            "doc": "The change in a few words; of a TRUNCATE, whether its rows have events of their own.",
        },
    ]


def _source(namespace: str) -> Schema:
    return {
        "type": "record",
        "name": "Source",
        "namespace": namespace,
        "fields": [
            {"name": "entity_type", "type": "string", "doc": "What the table's changes are called."},
            {"name": "id", "type": UUID, "doc": "The event's id, as in the header ce_id."},
            {"name": "entity_id", "type": "string", "doc": "The row's key; * for TRUNCATE."},
            {"name": "seq", "type": "long", "doc": "The event's number; of one row, a later change has a higher one."},
            {"name": "occurred_at", "type": TIME, "doc": "When it happened, by the database's clock."},
        ],
    }


def _fields(shape: Shape, wishes: Wishes, namespace: str, former: Schema | None) -> Iterator[Schema]:
    """By the columns' numbers; those that are no columns any more come last."""
    before = {ours(field).get("column", field["name"]): field for field in former["fields"]} if former else {}
    names = avro_names(
        (column.name for column in shape.columns), {column: field["name"] for column, field in before.items()}
    )
    conflicts = []
    for column in shape.columns:
        field = before.get(column.name)
        enum_name = f"{namespace}.enums.{names[column.name]}"
        schema = SPELLED if column.name in wishes.text else column_type(column, shape.types, enum_name)
        labels = [] if schema == SPELLED else _labels(shape, column)
        found = schema if field is None else evolved(bare(field["type"]), schema, labels)
        if found is None:
            conflicts.append(column.name)
        else:
            yield _field_of(column, names[column.name], found, field)
    if conflicts:
        raise ConfigError(
            f"what was written of {', '.join(conflicts)} cannot be read with a schema of the column's type now",
            hint="Write a new file, for a subject and a topic of its own; or remove the file to begin anew",
        )
    there = {column.name for column in shape.columns}
    for column_name, field in before.items():
        if column_name not in there:
            yield {**field, "type": _nullable(bare(field["type"])), "default": None, "doc": DROPPED}


def _field_of(column: Column, name: str, schema: Schema, former: Schema | None) -> Schema:
    kept = {key: value for key, value in (former or {}).items() if key not in ("name", "type", "doc")}
    field = {"name": name, "type": schema}
    if former is None or isinstance(former["type"], list) or not column.is_not_null:  # else somebody has said so
        has_default = kept.setdefault("default") is not None  # the type of a union's default comes first
        field["type"] = [schema, "null"] if has_default else _nullable(schema)
    former_doc = (former or {}).get("doc")
    doc = column.comment or (former_doc if former_doc != DROPPED else None)
    if doc:
        field["doc"] = doc
    if name != column.name:
        field[OURS] = {"column": column.name}
    return {**field, **kept}


def _labels(shape: Shape, column: Column) -> list[str]:
    """Of the enum that a column, or its array's elements, or the domain's base, is made of."""
    type_ = shape.types[column.type] if column.use != "masked" else None
    while type_ is not None and (type_.is_domain or type_.element):
        type_ = shape.types[type_.base if type_.is_domain else type_.element]
    return [] if type_ is None or column.use == "masked" else type_.labels


def _nullable(schema: Schema) -> Schema:
    return schema if isinstance(schema, list) and "null" in schema else ["null", schema]


def _doc(comment: str | None, former: Schema | None) -> str | None:
    return comment or (former.get("doc") if former else None)


def _name_of(identity: Identity) -> str:
    return f"{adjusted(identity.schema)}.{adjusted(identity.name)}"


def full_name(schema: Schema) -> str:
    """A record's name with its namespace."""
    name, namespace = schema["name"], schema.get("namespace")
    return str(name if "." in name or not namespace else f"{namespace}.{name}")


def _field(schema: Schema, name: str) -> Schema | None:
    return next((field for field in schema["fields"] if field["name"] == name), None)


def _row_of(former: Schema) -> Schema:
    """The record of the rows in a schema that was made here."""
    for name in ("before", "after"):
        field = _field(former, name)
        row = bare(field["type"]) if field else None
        if isinstance(row, dict):
            return row
    raise ConfigError("the file's record has neither before nor after", hint="Remove the file to begin anew")
