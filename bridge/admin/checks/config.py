"""What `bridge config check` says."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.admin.checks.check import Check, ok, problem
from bridge.admin.config import all_mistakes
from bridge.configuration.load import Configuration
from bridge.text import counted


def check_config(configuration: Configuration) -> Iterator[Check]:
    """Reaches no server. No mistake has a value in it that may be a secret."""
    mistakes = all_mistakes(configuration)
    for mistake in mistakes:
        yield problem("config", f"{mistake.origin}: {mistake.message}", mistake.hint)
    if not mistakes:
        topics = {route.topic for route in configuration.settings.routes}
        routes = counted(len(configuration.settings.routes), "route")
        yield ok("config", f"{routes} to {counted(len(topics), 'topic')}, nothing is wrong")
