"""What `bridge config check` says."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.admin.checks.check import Check, ok, problem
from bridge.admin.config import all_mistakes
from bridge.configuration.load import Configuration


def check_config(configuration: Configuration) -> Iterator[Check]:
    """Reaches no server. No mistake has a value in it that may be a secret."""
    mistakes = all_mistakes(configuration)
    for mistake in mistakes:
        yield problem("config", f"{mistake.origin}: {mistake.message}", mistake.hint)
    if not mistakes:
        topics = {route.topic for route in configuration.settings.routes}
        yield ok("config", f"{len(configuration.settings.routes)} routes to {len(topics)} topics, nothing is wrong")
