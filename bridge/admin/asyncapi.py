"""All topics as an AsyncAPI 3.0 document, for code generators, catalogues and linters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from bridge.admin.topic_docs import Message, Topic
from bridge.encoding.headers import CE_ID, CE_SEQUENCE, CE_SOURCE, CE_SPECVERSION, CE_SUBJECT, CE_TIME, CE_TYPE
from bridge.encoding.values import CONTENT_TYPES
from bridge.settings import Encoding, Settings

VERSION: Final = "3.0.0"
AVRO_FORMAT: Final = "application/vnd.apache.avro;version=1.9.0"  # the newest name that the specification has
KAFKA_BINDING: Final = "0.5.0"
HEADERS: Final = {
    CE_SPECVERSION: "CloudEvents' version, 1.0",
    CE_ID: "the event's id; the same each time it is published",
    CE_TYPE: "the event's type",
    CE_SOURCE: "which bridge published it, from which table",
    CE_SUBJECT: "the event's key",
    CE_TIME: "when it was written, RFC 3339 in UTC",
    CE_SEQUENCE: "its number in the outbox, with leading zeros",
}


def asyncapi(settings: Settings, topics: Sequence[Topic], title: str, version: str) -> dict[str, Any]:
    """The document; `title` and `version` are of its `info`."""
    names = _component_names(message for topic in topics for message in topic.messages)
    document: dict[str, Any] = {
        "asyncapi": VERSION,
        "info": {"title": title, "version": version},
        "defaultContentType": CONTENT_TYPES[Encoding.AVRO],
        "channels": {},
        "operations": {},
        "components": {
            "messages": {names[message.route]: _message(message) for topic in topics for message in topic.messages},
            "schemas": {"headers": _headers()},
        },
    }
    if settings.kafka.bootstrap_servers:
        document["servers"] = {"kafka": _server(settings)}
    for topic in topics:
        here = [names[message.route] for message in topic.messages]
        own = {name: _reference("components", "messages", name) for name in here}
        document["channels"][topic.name] = {"address": topic.name, "messages": own}
        document["operations"][f"publish.{topic.name}"] = {
            "action": "send",
            "channel": _reference("channels", topic.name),
            "messages": [_reference("channels", topic.name, "messages", name) for name in own],
        }
    return document


def _message(message: Message) -> dict[str, Any]:
    route = message.route
    kafka: dict[str, Any] = {"key": {"type": "string", "description": message.key}, "bindingVersion": KAFKA_BINDING}
    found: dict[str, Any] = {
        "name": route.table or route.event_type,
        "title": message.title,
        "contentType": message.content_type,
        "headers": _reference("components", "schemas", "headers"),
        "bindings": {"kafka": kafka},
    }
    if message.doc:
        found["description"] = message.doc
    if message.schema is not None:
        found["payload"] = {"schemaFormat": AVRO_FORMAT, "schema": message.schema}
        kafka |= {"schemaIdLocation": "payload", "schemaIdPayloadEncoding": "confluent"}
        found["x-subject"] = route.subject
    if route.tombstone:
        found["x-tombstone"] = "after each" if not route.table else "after DELETE"
    return found


def _headers() -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(HEADERS),
        "properties": {name: {"type": "string", "description": what} for name, what in HEADERS.items()},
    }


def _server(settings: Settings) -> dict[str, Any]:
    secure = settings.kafka.properties.get("security.protocol", "plaintext").lower().endswith("ssl")
    server: dict[str, Any] = {
        "host": settings.kafka.bootstrap_servers.split(",")[0].strip(),
        "protocol": "kafka-secure" if secure else "kafka",
    }
    if settings.registry.url:
        server["bindings"] = {"kafka": {"schemaRegistryUrl": settings.registry.url, "bindingVersion": KAFKA_BINDING}}
    return server


def _component_names(messages: Iterable[Message]) -> dict[Any, str]:
    """A name for each route, of the characters that AsyncAPI allows, and none twice."""
    names: dict[Any, str] = {}
    for message in messages:
        route = message.route
        kind = f"table.{route.table}" if route.table else route.event_type
        plain = re.sub(r"[^\w.-]", "_", kind, flags=re.ASCII)
        name, number = plain, 1
        while name in names.values():
            number += 1
            name = f"{plain}-{number}"
        names[route] = name
    return names


def _reference(*path: str) -> dict[str, str]:
    return {"$ref": "#/" + "/".join(part.replace("~", "~0").replace("/", "~1") for part in path)}
