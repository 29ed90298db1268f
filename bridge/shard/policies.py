"""What waits behind a dead event, by its type, until a person has decided. Pure."""

from __future__ import annotations

from bridge.settings import OnDead, Settings


class Policies:
    """Of the routes of one bridge."""

    def __init__(self, settings: Settings) -> None:
        self._usual = settings.relay.on_dead
        self._of = {route.event_type: self._usual for route in settings.routes}

    def of(self, event_type: str) -> OnDead:
        """Of an event of this type; without a route, it has no topic that could be stopped."""
        return self._of.get(event_type, OnDead.HOLD if self._usual is OnDead.STOP else self._usual)
