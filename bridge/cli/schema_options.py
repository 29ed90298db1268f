"""What the commands of `bridge schema` read first."""

from __future__ import annotations

from pathlib import Path

from bridge.configuration.load import Configuration, no_routes, read
from bridge.configuration.mistake import as_error


def read_schemas(config: Path | None, *, registry: bool) -> Configuration:
    """What was given; most of its mistakes are part of a command's report.

    Raises ConfigError for those that leave nothing to report on, and where nothing names any schema.
    """
    configuration = read(config)
    settings = configuration.settings
    if not configuration.origins or (registry and not settings.registry.url):
        configuration.checked()
    if config is None and settings.schemas is None:
        configuration.checked()
        raise as_error([no_routes(None)])
    return configuration
