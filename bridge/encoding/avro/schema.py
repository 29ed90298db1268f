"""Avro schemas from `<subject>.avsc` files, and the encoding of JSON payloads with them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import fastavro
import orjson
from fastavro.schema import SchemaParseException

from bridge.encoding.avro.binary import Mismatch, Unsure
from bridge.encoding.avro.compiler import Compiler
from bridge.encoding.exact_json import exact_json
from bridge.errors import ConfigError, EncodingError
from bridge.resources import resource

MAX_DEPTH = 100
MAX_SCHEMA_BYTES = 1_000_000
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


class AvroSchema:
    """One schema, and the encoding of payloads with it."""

    def __init__(self, subject: str, text: str) -> None:
        """Parse `text`. Raises ConfigError, naming the subject, for an invalid or unsupported schema."""
        self.subject = subject
        definitions: dict[str, Any] = {}
        try:
            document = json.loads(text)
            parsed = fastavro.parse_schema(document, definitions)
            compiler = Compiler(f"the schema {subject}.avsc", definitions)
            self._write = compiler.compile(parsed)
        except INVALID_SCHEMA as error:
            raise ConfigError(f"the schema {subject}.avsc is not valid Avro: {error}") from error
        self.text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
        self._is_recursive = compiler.is_recursive
        # orjson reads every fraction as a double, which would round decimals without a word
        self._parse: Callable[[str], Any] = exact_json if compiler.has_decimal else orjson.loads

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


def load_schema(subject: str, directory: Path | None) -> AvroSchema:
    """Read `<subject>.avsc` from `directory`, or else the one that ships with bridge. Raises ConfigError naming it."""
    if Path(subject).name != subject:
        raise ConfigError(f"the subject {subject!r} is not the name of a file", hint="Correct the route's subject")
    try:
        shipped = resource("schemas").joinpath(f"{subject}.avsc")
        own = None if directory is None else directory / shipped.name
        file: Traversable = shipped if own is None or (shipped.is_file() and not own.exists()) else own
        with file.open("rb") as stream:
            content = stream.read(MAX_SCHEMA_BYTES + 1)
        text = content.decode("utf-8-sig")
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


def depth(value: Any) -> int:
    """How many containers lie within each other; without recursion."""
    levels, layer = 0, [value]
    while layer := [container for container in layer if isinstance(container, dict | list)]:
        levels += 1
        layer = [item for container in layer for item in _items(container)]
    return levels


def _items(container: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container
