"""What waits behind a dead event, by its route, until a person has decided. Pure."""

from __future__ import annotations

from bridge.encoding.routing import Router
from bridge.settings import OnDead, Settings


class Policies:
    """Of the routes of one bridge; what a route does not say is relay.on_dead."""

    def __init__(self, settings: Settings) -> None:
        self._usual = settings.relay.on_dead
        self._router = Router(settings.routes)

    def of(self, event_type: str, entity_type: str | None) -> OnDead:
        """Of such an event; without a route, it has no topic that could be stopped."""
        route = self._router.find(event_type, entity_type)
        if route is None:
            return OnDead.HOLD if self._usual is OnDead.STOP else self._usual
        return route.on_dead or self._usual
