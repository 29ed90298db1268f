"""Whether each route's schema file is there and can be compiled."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.configuration.load import Configuration
from bridge.configuration.mistake import Mistake
from bridge.configuration.routes import route_key
from bridge.configuration.subjects import raise_if_misnamed
from bridge.encoding.avro.library import SchemaDirectory, SchemaLibrary
from bridge.encoding.values import avro_body
from bridge.errors import ConfigError


def schema_mistakes(configuration: Configuration) -> Iterator[Mistake]:
    """One for each subject whose schema cannot be had, at the first route that names it."""
    if any(mistake.setting == "schemas" for mistake in configuration.mistakes):
        return
    library = SchemaLibrary(SchemaDirectory(configuration.settings.schemas))
    subjects: set[str] = set()
    for number, route in configuration.routes:
        if route.subject in subjects or not route.subject:
            continue
        try:
            schema = library.schema(route.subject)
            avro_body(route, schema)
            raise_if_misnamed(route, schema, configuration.settings.registry.subject_name_strategy)
            subjects.add(route.subject)
        except ConfigError as error:
            name = route_key(number, "subject")
            yield Mistake(name, configuration.origins[name], error.message, error.hint)
