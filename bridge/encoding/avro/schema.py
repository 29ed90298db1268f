"""An Avro schema, and the encoding of JSON payloads with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import fastavro
import orjson
from fastavro.schema import SchemaParseException

from bridge.encoding.avro.binary import Mismatch, Unsure
from bridge.encoding.avro.compiler import Compiler
from bridge.encoding.avro.names import defined_names, whole
from bridge.encoding.exact_json import exact_json
from bridge.errors import ConfigError, EncodingError

MAX_DEPTH = 100
# What json, fastavro and we raise for an invalid schema.
INVALID_SCHEMA = (
    ValueError,
    SchemaParseException,
    KeyError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)


class Reference(NamedTuple):
    """A type that a schema uses and another one defines: its full name, and that schema."""

    name: str
    schema: AvroSchema


class AvroSchema:
    """One schema, and the encoding of payloads with it.

    `text` is what its file says, compact; `document` the same as JSON; `whole` the document with the definitions of the
    types that it uses from `references`, so that it can be read by itself.
    """

    def __init__(self, subject: str, text: str, references: tuple[Reference, ...] = ()) -> None:
        """Parse `text`. Raises ConfigError, naming the subject, for an invalid or unsupported schema."""
        self.subject = subject
        self.references = references
        definitions: dict[str, Any] = {}
        try:
            self.document = json.loads(text)
            self.whole = self._whole() if references else self.document
            parsed = fastavro.parse_schema(self.whole, definitions)
            compiler = Compiler(f"the schema {subject}.avsc", definitions)
            self._write = compiler.compile(parsed)
        except INVALID_SCHEMA as error:
            raise ConfigError(f"the schema {subject}.avsc is not valid Avro: {error}") from error
        self.text = json.dumps(self.document, separators=(",", ":"), ensure_ascii=False)
        self._is_recursive = compiler.is_recursive
        # orjson reads every fraction as a double, which would round decimals without a word
        self._parse: Callable[[str], Any] = exact_json if compiler.has_decimal else orjson.loads

    @property
    def used(self) -> Mapping[str, AvroSchema]:
        """All schemas whose types it uses, through others too, by the types' full names."""
        found: dict[str, AvroSchema] = {}
        for name, schema in self.references:
            found |= {name: schema, **schema.used}
        return found

    @cached_property
    def fingerprint(self) -> bytes:
        """SHA-256 of all that its files say: 32 bytes."""
        return hashlib.sha256(json.dumps(self.whole, separators=(",", ":")).encode()).digest()

    def _whole(self) -> Any:
        used = self.used
        definer: dict[str, str] = dict.fromkeys(defined_names(self.document), self.subject)
        for schema in used.values():
            for name in defined_names(schema.document):
                if definer.setdefault(name, schema.subject) != schema.subject:
                    raise ConfigError(
                        f"the schema {self.subject}.avsc uses {schema.subject}.avsc, and both "
                        f"{definer[name]}.avsc and {schema.subject}.avsc define the type {name}",
                        hint="Define it in one file, and use it in the other",
                    )
        return whole(self.document, {name: schema.document for name, schema in used.items()})

    def encode(self, payload: str) -> bytes:
        """The Avro body of `payload`, JSON text. Raises EncodingError with the JSON path, never with the value."""
        try:
            value = self._parse(payload)
            if self._is_recursive and depth(value) > MAX_DEPTH:
                raise EncodingError(f"{self.subject}: the payload is nested more than {MAX_DEPTH} levels deep")
            try:
                return self._write(value)
            except Unsure:
                return self._write(exact_json(payload))
        except Mismatch as mismatch:
            path = "".join(reversed(mismatch.path))
            raise EncodingError(f"{self.subject}: ${path}: expected {mismatch.expected}") from None
        except (ValueError, ArithmeticError, RecursionError) as error:
            raise EncodingError(f"{self.subject}: the payload is not JSON that can be read exactly") from error


def depth(value: Any) -> int:
    """How many containers lie within each other; without recursion."""
    levels, layer = 0, [value]
    while layer := [container for container in layer if isinstance(container, dict | list)]:
        levels += 1
        layer = [item for container in layer for item in _items(container)]
    return levels


def _items(container: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container
