"""Records for people: decoded by the registry's schemas, safe to print."""

from __future__ import annotations

import io
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import fastavro
from confluent_kafka import Message

from bridge.encoding.avro.claims import is_bounded
from bridge.encoding.headers import rfc3339
from bridge.encoding.wire_format import split
from bridge.kafka.headers import headers_of
from bridge.kafka.reader import Reader
from bridge.registry.client import RegistryClient
from bridge.settings import Settings
from bridge.text import json_text, printable

SHOWN_CHARACTERS = 4000  # of a value in text; JSON output has it whole


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

    def as_document(self) -> dict[str, Any]:
        """For programs; of headers of one name, the last."""
        return self.__dict__ | {"headers": dict(self.headers)}

    def as_lines(self) -> list[str]:
        """Up to three lines: when and where, headers, value."""
        value = self.value if isinstance(self.value, str) else json_text(self.value)
        cut = f"... ({len(value)} characters)" if len(value) > SHOWN_CHARACTERS else ""
        headers = " ".join(f"{name}={content}" for name, content in self.headers)
        place = f"{self.time} {self.topic}[{self.partition}]@{self.offset} key {self.key}"
        lines = [place, *([f"  {headers}"] if headers else []), f"  {value[:SHOWN_CHARACTERS]}{cut}"]
        return [printable(line) for line in lines]


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
    return Shown(
        topic=str(message.topic()),
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        time=rfc3339(message.timestamp()[1] * 1000).replace("000Z", "Z"),  # Kafka has milliseconds
        key=_text(key),
        headers=[(name, _text(content)) for name, content in headers_of(message)],
        schema_id=schema_id,
        value=value,
    )


class Decoder:
    """Values to what they say: Avro in the Confluent wire format, else text, else hex."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._registry: RegistryClient | None = None  # asked only if a value needs it

    def decode(self, value: bytes | None) -> tuple[int | None, Any]:
        """The schema's id, or None if `value` is not Avro, and the value. Raises ConfigError, RegistryUnavailable."""
        parts = None if value is None else split(value)
        if parts is None:
            return None, _text(value)
        self._registry = self._registry or RegistryClient(self._settings)
        schema_id, body = parts
        schema = self._registry.schema_by_id(schema_id)
        if schema is None or not is_bounded(schema, body):
            return None, _text(value)
        try:
            return schema_id, spelled(fastavro.schemaless_reader(io.BytesIO(body), schema, None))
        except Exception:  # whatever the bytes make of it: they only look like Avro
            return None, _text(value)


def spelled(value: Any) -> Any:
    """NaN and the infinities as text: JSON has none, and makes null of them."""
    match value:
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        case dict():
            return {name: spelled(part) for name, part in value.items()}
        case list():
            return [spelled(part) for part in value]
    return value


def _text(content: bytes | str | None) -> str | None:
    """UTF-8 text as it is, other bytes as Postgres writes them."""
    if content is None or isinstance(content, str):
        return content
    try:
        return content.decode()
    except UnicodeDecodeError:
        return f"\\x{content.hex()}"
