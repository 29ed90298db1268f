"""The subject of a route that names none: what other serializers would call it by the subject name strategy."""

from __future__ import annotations

from dataclasses import replace

from bridge.encoding.avro.names import type_name
from bridge.encoding.avro.schema import AvroSchema
from bridge.errors import ConfigError
from bridge.settings import Encoding, Route, SubjectNameStrategy


def with_subject(route: Route, strategy: SubjectNameStrategy) -> Route:
    """The route with its subject. Raises ConfigError where the strategy needs a record's name, which is not known."""
    if route.subject or route.encoding is not Encoding.AVRO:
        return route
    record = _record(route)
    if strategy is SubjectNameStrategy.TOPIC_NAME:
        return replace(route, subject=f"{route.topic}-value")
    if record is None:
        raise ConfigError(
            f"the route needs a subject: {strategy} takes the record's name, and {route.event_type} is many types",
            hint="Name the subject, or the types one by one",
        )
    return replace(route, subject=record if strategy is SubjectNameStrategy.RECORD_NAME else f"{route.topic}-{record}")


def raise_if_misnamed(route: Route, schema: AvroSchema, strategy: SubjectNameStrategy) -> None:
    """Raises ConfigError where a subject is taken for the record's name, and the record has another one."""
    is_taken = strategy is not SubjectNameStrategy.TOPIC_NAME
    if not is_taken or with_subject(replace(route, subject=""), strategy).subject != route.subject:
        return
    record, found = _record(route), type_name(schema.document)
    if found != record:
        raise ConfigError(
            f"by {strategy} the record in {schema.subject}.avsc would be called {record}, and it is called {found}",
            hint=f"Name the route's subject, or call the record so{_of_table(route)}",
        )


def _of_table(route: Route) -> str:
    return f": bridge schema generate ... --name {route.table}" if route.table else ""


def _record(route: Route) -> str | None:
    """What the record would be called: like the event type, or like the table."""
    if route.table:
        return route.table
    return None if route.is_prefix else route.event_type
