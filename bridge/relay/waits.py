"""What waits and why, as `bridge status` shows it: a relay writes it beside its sign of life."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TypedDict

from bridge.errors import BridgeError, RegistryUnavailable, TopicUnwritable
from bridge.relay.health import Health
from bridge.relay.outages import Outages
from bridge.relay.shard_health import ShardHealth
from bridge.text import printable

SHOWN = 500  # characters of a reason


class Wait(TypedDict):
    """One thing that waits; `shard` and `topic` are None where all of them do, `count` is that of failures."""

    shard: int | None
    topic: str | None
    kind: str  # "server", "refusal", "topic", "schema", "doubt", "unforeseen", or "still" (relay/stills.py)
    reason: str
    since: str
    count: int


def waits(relay: Health | None, shards: Mapping[int, ShardHealth], outages: Outages) -> list[Wait]:
    """All that waits in this process, in a fixed order; `relay`: None before it has begun."""
    found = [
        _wait(None, None, "refusal" if outage.is_refusal else "server", outage.why, outage.since)
        for outage in outages.current()
    ]
    if relay is not None:
        found += _unforeseen(None, relay)
    for shard, health in sorted(shards.items()):
        for topic, hold in sorted(health.holds.current.items()):
            found.append(_wait(shard, topic, kind_of_hold(hold.why), str(hold.why), hold.since))
        found += _unforeseen(shard, health)
        if (doubt := health.doubt) is not None and health.is_in_doubt:
            found.append(_wait(shard, None, "doubt", doubt.cause, doubt.since, doubt.count))
    return found


def kind_of_hold(why: BridgeError) -> str:
    """What a topic waits for."""
    if isinstance(why, TopicUnwritable):
        return "topic"
    return "server" if isinstance(why, RegistryUnavailable) else "schema"


def _unforeseen(shard: int | None, health: Health) -> Iterator[Wait]:
    if (trouble := health.unforeseen) is not None:
        yield _wait(shard, None, "unforeseen", trouble.cause, trouble.since, trouble.count)


def _wait(shard: int | None, topic: str | None, kind: str, reason: str, since: datetime, count: int = 1) -> Wait:
    text = printable(reason)[:SHOWN]
    return Wait(shard=shard, topic=topic, kind=kind, reason=text, since=since.isoformat(), count=count)
