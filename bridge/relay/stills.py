"""What is not published although nothing that is known holds it up, so that `bridge status` can tell that, too.

Health says of a relay that something does not get on, whatever the reason. What is told here has been so for longer,
and nothing else that waits accounts for it: a bug that left events behind, a thread that hangs in a library, a shard
that nobody takes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from bridge.log_fields import about
from bridge.relay.waits import Wait
from bridge.settings import Settings
from bridge.telemetry.health import STILL_LEASES, RelayState

logger = logging.getLogger(__name__)

TIMEOUTS = 2  # of Kafka: for a batch that comes to nothing, and for the takeover behind it, which says what is wrong
MEND = "looks at everything anew within five minutes: restart it if that does not help. Please report it, with its log"


class Still(NamedTuple):
    """Since when something is unexplained, by a monotonic clock, and since when it has not moved."""

    noticed: float
    since: datetime


Place = tuple[int, str | None]  # a shard, and the topic of events that are parked there; None: those that are unread


class Stills:
    """Of one relay; one thread looks, any may read `found`."""

    def __init__(self, settings: Settings) -> None:
        self.found: tuple[Wait, ...] = ()  # replaced, never changed
        self._bound = STILL_LEASES * settings.relay.lease_seconds
        self._patience = TIMEOUTS * settings.relay.transaction_timeout_seconds
        self._letters = settings.topics.dead_letters
        self._known: dict[Place, Still] = {}
        self._looked: float | None = None

    def look(self, relay: RelayState, now: float) -> None:
        """At what has just been read. After a pause, of this process or of Postgres, all begins anew."""
        if self._looked is None or now - self._looked > self._bound:
            self._known = {}
        self._looked = now
        self._known = {
            place: self._known.get(place, Still(now, datetime.now(UTC) - timedelta(seconds=seconds)))
            for place, seconds in _unexplained(relay, self._bound, self._letters)
        }
        owners = {shard.shard: shard.owner if shard.is_held else None for shard in relay.shards}
        before = {(wait["shard"], wait["topic"]) for wait in self.found}
        self.found = tuple(
            _wait(place, still, owners.get(place[0]))
            for place, still in sorted(self._known.items(), key=str)
            if now - still.noticed > self._patience
        )
        for wait in self.found:
            if (wait["shard"], wait["topic"]) not in before:
                what = about("stands-still", shard=wait["shard"], topic=wait["topic"])
                logger.warning("shard %s does not get on: %s", wait["shard"], wait["reason"], extra=what)


def _unexplained(relay: RelayState, bound: float, letters: str) -> Iterator[tuple[Place, float]]:
    """What has been the same for longer than `bound` seconds, and for how long.

    Where the topic of the `letters` is held, so is what comes behind a dead event.
    """
    waits = {(wait.shard, wait.topic) for wait in relay.waits}
    if relay.phase != "running" or (None, None) in waits:
        return
    theirs = {shard.shard for shard in relay.shards if shard.is_elsewhere or shard.stopped is not None}
    told = theirs | {shard for shard, topic in waits if shard is not None and topic is None}
    for shard in relay.shards:
        if shard.shard not in told and (shard.still_seconds or 0) > bound:
            told.add(shard.shard)
            yield (shard.shard, None), shard.still_seconds or 0
    for topic in relay.topics:
        holds = {(topic.shard, topic.topic), (topic.shard, letters)}
        if topic.shard not in told and not holds & waits and (topic.still_seconds or 0) > bound:
            yield (topic.shard, topic.topic), topic.still_seconds or 0


def _wait(place: Place, still: Still, owner: str | None) -> Wait:
    shard, topic = place
    what = "its oldest unread event" if topic is None else f"the oldest parked event of topic {topic} that may go"
    who = f"relay {owner} {MEND}" if owner else "no relay takes it: see their logs"
    reason = f"{what} stays where it is, and nothing that is known holds it up; {who}"
    return Wait(shard=shard, topic=topic, kind="still", reason=reason, since=still.since.isoformat(), count=1)
