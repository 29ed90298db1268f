"""`bridge schema generate`: the file of a tracked table's schema, written or compared, and the route that it needs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from bridge.admin.schema_text import schema_text
from bridge.admin.table_columns import read_shape
from bridge.admin.tables import find_table
from bridge.admin.tracking import require_key
from bridge.admin.type_evolution import bare
from bridge.admin.typed_schema import Wishes, full_name, typed_schema
from bridge.encoding.change import ChangeSchema
from bridge.errors import ConfigError
from bridge.settings import Settings


class Generated(NamedTuple):
    """A table's schema: its text, what it has that the former file has not, and the name of the table's changes."""

    text: str
    differences: list[str]
    entity_type: str
    is_tracked: bool
    full_name: str


def generate(conn: psycopg.Connection, table: str, wishes: Wishes, file: Path | None) -> Generated:
    """The schema of a table as it is now, which reads what was written with the schema in `file`, if there is one.

    Raises ConfigError for a table that is not there, or is neither tracked nor has a primary key, and where there can
    be no such schema.
    """
    found = find_table(conn, table)
    former_text = read_former(file) if file else None
    try:
        former = None if former_text is None else json.loads(former_text)
        shape = read_shape(conn, found)
        schema = typed_schema(shape, wishes, former)
    except ConfigError as error:
        raise ConfigError(f"{found.name}: {error.message}", hint=error.hint) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{file} is no Avro schema", hint="Remove it, or name another file") from error
    if not shape.identity.is_tracked:
        require_key(conn, found)
    text = schema_text(schema)
    ChangeSchema(f"{schema['name']}", text)  # what is written can be used
    changes = [] if text == former_text else differences(former, schema)
    return Generated(text, changes, shape.identity.entity_type, shape.identity.is_tracked, full_name(schema))


def routed_file(conn: psycopg.Connection, table: str, settings: Settings) -> Path:
    """The schema's file of the route of a table. Raises ConfigError where it has none."""
    entity_type = read_shape(conn, find_table(conn, table)).identity.entity_type
    route = next((route for route in settings.routes if route.table == entity_type and route.subject), None)
    if route is None or settings.schemas is None:
        raise ConfigError(f"no route with a schema names the table {entity_type!r}", hint="Name the file with --out")
    return settings.schemas / f"{route.subject}.avsc"


def read_former(file: Path) -> str | None:
    """The text of a schema's file; None where there is none. Raises ConfigError for one that cannot be read."""
    try:
        return file.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read") from error


def write_schema(file: Path, text: str) -> None:
    """Whole, or not at all: a relay may read it at any moment. Makes its directory. Raises ConfigError."""
    beside = file.with_name(f".{file.name}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, "utf-8")
        os.replace(beside, file)
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}") from error


def route_text(entity_type: str, topic: str, subject: str) -> str:
    """The route of a tracked table's changes, as it stands in the configuration."""
    named = {"table": entity_type, "topic": topic, "subject": subject}
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in named.items()]
    return "\n".join(["[[routes]]", *lines, ""])


def differences(former: Any, now: Any) -> list[str]:
    """What is otherwise now, a line for each field; never empty."""
    if former is None:
        return ["there is no such file"]
    before, after = _fields(former), _fields(now)
    lines = [f"{name} is new" for name in after if name not in before]
    lines += [f"{name} is gone" for name in before if name not in after]
    for name in after:
        if name in before and before[name] != after[name]:
            parts = [key for key in ("type", "default", "doc") if before[name].get(key) != after[name].get(key)]
            lines.append(f"{name} has another {' and '.join(parts) or 'attribute'}")
    return lines or ["it is written otherwise, and means the same"]


def _fields(schema: Any, path: str = "") -> dict[str, Any]:
    """All fields, those of records within it as well, by their path; of a record's field not its fields."""
    found: dict[str, Any] = {}
    for field in schema["fields"]:
        record = bare(field["type"])
        is_record = isinstance(record, dict) and record.get("type") == "record"
        name = f"{path}{field['name']}"
        found[name] = {**field, "type": record["name"]} if is_record else field
        if is_record:
            found |= _fields(record, f"{name}.")
    if not path:
        found["the record"] = {key: value for key, value in schema.items() if key != "fields"}
    return found
