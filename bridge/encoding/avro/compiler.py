"""A schema to the function that writes its values: composes the functions of the modules beside.

A union's branch is chosen by the JSON type, so two branches of one JSON type are refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from bridge.encoding.avro import binary, containers, logical
from bridge.encoding.avro.binary import Mismatch, Write
from bridge.errors import ConfigError

JSON_TYPES: dict[str, tuple[type, ...]] = {  # the JSON types that choose a union's branch
    "null": (type(None),),
    "boolean": (bool,),
    "int": (int,),
    "long": (int,),
    "float": (float, Decimal),
    "double": (float, Decimal),
    "array": (list,),
    "map": (dict,),
    "record": (dict,),
    "decimal": (str, int, Decimal),
}
PRIMITIVES: dict[str, Write] = {
    "null": binary.null,
    "boolean": binary.boolean,
    "int": binary.int32,
    "long": binary.int64,
    "float": binary.float32,
    "double": binary.float64,
    "bytes": binary.binary,
    "string": binary.string,
}
LOGICAL: dict[tuple[str, str], Write] = {
    ("string", "uuid"): logical.uuid,
    ("int", "date"): logical.day,
    ("int", "time-millis"): logical.time_of_day(1000),
    ("long", "time-micros"): logical.time_of_day(1),
    ("long", "timestamp-millis"): logical.timestamp(logical.EPOCH, 1000),
    ("long", "timestamp-micros"): logical.timestamp(logical.EPOCH, 1),
    ("long", "local-timestamp-millis"): logical.timestamp(logical.LOCAL_EPOCH, 1000),
    ("long", "local-timestamp-micros"): logical.timestamp(logical.LOCAL_EPOCH, 1),
}


class Compiler:
    """Turns a schema that fastavro has parsed, so that its names are full ones, into a `Write`.

    `is_default`: for values in the schema itself, which have Avro's JSON form: no logical types, bytes as Latin-1,
    a union's first branch.
    """

    def __init__(self, where: str, definitions: Mapping[str, Any], *, is_default: bool = False) -> None:
        self.where = where
        self.definitions = definitions
        self.is_default = is_default
        self.has_decimal = False
        self.is_recursive = False
        self._named: dict[str, Write | None] = {}  # None while its own definition is being compiled

    def compile(self, schema: Any) -> Write:
        """The function that writes values of `schema`. Raises ConfigError for what is not supported."""
        if isinstance(schema, list):
            return self._union(schema)
        if isinstance(schema, str):
            schema = {"type": schema}
        kind = schema["type"]
        if isinstance(kind, dict | list):
            return self.compile(kind)
        if kind == "record":
            return self._record(schema)
        write = self._logical(schema, kind) or self._plain(schema, kind)
        if "name" in schema:
            self._named[schema["name"]] = write
        return write

    def _plain(self, schema: dict[str, Any], kind: str) -> Write:
        match kind:
            case "array":
                return containers.array(self.compile(schema["items"]))
            case "map":
                return containers.mapping(self.compile(schema["values"]))
            case "enum":
                return binary.enum(schema["symbols"])
            case "fixed":
                size = schema["size"]
                if size.__class__ is not int or size < 0:
                    raise ValueError(f"a fixed has {size!r} bytes")
                return binary.latin1(size) if self.is_default else binary.fixed(size)
            case "bytes" if self.is_default:
                return binary.latin1(None)
            case _ if kind in PRIMITIVES:
                return PRIMITIVES[kind]
            case _:
                return self._reference(kind)

    def _logical(self, schema: dict[str, Any], kind: str) -> Write | None:
        """None for a logical type that we do not know, or on the wrong type: Avro says to ignore those."""
        name = None if self.is_default else schema.get("logicalType")
        if name == "decimal" and kind in ("bytes", "fixed"):
            self.has_decimal = True
            return logical.decimal(schema["precision"], schema.get("scale", 0), schema.get("size"))
        return LOGICAL.get((kind, str(name)))

    def _record(self, schema: dict[str, Any]) -> Write:
        name = schema["name"]
        self._named[name] = None
        fields = [(field["name"], self.compile(field["type"])) for field in schema["fields"]]
        written = {field["name"]: self.default(field) for field in schema["fields"]}
        defaults = {name: default for name, default in written.items() if default is not None}
        self._named[name] = write = containers.record(fields, defaults)
        return write

    def default(self, field: dict[str, Any]) -> bytes | None:
        """A field's default in binary form; None where it has none. Raises ConfigError for one that does not fit."""
        if "default" not in field:
            return None
        compiler = self if self.is_default else Compiler(self.where, self.definitions, is_default=True)
        value = json.loads(json.dumps(field["default"]), parse_float=Decimal)  # as in the schema's text, so for sure
        try:
            return compiler.compile(field["type"])(value)
        except Mismatch as mismatch:
            raise ConfigError(f"{self.where}: the default of {field['name']} is not {mismatch.expected}") from None

    def _reference(self, name: str) -> Write:
        if name not in self._named:
            return self.compile(self.definitions[name])
        known = self._named[name]
        if known is not None:
            return known
        self.is_recursive = True

        def write(value: Any) -> bytes:
            found = self._named[name]
            if found is None:  # a default is written while the schema is being compiled
                raise Mismatch("a value that ends: this one would need itself")
            return found(value)

        return write

    def _union(self, branches: list[Any]) -> Write:
        writes = [self.compile(branch) for branch in branches]
        if self.is_default:
            return containers.branch(0, writes[0])
        names = [self._name(branch) for branch in branches]
        if len(branches) == 2 and "null" in names:
            index = names.index("null")
            return containers.nullable(writes[1 - index], index)
        by_type: dict[type, tuple[bytes, Write]] = {}
        for index, (name, write) in enumerate(zip(names, writes, strict=True)):
            for json_type in JSON_TYPES.get(name, (str,)):
                if json_type in by_type:
                    raise ConfigError(
                        f"{self.where}: JSON cannot tell the branches of the union {', '.join(names)} apart",
                        hint="Use fields of their own",
                    )
                by_type[json_type] = (binary.varint(index), write)
        if float in by_type:  # a double may be a whole number, which JSON prints like any other
            by_type.setdefault(int, by_type[float])
        return containers.union(by_type, f"one of {', '.join(names)}")

    def _name(self, branch: Any) -> str:
        """What chooses this branch in JSON: its type's name, or `string` where a logical type is written as text."""
        if isinstance(branch, str):
            return self._name(self.definitions[branch]) if branch in self.definitions else branch
        if (branch["type"], str(branch.get("logicalType"))) in LOGICAL:
            return "string"
        return "decimal" if branch.get("logicalType") == "decimal" else str(branch["type"])
