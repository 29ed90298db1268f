"""Avro schemas from `<subject>.avsc` files, and the encoding of JSON payloads with them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import fastavro
import orjson
from fastavro.schema import SchemaParseException

from bridge import avro_binary as binary
from bridge.avro_binary import Mismatch, Write
from bridge.errors import ConfigError, EncodingError
from bridge.resources import resource

MAX_DEPTH = 100
MAX_SCHEMA_BYTES = 1_000_000

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
    ("string", "uuid"): binary.uuid,
    ("int", "date"): binary.day,
    ("int", "time-millis"): binary.time_of_day(1000),
    ("long", "time-micros"): binary.time_of_day(1),
    ("long", "timestamp-millis"): binary.timestamp(binary.EPOCH, 1000),
    ("long", "timestamp-micros"): binary.timestamp(binary.EPOCH, 1),
    ("long", "local-timestamp-millis"): binary.timestamp(binary.LOCAL_EPOCH, 1000),
    ("long", "local-timestamp-micros"): binary.timestamp(binary.LOCAL_EPOCH, 1),
}


class AvroSchema:
    """One parsed schema, and `write`: a payload's JSON text to Avro's binary form."""

    def __init__(self, subject: str, text: str) -> None:
        """Parse `text`. Raises ConfigError, naming the subject, for an invalid or unsupported schema."""
        self.subject = subject
        definitions: dict[str, Any] = {}
        try:
            document = json.loads(text)
            parsed = fastavro.parse_schema(document, definitions)
        except (ValueError, SchemaParseException, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ConfigError(f"the schema {subject}.avsc is not valid Avro: {error}") from error
        self.text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
        compiler = Compiler(f"the schema {subject}.avsc", definitions)
        self._write = compiler.compile(parsed)
        self._is_recursive = compiler.is_recursive
        # orjson reads every fraction as a double, which would round decimals without a word
        self._parse: Callable[[str], Any] = exact_json if compiler.has_decimal else orjson.loads

    def encode(self, payload: str) -> bytes:
        """The Avro body of `payload`, JSON text. Raises EncodingError with the JSON path, never with the value."""
        try:
            value = self._parse(payload)
        except (ValueError, RecursionError) as error:
            raise EncodingError(f"{self.subject}: the payload is not JSON that can be read exactly") from error
        if self._is_recursive and depth(value) > MAX_DEPTH:
            raise EncodingError(f"{self.subject}: the payload is nested more than {MAX_DEPTH} levels deep")
        try:
            return self._write(value)
        except Mismatch as mismatch:
            path = "".join(reversed(mismatch.path))
            raise EncodingError(f"{self.subject}: ${path}: expected {mismatch.expected}") from None


def load_schema(subject: str, directory: Path | None) -> AvroSchema:
    """Read `<subject>.avsc` from `directory`, or from the shipped schemas. Raises ConfigError naming the file."""
    if Path(subject).name != subject:
        raise ConfigError(f"the subject {subject!r} is not the name of a file", hint="Correct the route's subject")
    try:
        file: Traversable = (directory or resource("schemas")).joinpath(f"{subject}.avsc")
        with file.open("rb") as stream:
            content = stream.read(MAX_SCHEMA_BYTES + 1)
        text = content.decode("utf-8")
    except OSError as error:
        place = f"in {directory}" if directory else "among the schemas that ship with bridge"
        raise ConfigError(
            f"there is no {subject}.avsc {place}",
            hint="Add the file, set BRIDGE_SCHEMAS to its directory, or correct the route's subject",
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"the schema {subject}.avsc is not UTF-8") from error
    if len(content) > MAX_SCHEMA_BYTES:
        raise ConfigError(f"the schema {subject}.avsc is larger than {MAX_SCHEMA_BYTES} bytes")
    return AvroSchema(subject, text)


def is_recursive(parsed: Any) -> bool:
    """Whether values of a schema that fastavro has parsed can be nested without bound; True if that is not known."""
    compiler = Compiler("", parsed.get("__named_schemas", {}) if isinstance(parsed, dict) else {})
    try:
        compiler.compile(parsed)
    except (ConfigError, KeyError):  # a schema that we can read, but not write
        return True
    return compiler.is_recursive


def exact_json(text: str) -> Any:
    """Parse JSON with fractions as Decimal."""
    return json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def depth(value: Any) -> int:
    """How many containers lie within each other; without recursion."""
    levels, layer = 0, [value]
    while layer := [container for container in layer if isinstance(container, dict | list)]:
        levels += 1
        layer = [item for container in layer for item in _items(container)]
    return levels


def _items(container: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container


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
                return binary.array(self.compile(schema["items"]))
            case "map":
                return binary.mapping(self.compile(schema["values"]))
            case "enum":
                return binary.enum(schema["symbols"])
            case "fixed":
                return binary.latin1(schema["size"]) if self.is_default else binary.fixed(schema["size"])
            case "bytes" if self.is_default:
                return binary.latin1(None)
            case _ if kind in PRIMITIVES:
                return PRIMITIVES[kind]
            case _:
                return self._reference(kind)

    def _logical(self, schema: dict[str, Any], kind: str) -> Write | None:
        """None for a logical type that we do not know, or on the wrong type: Avro says to ignore those."""
        logical = None if self.is_default else schema.get("logicalType")
        if logical == "decimal" and kind in ("bytes", "fixed"):
            self.has_decimal = True
            return binary.decimal(schema["precision"], schema.get("scale", 0), schema.get("size"))
        return LOGICAL.get((kind, str(logical)))

    def _record(self, schema: dict[str, Any]) -> Write:
        name = schema["name"]
        self._named[name] = None
        fields = [(field["name"], self.compile(field["type"])) for field in schema["fields"]]
        defaults = {field["name"]: self._default(field) for field in schema["fields"] if "default" in field}
        self._named[name] = write = binary.record(fields, defaults)
        return write

    def _default(self, field: dict[str, Any]) -> bytes:
        compiler = self if self.is_default else Compiler(self.where, self.definitions, is_default=True)
        try:
            return compiler.compile(field["type"])(field["default"])
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
            assert found is not None  # noqa: S101 - its definition is complete by now
            return found(value)

        return write

    def _union(self, branches: list[Any]) -> Write:
        writes = [self.compile(branch) for branch in branches]
        if self.is_default:
            return binary.branch(0, writes[0])
        names = [self._name(branch) for branch in branches]
        if len(branches) == 2 and "null" in names:
            index = names.index("null")
            return binary.nullable(writes[1 - index], index)
        by_type: dict[type, tuple[bytes, Write]] = {}
        for index, (name, write) in enumerate(zip(names, writes, strict=True)):
            for json_type in JSON_TYPES.get(name, (str,)):
                if json_type in by_type:
                    raise ConfigError(
                        f"{self.where}: JSON cannot tell the branches of the union {', '.join(names)} apart",
                        hint="Use fields of their own",
                    )
                by_type[json_type] = (binary.varint(index), write)
        return binary.union(by_type, f"one of {', '.join(names)}")

    def _name(self, branch: Any) -> str:
        """What chooses this branch in JSON: its type's name, or `string` where a logical type is written as text."""
        if isinstance(branch, str):
            return str(self.definitions[branch]["type"]) if branch in self.definitions else branch
        if (branch["type"], str(branch.get("logicalType"))) in LOGICAL:
            return "string"
        return "decimal" if branch.get("logicalType") == "decimal" else str(branch["type"])
