"""What there is to know about each topic, for people and for tools: from routes and schema files, without a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bridge.encoding.avro.library import SchemaDirectory, SchemaLibrary
from bridge.encoding.values import CONTENT_TYPES, is_of_changes
from bridge.settings import Encoding, Route, Settings


@dataclass(frozen=True, slots=True)
class Message:
    """What one route sends to its topic; `schema` is None where its encoding needs none, `doc` may be empty."""

    route: Route
    content_type: str
    schema: Any
    doc: str

    @property
    def title(self) -> str:
        """What these events are, for people."""
        if self.route.table:
            return f"changes of {self.route.table}"
        if is_of_changes(self.route):
            return "changes of all other tracked tables"
        return self.route.event_type

    @property
    def key(self) -> str:
        """What a record's key is."""
        if is_of_changes(self.route):
            return f"{self.route.table or '<table>'}:<key of the row>"
        return "the event's key, as its writer gave it"


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic, and all that routes send to it."""

    name: str
    messages: Sequence[Message]


def topics_of(settings: Settings) -> list[Topic]:
    """All topics of routes by name, each with its messages in the order of the routes. Raises ConfigError."""
    found: Mapping[str, list[Message]] = {route.topic: [] for route in settings.routes}
    library = SchemaLibrary(SchemaDirectory(settings.schemas))
    for route in settings.routes:
        schema = None
        if route.encoding is Encoding.AVRO:
            schema = library.schema(route.subject).whole
        doc = schema.get("doc", "") if isinstance(schema, dict) else ""
        found[route.topic].append(Message(route, CONTENT_TYPES[route.encoding], schema, doc))
    return [Topic(name, messages) for name, messages in sorted(found.items())]
