"""Payload to a record's value, for each encoding; what a route asks for is composed here, once."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any, Final

import orjson

from bridge.encoding.avro.schema import AvroSchema
from bridge.encoding.change import ChangeSchema, is_change
from bridge.encoding.fields import Filter, without
from bridge.encoding.headers import AVRO, JSON, RAW
from bridge.encoding.wire_format import prefix
from bridge.errors import ConfigError, EncodingError
from bridge.event import CHANGED, STATES
from bridge.settings import Encoding, Route

Encode = Callable[[str], bytes]  # raises EncodingError

CONTENT_TYPES: Final = {Encoding.AVRO: AVRO, Encoding.JSON: JSON, Encoding.RAW: RAW}


def is_of_changes(route: Route) -> bool:
    """Whether what it routes are changes of tracked tables."""
    return bool(route.table) or route.event_type == CHANGED


def avro_body(route: Route, schema: AvroSchema) -> Encode:
    """A record's Avro, typed where the schema is of a tracked table's changes. Raises ConfigError."""
    if not is_change(schema.document):
        return schema.encode
    if not is_of_changes(route):
        raise ConfigError(
            f"the schema {schema.subject}.avsc is of a tracked table's changes, and its route of the {route}",
            hint="Give the route a table instead of an event_type, or another subject",
        )
    return ChangeSchema(schema.subject, json.dumps(schema.whole)).encode


def avro_value(encode: Encode, schema_id: int) -> Encode:
    """In the Confluent wire format, around `encode`."""
    before = prefix(schema_id)

    def value(payload: str) -> bytes:
        return before + encode(payload)

    return value


def plain_value(route: Route) -> Encode:
    """Of a route whose encoding needs no schema."""
    if route.encoding is Encoding.RAW:
        return raw_value
    return json_change if is_of_changes(route) else json_value


def json_value(payload: str) -> bytes:
    """The payload as it is."""
    if not payload:
        raise EncodingError("there is no payload")
    try:
        return payload.encode()
    except UnicodeEncodeError as error:
        raise EncodingError("the payload holds a lone surrogate") from error


def json_change(payload: str) -> bytes:
    """A change whose states are objects instead of texts, spelled as they were."""
    try:
        change = orjson.loads(payload)
        for state in STATES:
            if change[state] is not None:
                change[state] = orjson.Fragment(change[state])
        return orjson.dumps(change)
    except (ValueError, TypeError) as error:
        raise EncodingError("the payload is not JSON") from error


def raw_value(payload: str) -> bytes:
    """The bytes of a payload `{"$bytes": "<base64>"}`, where line breaks are let pass: Postgres writes some."""
    try:
        given: Any = orjson.loads(payload)
    except ValueError as error:
        raise EncodingError("the payload is not JSON") from error
    text = given.get("$bytes") if isinstance(given, dict) and len(given) == 1 else None
    if not isinstance(text, str):
        raise EncodingError('$: expected {"$bytes": "..."}, for the route says encoding = "raw"')
    try:
        return base64.b64decode(text.replace("\n", ""), validate=True)
    except (binascii.Error, ValueError) as error:
        raise EncodingError("$.$bytes: expected base64") from error


def filtered(route: Route, encode: Encode) -> Encode:
    """`encode` behind what the route takes out of payloads."""
    hide = hiding(route)
    return encode if hide is None else lambda payload: encode(hide(payload))


def hiding(route: Route) -> Filter | None:
    """What takes out of payloads what the route says; None where it says nothing."""
    if not route.drop and not route.mask:
        return None
    return without(route.drop, route.mask, is_change=is_of_changes(route))
