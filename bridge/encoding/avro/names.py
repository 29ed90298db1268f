"""The names in a schema's document: which it defines, which it uses, and others' definitions put where they are used.

Names are full ones, by Avro's rules: one without a dot belongs to the namespace around it. Walks are recursive: a
document that is nested too deeply raises RecursionError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
NAMED = ("record", "error", "enum", "fixed")

Use = Callable[[str, str], Any]  # a name as it is written, and the full one, to what stands there instead


def type_name(document: Any) -> str | None:
    """The full name of the one type that a document defines at its top; None where that has no name."""
    return _full(document, "")[0] if _is_named(document) else None


def defined_names(document: Any) -> frozenset[str]:
    """All names that a document defines, at any depth."""
    found: set[str] = set()
    _rewritten(document, "", found.add, lambda written, _: written)
    return frozenset(found)


def used_names(document: Any) -> tuple[str, ...]:
    """The names that a document uses and does not define, in the order of their first use."""
    own, used = defined_names(document), dict[str, None]()

    def note(written: str, full: str) -> str:
        if full not in own:
            used[full] = None
        return written

    _rewritten(document, "", lambda _: None, note)
    return tuple(used)


def whole(document: Any, definitions: Mapping[str, Any]) -> Any:
    """The document with each definition that it uses at the place of its first use, so that it needs no other.

    `definitions` are documents by full name, those that they use themselves included; no two define the same name.
    """
    placed: set[str] = set()

    def put_into(part: Any, namespace: str) -> Any:
        own = defined_names(part)

        def put(written: str, full: str) -> Any:
            if full in own or full not in definitions:
                return written
            if full in placed:
                return full
            placed.add(full)
            definition = put_into(definitions[full], "")
            space, _, short = full.rpartition(".")
            return definition | {"name": short, "namespace": space}

        return _rewritten(part, namespace, lambda _: None, put)

    return put_into(document, "")


def _is_named(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("type") in NAMED and isinstance(schema.get("name"), str)


def _full(schema: Mapping[str, Any], namespace: str) -> tuple[str, str]:
    """A definition's full name, and the namespace within it."""
    name: str = schema["name"]
    if "." not in name:
        given = schema.get("namespace", namespace)
        name = f"{given}.{name}" if isinstance(given, str) and given else name
    return name, name.rpartition(".")[0]


def _rewritten(schema: Any, namespace: str, define: Callable[[str], None], use: Use) -> Any:
    """A copy with other names, or definitions, where names are used. What is no Avro stays as it is."""
    if isinstance(schema, str):
        if schema in PRIMITIVES:
            return schema
        return use(schema, schema if "." in schema or not namespace else f"{namespace}.{schema}")
    if isinstance(schema, list):
        return [_rewritten(branch, namespace, define, use) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    if _is_named(schema):
        full, namespace = _full(schema, namespace)
        define(full)
        if isinstance(schema.get("fields"), list):
            return schema | {"fields": [_field(field, namespace, define, use) for field in schema["fields"]]}
        return schema
    return schema | {part: _rewritten(schema[part], namespace, define, use) for part in _parts(schema)}


def _parts(schema: Mapping[str, Any]) -> Iterator[str]:
    """Where in a schema without a name another stands."""
    kind = schema.get("type")
    part = {"array": "items", "map": "values"}.get(kind, "type") if isinstance(kind, str) else "type"
    if part in schema and kind not in NAMED:
        yield part


def _field(field: Any, namespace: str, define: Callable[[str], None], use: Use) -> Any:
    if not isinstance(field, dict) or "type" not in field:
        return field
    return field | {"type": _rewritten(field["type"], namespace, define, use)}
