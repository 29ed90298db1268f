"""A record's bytes to what they say: Avro in Confluent's wire format, JSON, or bytes as they are."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from typing import Any

import fastavro

from bridge.consumer.message import Arrived, Message, text
from bridge.encoding.avro.claims import is_bounded
from bridge.encoding.headers import AVRO
from bridge.encoding.wire_format import split
from bridge.errors import BridgeError, ConfigError, RegistryUnavailable
from bridge.registry.client import RegistryClient
from bridge.settings import RegistrySettings, Settings

HINT = "Check the consumer's parameter `registry`, and that the registry runs"


class Undecodable(BridgeError):
    """A record that no attempt will decode: its bytes do not fit its schema, or there is none."""


class Decoder:
    """Asks the registry once for each schema."""

    def __init__(self, registry: RegistrySettings) -> None:
        self._settings = Settings(registry=registry)
        self._schemas: dict[int, Any] = {}

    def decode(self, record: Arrived, attempt: int = 1) -> Message:
        """Raises Undecodable; RegistryUnavailable, and ConfigError where the registry refuses us or is not given."""
        schema_id, value = self._value(record)
        return Message(
            record.topic,
            record.partition,
            record.offset,
            record.at,
            None if record.key is None else text(record.key),
            value,
            record.headers,
            schema_id,
            attempt,
        )

    def _value(self, record: Arrived) -> tuple[int | None, Any]:
        value, kind = record.value, record.content_type.partition(";")[0].strip().lower()
        if value is None:
            return None, None
        if kind == "application/json" or kind.endswith("+json"):
            return None, _json(value)
        parts = split(value)
        if kind not in ("", AVRO) or (not kind and parts is None):
            return None, value
        if parts is None:
            raise Undecodable("it is called Avro, and has no schema id in front")
        schema_id, body = parts
        return schema_id, self._avro(schema_id, body)

    def _avro(self, schema_id: int, body: bytes) -> Any:
        schema = self._schema(schema_id)
        try:
            if is_bounded(schema, body):
                return fastavro.schemaless_reader(io.BytesIO(body), schema, None)
        except Exception as error:  # whatever the bytes make of it, and logical types of numbers beyond what they hold
            raise Undecodable(f"its bytes do not decode by schema {schema_id} ({type(error).__name__})") from error
        raise Undecodable(f"its bytes are no value of schema {schema_id}, or a larger one than is read")

    def _schema(self, schema_id: int) -> Any:
        if schema_id not in self._schemas:
            schema = self._asked(schema_id)
            if schema is None:
                raise Undecodable(f"the registry has no Avro schema {schema_id}")
            self._schemas[schema_id] = schema
        return self._schemas[schema_id]

    def _asked(self, schema_id: int) -> Any:
        """With a client of its own, so that a schema that was missing is asked for again."""
        if not self._settings.registry.url:
            raise ConfigError("a record is Avro, and no schema registry is given", hint=HINT)
        try:
            return RegistryClient(self._settings).schema_by_id(schema_id)
        except (RegistryUnavailable, ConfigError) as error:  # whose hints name what a relay is configured with
            raise type(error)(error.message, hint=HINT) from error


def _json(value: bytes) -> Any:
    try:
        return json.loads(value, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise Undecodable(f"it is called JSON, and is none ({type(error).__name__})") from error
    except ArithmeticError as error:  # decimal's, for an exponent of twenty digits
        raise Undecodable("it is JSON with a number beyond what Decimal holds") from error
