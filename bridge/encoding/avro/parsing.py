"""From a schema's JSON document to its nodes: names resolved, logical types as they count, limits kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from bridge.encoding.avro.attributes import InvalidSchema, logical, required, shown, strings, symbols, text
from bridge.encoding.avro.nodes import (
    MISSING,
    Array,
    Enum,
    Field,
    Fixed,
    Map,
    Named,
    Node,
    Record,
    Schema,
    Union,
)
from bridge.encoding.avro.schema import depth

PRIMITIVES: Final = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
MAX_SCHEMA_CHARACTERS: Final = 1_000_000  # anyone who may write to the registry could make us read more
MAX_SCHEMA_DEPTH: Final = 400  # lists and objects within each other; Python's stack ends at some thousand


def parse(document: Any, title: str = "") -> Schema:
    """The schema in `document`, a JSON value; `title` is what messages call it, or else its root's name.

    It defines all types that it uses. Raises InvalidSchema.
    """
    if depth(document) > MAX_SCHEMA_DEPTH:
        raise InvalidSchema(f"its parts lie within each other more than {MAX_SCHEMA_DEPTH} deep")
    try:
        root = _Parser().node(document, "")
    except RecursionError:
        raise InvalidSchema("its parts lie within each other too deep") from None
    return Schema(title or (root.name if isinstance(root, Named) else str(root)), root)


class _Parser:
    """One document. Each list or object within another costs one or two levels of Python's stack."""

    def __init__(self) -> None:
        self._types: dict[str, Named] = {}  # by full name

    def node(self, document: Any, namespace: str) -> Node:
        if isinstance(document, str):
            return Node(document) if document in PRIMITIVES else self._reference(document, namespace)
        if isinstance(document, list):
            return self._union([self.node(branch, namespace) for branch in document])
        if not isinstance(document, dict) or "type" not in document:
            raise InvalidSchema(f"where a type should be is {shown(document)}")
        kind = document["type"]
        doc = document["doc"] if isinstance(document.get("doc"), str) else ""
        match kind:
            case "array" | "map":
                inner = self.node(required(document, "items" if kind == "array" else "values", kind), namespace)
                return Array(kind, doc=doc, items=inner) if kind == "array" else Map(kind, doc=doc, values=inner)
            case "record" | "error":
                record = Record("record", doc=doc, **self._names(document, namespace))
                self._define(record)
                record.fields.extend(self._fields(document, record))
                return record
            case "enum":
                enum = Enum(kind, doc=doc, **self._names(document, namespace), **symbols(document))
                self._define(enum)
                return enum
            case "fixed":
                size = document.get("size")
                if size.__class__ is not int or not 0 <= size < 1 << 31:
                    raise InvalidSchema(f"the fixed {document.get('name')} has for its size {shown(size)}")
                fixed = Fixed(kind, logical(document, kind, size), doc, **self._names(document, namespace), size=size)
                self._define(fixed)
                return fixed
            case str() if kind in PRIMITIVES:
                return Node(kind, logical(document, kind), doc)
            case _:
                return self.node(kind, namespace)

    def _reference(self, name: str, namespace: str) -> Named:
        full = f"{namespace}.{name}" if namespace and "." not in name else name
        found = self._types.get(full) or self._types.get(name)
        if found is None:
            raise InvalidSchema(f"the type {shown(full)} is not defined before it is used")
        return found

    def _define(self, named: Named) -> None:
        if named.name in self._types:
            raise InvalidSchema(f"the type {named.name} is defined twice")
        self._types[named.name] = named

    def _names(self, document: dict[str, Any], namespace: str) -> dict[str, Any]:
        given, space = text(document, "name", document["type"]), document.get("namespace", namespace)
        if not isinstance(space, str):
            raise InvalidSchema(f"the namespace of {given} is {shown(space)}")
        name = given if "." in given or not space else f"{space}.{given}"
        space = name.rpartition(".")[0]
        aliases = (alias if "." in alias or not space else f"{space}.{alias}" for alias in strings(document, "aliases"))
        return {"name": name, "aliases": tuple(dict.fromkeys(aliases))}

    def _fields(self, document: dict[str, Any], record: Record) -> Iterable[Field]:
        fields = document.get("fields")
        if not isinstance(fields, list) or not all(isinstance(field, dict) for field in fields):
            raise InvalidSchema(f"the fields of {record.name} are not a list of objects")
        names = [text(field, "name", f"field of {record.name}") for field in fields]
        if len(set(names)) < len(names):
            raise InvalidSchema(f"two fields of {record.name} have one name")
        namespace = record.name.rpartition(".")[0]
        for name, field in zip(names, fields, strict=True):
            yield Field(
                name,
                self.node(required(field, "type", f"field {name} of {record.name}"), namespace),
                tuple(dict.fromkeys(strings(field, "aliases"))),
                field.get("default", MISSING),
                field["doc"] if isinstance(field.get("doc"), str) else "",
                str(field.get("order", "ascending")),
            )

    def _union(self, branches: list[Node]) -> Union:
        names = [branch.name if isinstance(branch, Named) else branch.kind for branch in branches]
        if "union" in names or len(set(names)) < len(names):
            raise InvalidSchema("a union has a union in it, or a type twice")
        return Union("union", branches=tuple(branches))
