"""How a relay stands at this moment, for its metrics; asks no server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from bridge.relay.carriers import Carriers
from bridge.relay.health import Health
from bridge.relay.outages import SERVERS, Outages
from bridge.relay.waits import Wait, kind_of_hold, waits
from bridge.telemetry.now import SERVERS as LABELS
from bridge.telemetry.now import Now

NAMES = dict(zip(SERVERS.values(), LABELS, strict=True))


def relay_now(
    relay: Health,
    carriers: Carriers | None,
    outages: Outages,
    stills: Sequence[Wait],
    registry: Mapping[str, int],
    tracking_problems: int,
) -> Now:
    """`registry` counts requests by outcome, `carriers` is None before the start. Any thread may ask."""
    current = outages.current()
    healths = {} if carriers is None else dict(carriers.healths)
    held = Counter(
        (topic, kind_of_hold(hold.why)) for health in healths.values() for topic, hold in health.holds.current.items()
    )
    return Now(
        carried=0 if carriers is None else len(carriers.shards()),
        away={NAMES[outage.server] for outage in current if outage.server in NAMES and not outage.is_refusal},
        refusing={NAMES[outage.server] for outage in current if outage.server in NAMES and outage.is_refusal},
        outages={NAMES[server]: count for server, count in dict(outages.counts).items() if server in NAMES},
        held=held,
        waits=Counter(wait["kind"] for wait in (*waits(relay, healths, outages), *stills)),
        registry=dict(registry),
        tracking_problems=tracking_problems,
    )
