"""What Avro bytes claim to hold, followed without building any of it.

Three bytes can claim 2^40 nulls, a kilobyte a value nested deeper than any stack, and a schema of thirty records a
thousand million fields; fastavro believes them all. So whoever reads bytes of others asks here first.
"""

from __future__ import annotations

from typing import Any

import fastavro

from bridge.encoding.avro.schema import MAX_DEPTH

MAX_VALUES = 250_000  # scalars, containers and keys in one record; some 100 bytes each, once they are Python's
MAX_DECIMAL_BYTES = 1000  # turning them into digits takes quadratic time

SIZES = {"null": 0, "boolean": 1, "float": 4, "double": 8}  # in bytes, of the types that are always of one size


class _Refused(Exception):
    """The bytes are no value of the schema, or more than we want to read."""


def is_bounded(schema: Any, body: bytes) -> bool:
    """Whether `body` is one value of `schema`, as fastavro parses it; whole, and of a size that can be shown."""
    definitions: dict[str, Any] = {}
    fastavro.parse_schema(schema, definitions)  # parsed already, so this only gives its named types
    walk = _Walk(definitions, body)
    try:
        walk.value(schema, 0)
    except (_Refused, IndexError, KeyError, TypeError):  # bytes that end too early, and schemas that mean nothing
        return False
    return walk.at == len(body)


class _Walk:
    """A place in the bytes, and how many values may still come."""

    def __init__(self, definitions: dict[str, Any], body: bytes) -> None:
        self.at = 0
        self._definitions = definitions
        self._body = body
        self._left = MAX_VALUES

    def value(self, schema: Any, level: int) -> None:
        self._left -= 1
        if self._left < 0 or level > MAX_DEPTH:
            raise _Refused
        if isinstance(schema, list):
            return self.value(schema[self._natural()], level)
        if isinstance(schema, str):
            schema = self._definitions.get(schema, {"type": schema})
        kind = schema["type"]
        if kind in ("record", "error"):
            for field in schema["fields"]:
                self.value(field["type"], level + 1)
        elif kind in ("array", "map"):
            self._blocks(schema["items" if kind == "array" else "values"], kind == "map", level + 1)
        elif kind in ("bytes", "string", "fixed"):
            size = schema["size"] if kind == "fixed" else self._natural()
            if schema.get("logicalType") == "decimal" and size > MAX_DECIMAL_BYTES:
                raise _Refused
            self._skip(size)
        elif kind in ("int", "long", "enum"):
            self._long()
        elif isinstance(kind, str) and kind in SIZES:
            self._skip(SIZES[kind])
        else:  # a type within a type, or a name
            self.value(kind, level + 1)
        return None

    def _blocks(self, items: Any, has_keys: bool, level: int) -> None:
        while count := self._long():
            if count < 0:  # then the block's size in bytes follows
                self._long()
            for _ in range(abs(count)):
                if has_keys:
                    self.value("string", level)
                self.value(items, level)

    def _skip(self, size: int) -> None:
        self.at += size
        if not 0 <= size <= len(self._body) or self.at > len(self._body):
            raise _Refused

    def _natural(self) -> int:
        number = self._long()
        if number < 0:
            raise _Refused
        return number

    def _long(self) -> int:
        number = shift = 0
        while (byte := self._body[self.at]) > 127 and shift < 63:
            number |= (byte & 127) << shift
            shift += 7
            self.at += 1
        self.at += 1
        number |= (byte & 127) << shift
        return number >> 1 if number % 2 == 0 else -(number >> 1) - 1
