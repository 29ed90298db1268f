"""Records for people: decoded by the registry's schemas, safe to print."""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import fastavro
import orjson
from confluent_kafka import Message

from bridge.encoding.avro.compiler import is_recursive
from bridge.kafka.reader import Reader
from bridge.registry.client import RegistryClient
from bridge.settings import Settings
from bridge.text import printable

SHOWN_CHARACTERS = 4000  # of a value in text; JSON output has it whole
RECURSIVE_BYTES = 2000  # fastavro crashes the process on values nested some thousand levels deep; a level is a byte


@dataclass(frozen=True)
class Shown:
    """One record as it is shown. `schema_id` is None where the value is not Avro; bytes that are no text are hex."""

    topic: str
    partition: int
    offset: int
    time: str
    key: str | None
    headers: list[tuple[str, str | None]]
    schema_id: int | None
    value: Any

    def as_json(self) -> str:
        """One line of JSON in ASCII, so that no terminal can be steered by it; of headers of one name, the last."""
        document = self.__dict__ | {"headers": dict(self.headers)}
        return json.dumps(orjson.loads(orjson.dumps(document, default=_plain)))

    def as_text(self) -> str:
        """Up to three lines: when and where, headers, value."""
        value = self.value if isinstance(self.value, str) else orjson.dumps(self.value, default=_plain).decode()
        cut = f"... ({len(value)} characters)" if len(value) > SHOWN_CHARACTERS else ""
        headers = " ".join(f"{printable(name)}={printable(str(content))}" for name, content in self.headers)
        place = f"{self.time} {self.topic}[{self.partition}]@{self.offset} key {printable(str(self.key))}"
        lines = [place, *([f"  {headers}"] if headers else []), "  " + printable(value[:SHOWN_CHARACTERS]) + cut]
        return "\n".join(lines)


def tail(
    settings: Settings, topics: Collection[str], *, from_beginning: bool = False, exit_on_end: bool = False
) -> Iterator[Shown]:
    """Every record of the topics, as it comes; with `exit_on_end` up to where they end now.

    Raises ConfigError for an unknown topic or where a registry is needed and not set, BrokerUnavailable,
    RegistryUnavailable.
    """
    decoder = Decoder(settings)
    with Reader(settings, topics, from_beginning=from_beginning) as reader:
        for messages in reader.up_to(reader.ends) if exit_on_end else reader.follow():
            for message in messages:
                shown = show(message, decoder)
                if not exit_on_end or shown.offset < reader.ends[shown.topic, shown.partition]:
                    yield shown


def show(message: Message, decoder: Decoder) -> Shown:
    """What is shown of a message."""
    key: Any = message.key()
    content: Any = message.value()
    schema_id, value = decoder.decode(content)
    headers: Any = message.headers() or []
    at = datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC)
    return Shown(
        topic=str(message.topic()),
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        time=at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        key=_text(key),
        headers=[(name, _text(content)) for name, content in headers],
        schema_id=schema_id,
        value=value,
    )


class Decoder:
    """Values to what they say: Avro in the Confluent wire format, else text, else hex."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._registry: RegistryClient | None = None  # asked only if a value needs it
        self._recursive: dict[int, bool] = {}

    def decode(self, value: bytes | None) -> tuple[int | None, Any]:
        """The schema's id, or None if `value` is not Avro, and the value. Raises ConfigError, RegistryUnavailable."""
        if value is None or len(value) < 5 or value[0] != 0:
            return None, _text(value)
        self._registry = self._registry or RegistryClient(self._settings)
        schema_id = int.from_bytes(value[1:5], "big")
        schema = self._registry.schema_by_id(schema_id)
        if schema is None or (len(value) > RECURSIVE_BYTES and self._is_recursive(schema_id, schema)):
            return None, _text(value)
        body = io.BytesIO(value[5:])
        try:
            decoded = fastavro.schemaless_reader(body, schema, None)
        except Exception:  # whatever the bytes make of it: they only look like Avro
            return None, _text(value)
        return (schema_id, decoded) if not body.read(1) else (None, _text(value))

    def _is_recursive(self, schema_id: int, schema: Any) -> bool:
        if schema_id not in self._recursive:
            self._recursive[schema_id] = is_recursive(schema)
        return self._recursive[schema_id]


def _text(content: bytes | str | None) -> str | None:
    """UTF-8 text as it is, other bytes as Postgres writes them."""
    if content is None or isinstance(content, str):
        return content
    try:
        return content.decode()
    except UnicodeDecodeError:
        return f"\\x{content.hex()}"


def _plain(value: Any) -> str:
    """What orjson cannot write: decimals as text, bytes as hex."""
    return str(value) if isinstance(value, Decimal) else f"\\x{bytes(value).hex()}"
