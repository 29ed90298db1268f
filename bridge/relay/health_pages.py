"""The pages of health, of one relay's process."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.relay.vitals import Vitals
from bridge.telemetry.document import as_answer, of_all, of_relay
from bridge.telemetry.health import not_ready
from bridge.telemetry.pages import HEALTH, LIVE, READY, Answer, Page, Request, told


def relay_pages(vitals: Vitals) -> Mapping[str, Page]:
    """Those of one relay's process."""

    def live(_request: Request) -> Answer:
        return told(vitals.hangs(), "alive")

    def ready(_request: Request) -> Answer:
        relay = vitals.relay()
        stands_by = not any(shard.is_ours for shard in relay.shards)
        well = (
            "ready: it stands by, because other relays hold all shards, or they are stopped" if stands_by else "ready"
        )
        return told(not_ready(relay, vitals.lease_seconds), well)

    def health(_request: Request) -> Answer:
        return as_answer(of_all([of_relay(vitals.relay(), vitals.bound, vitals.lease_seconds)], vitals.bound))

    return {LIVE: live, READY: ready, HEALTH: health}
