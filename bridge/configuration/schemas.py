"""Whether each route's schema file is there, can be compiled, and has what the route hides."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.configuration.hidden_fields import hiding_troubles
from bridge.configuration.load import Configuration
from bridge.configuration.mistake import Mistake
from bridge.configuration.routes import route_key
from bridge.configuration.subjects import raise_if_misnamed
from bridge.encoding.avro.library import SchemaDirectory, SchemaLibrary
from bridge.encoding.avro.schema import AvroSchema
from bridge.encoding.values import avro_body
from bridge.errors import ConfigError
from bridge.settings import Route


def schema_mistakes(configuration: Configuration) -> Iterator[Mistake]:
    """One for each subject whose schema cannot be had, at the first route that names it; and what does not fit it."""
    if any(mistake.setting == "schemas" for mistake in configuration.mistakes):
        return
    library = SchemaLibrary(SchemaDirectory(configuration.settings.schemas))
    wrong: set[str] = set()
    for number, route in configuration.routes:
        if route.subject in wrong or not route.subject:
            continue
        try:
            schema = library.schema(route.subject)
        except ConfigError as error:
            wrong.add(route.subject)
            yield _mistake(configuration, number, "subject", error.message, error.hint)
        else:
            yield from misfits(configuration, number, route, schema)


def misfits(configuration: Configuration, number: int, route: Route, schema: AvroSchema) -> Iterator[Mistake]:
    """What is wrong with a route, the `number`th, beside its schema."""
    try:
        avro_body(route, schema)
        raise_if_misnamed(route, schema, configuration.settings.registry.subject_name_strategy)
    except ConfigError as error:
        yield _mistake(configuration, number, "subject", error.message, error.hint)
        return
    for key, message, hint in hiding_troubles(route, schema):
        yield _mistake(configuration, number, key, f"the route's {key} {message}", hint)


def _mistake(configuration: Configuration, number: int, key: str, message: str, hint: str | None) -> Mistake:
    name = route_key(number, key)
    return Mistake(name, configuration.origins[name], message, hint)
